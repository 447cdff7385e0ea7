"""A clip through a whole session: what turns came out of it, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from scripts.benchmarks.listen_parts import Loader, listening_session
from voice.audio.wav import FileInput
from voice.clock import Clock, MonotonicClock, VirtualClock
from voice.config import Options
from voice.trace import Trace, TraceEvent

TICK_SECONDS = 0.002
"""How often the watch over the event loop wants to run."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn with words; times are seconds from the first sample of the clip."""

    started: float
    first_partial: float | None
    speech_ended: float
    decided: float
    final: float
    text: str
    answered: bool = True
    """False: the words made no turn of it (an "um", say), and the agent never got them."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a session made of one clip."""

    turns: tuple[Turn, ...]
    seconds: float
    """Sound that was listened to."""

    cpu_seconds: float
    discarded: int
    """Utterances that were opened and came to nothing."""

    @property
    def answered(self) -> tuple[Turn, ...]:
        """The turns that the agent got."""
        return tuple(turn for turn in self.turns if turn.answered)

    @property
    def text(self) -> str:
        """The words that the agent got."""
        return " ".join(turn.text for turn in self.answered)


def turns_of(events: Sequence[TraceEvent]) -> tuple[Turn, ...]:
    """The turns with words in a trace, in their order. Pure."""
    zero = next((event.at for event in events if event.event == "listening"), 0.0)
    turns = []
    for number in sorted({event.turn for event in events} - {0}):
        marks: dict[str, TraceEvent] = {}
        for event in events:
            if event.turn != number:
                continue
            if event.event == "transcript.partial" and not event.fields.get("text"):
                continue
            if event.event == "transcript.final":
                marks[event.event] = event
            marks.setdefault(event.event, event)
        final = marks.get("transcript.final")
        if final is None or not final.fields.get("text"):
            continue
        partial = marks.get("transcript.partial")
        ended = marks["turn.ended"].at
        turns.append(
            Turn(
                started=marks["speech.started"].at - zero,
                first_partial=partial.at - zero if partial else None,
                speech_ended=marks["speech.ended"].at - zero,
                decided=ended - zero,
                final=final.at - zero,
                text=str(final.fields["text"]),
                answered="turn.discarded" not in marks,
            )
        )
    return tuple(turns)


@dataclass(slots=True)
class LoopWatch:
    """How late the event loop was each time, and how long it was busy itself meanwhile."""

    late_seconds: list[float] = field(default_factory=list)
    busy_seconds: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Tick while the block runs."""
        watch = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            watch.cancel()

    async def _tick(self) -> None:
        while True:
            due, busy = time.monotonic() + TICK_SECONDS, time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            self.late_seconds.append(max(0.0, time.monotonic() - due))
            self.busy_seconds.append(time.thread_time() - busy)


async def hear(
    path: Path, options: Options, loader: Loader, clock: Clock, watch: LoopWatch | None = None
) -> Heard:
    """Listen to a file to its end and to that of its last turn; `watch` looks over the loop."""
    events: list[TraceEvent] = []
    source = FileInput(path, clock)
    async with (
        listening_session(options, source, clock, Trace(events.append), loader) as session,
        watch.watching() if watch else nullcontext(),
    ):
        began, cpu_began = clock.now(), time.process_time()
        await session.run()
        seconds, cpu_seconds = clock.now() - began, time.process_time() - cpu_began
    discarded = sum(event.event == "turn.discarded" for event in events)
    return Heard(turns_of(events), seconds, cpu_seconds, discarded)


def hear_quickly(path: Path, options: Options, loader: Loader) -> Heard:
    """In virtual time: as fast as the machine can, the models' own time not counted."""

    async def run() -> Heard:
        return await hear(path, options, loader, VirtualClock())

    return asyncio.run(run())


def hear_in_real_time(
    path: Path, options: Options, loader: Loader, watch: LoopWatch | None
) -> Heard:
    """As it would be spoken to the program."""
    return asyncio.run(hear(path, options, loader, MonotonicClock(), watch))


def idle_watch(seconds: float) -> LoopWatch:
    """The same ticks over a loop with nothing else to do: what the machine itself adds."""
    watch = LoopWatch()

    async def run() -> None:
        async with watch.watching():
            await asyncio.sleep(seconds)

    asyncio.run(run())
    return watch
