"""Visitors who just speak: `activation = "always"`."""

from __future__ import annotations

import asyncio
from typing import Final

from voice.apps.kiosk.visitors import Note
from voice.clock import Clock
from voice.config import KioskOptions
from voice.errors import UsageError
from voice.session import Session
from voice.trace import TraceEvent

_TICK_SECONDS = 0.5

_BUSY: Final = frozenset({"speech.started", "turn.ended", "request.sent", "audio.first"})
_QUIET: Final = frozenset(
    {"turn.completed", "turn.discarded", "speech.ignored", "speech.ended", "kiosk.ready"}
)


class Always:
    """A visit begins with speech and ends with silence; then all of it is forgotten."""

    def __init__(self, options: KioskOptions, note: Note, clock: Clock) -> None:
        """Raises `UsageError` for what it cannot do."""
        if options.activation != "always":
            raise UsageError(
                f"activation = {options.activation!r} cannot be used yet",
                'set activation = "always" in [kiosk]',
            )
        self._forget_seconds = options.forget_seconds
        self._note = note
        self._clock = clock
        self._session: Session | None = None
        self._visited = False
        self._quiet_at: float | None = None

    def __call__(self, event: TraceEvent) -> None:
        """Follow who speaks."""
        if event.event in _BUSY:
            self._quiet_at = None
        elif event.event in _QUIET:
            self._quiet_at = event.at
        if event.event == "speech.started" and not self._visited:
            self._visited = True
            self._note("visit.began", {"by": "speech"})

    def attach(self, session: Session) -> None:
        """A conversation was opened."""
        self._session = session

    def detach(self) -> None:
        """It is over, and with it the visit."""
        self._session = None
        self._end("fault")

    async def run(self) -> None:
        """Look whether the visitor has left, until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.look()

    def look(self) -> None:
        """End the visit if nobody has said anything for long enough."""
        if self._session is None or self._quiet_at is None or not self._visited:
            return
        if self._clock.now() >= self._quiet_at + self._forget_seconds:
            self._session.begin_anew()
            self._end("silence")

    def _end(self, reason: str) -> None:
        if self._visited:
            self._visited = False
            self._note("visit.ended", {"reason": reason})
