"""What the kiosk needs of whoever decides who is heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from voice.session import Session
from voice.trace import TraceEvent

Note = Callable[[str, dict[str, Any]], None]
"""Puts an event with its fields into the trace."""


class Visitors(Protocol):
    """Decides who is heard; it learns what happens as a sink of the trace."""

    def __call__(self, event: TraceEvent) -> None:
        """Take in one event."""

    def attach(self, session: Session) -> None:
        """A conversation was opened."""

    def detach(self) -> None:
        """It is over."""

    async def run(self) -> None:
        """Do the work until cancelled."""
