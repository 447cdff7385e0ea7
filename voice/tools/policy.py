"""What may be done with a tool's calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How calls of a tool are treated; seconds count from when the call began."""

    confirm: bool = False
    """The agent asks aloud first, and the tool runs only after a yes."""

    cancellable: bool = True
    """An interruption ends it; otherwise it goes on, and its result is told later."""

    once: bool = False
    """A call that is repeated in the same turn does nothing and returns the first one's result."""

    read_only: bool = False
    """It changes nothing, so it may run for an answer that is begun early and perhaps dropped."""

    filler_seconds: Annotated[float, Meta(gt=0)] = 1.5
    """So long the user waits in silence; then the agent says that it is at work."""

    wait_seconds: Annotated[float, Meta(gt=0)] = 8.0
    """So long the answer waits; then the call goes on in the background, and its result is told
    at the next free moment."""

    limit_seconds: Annotated[float, Meta(gt=0)] = 20.0
    """A call that takes longer is given up."""
