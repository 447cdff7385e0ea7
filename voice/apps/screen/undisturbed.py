"""A terminal on which nothing but the screen writes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def undisturbed(log: Path | None) -> Iterator[None]:
    """What else is written to stderr, C libraries' complaints too, goes to `log` (None: nowhere).

    Textual draws on `sys.__stderr__`, which meanwhile is the terminal under another number. So
    its pictures also survive that number 2 is closed for a while (as when devices are listed).
    """
    kept = sys.__stderr__
    with (
        os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace") as terminal,
        Path(log or os.devnull).open("ab", buffering=0) as elsewhere,
    ):
        sys.__stderr__ = terminal  # type: ignore[misc]
        os.dup2(elsewhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal.fileno(), 2)
            sys.__stderr__ = kept  # type: ignore[misc]
