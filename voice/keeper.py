"""What outlives a conversation: its items in the journal, and the timers that run."""

from __future__ import annotations

import time

from voice.clock import Clock
from voice.errors import VoiceError
from voice.responses.journal import JournalWriter
from voice.responses.signals import ItemsSettled
from voice.tools.kept_timers import KeptTimers
from voice.tools.timers import Timers
from voice.trace import Trace


class Keeper:
    """Keeps and forgets; a failure is told by the trace, and the conversation goes on."""

    def __init__(
        self,
        timers: Timers,
        clock: Clock,
        trace: Trace,
        journal: JournalWriter | None = None,
        kept_timers: KeptTimers | None = None,
    ) -> None:
        """Without `journal` and `kept_timers` all is in memory only."""
        self._timers = timers
        self._clock = clock
        self._trace = trace
        self._journal = journal
        self._kept_timers = kept_timers

    async def keep(self, settled: ItemsSettled) -> None:
        """Items that are part of the conversation for good."""
        if self._journal:
            try:
                await self._journal.append(settled.turn, time.time(), settled.items)
            except VoiceError as error:
                self._failed("journal.failed", settled.turn, error)

    async def begin_anew(self, *, forget: bool) -> None:
        """What comes next is another conversation; `forget`: delete the one so far."""
        if self._journal:
            try:
                await self._journal.begin_anew(time.time(), forget=forget)
            except VoiceError as error:
                self._failed("journal.failed", 0, error)

    async def keep_timers(self) -> None:
        """The timers, if they are others than before."""
        if self._kept_timers and (timers := self._timers.unsaved()) is not None:
            failure = await self._kept_timers.write(timers)
            if failure:
                self._failed("timers.failed", 0, failure)

    def _failed(self, event: str, turn: int, error: VoiceError) -> None:
        self._trace.mark(event, self._clock.now(), turn, reason=str(error))
