"""What can be chosen about the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions:
    """Whether conversations are kept on disk, and for how long."""

    path: str = ""
    """File that keeps what was said, so that `voice run --resume` can go on with it; "": nothing
    is kept on disk."""

    retention_days: Annotated[float, Meta(ge=0)] = 30.0
    """Conversations that nobody went on with for this long are deleted: by `voice kiosk` within an
    hour, by `voice run` at its next start; 0: never."""
