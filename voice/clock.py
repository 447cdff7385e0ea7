"""The clock of a session: the machine's own, or one that the sound file drives.

With `VirtualClock` time is the position in the file: nothing waits, and the time that models take
does not pass. Whoever has work under way holds the clock (`with clock.working():`), and the file
advances it only when nobody does, so a conversation runs as fast as the machine can and always
the same way.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol


class Clock(Protocol):
    """Seconds that never go back, and sleeping on them."""

    def now(self) -> float:
        """The time in seconds."""

    async def sleep_until(self, at: float) -> None:
        """Return when `now()` is `at` or later."""

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keep a virtual clock from moving while the block runs."""
        yield

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The same where a server or a tool is waited for, unless their time is to pass."""
        yield


class MonotonicClock:
    """`time.monotonic`: the clock of live conversations and of the trace."""

    def now(self) -> float:
        """The time in seconds."""
        return time.monotonic()

    async def sleep_until(self, at: float) -> None:
        """Return when `now()` is `at` or later."""
        await asyncio.sleep(max(0.0, at - self.now()))

    @contextmanager
    def working(self) -> Iterator[None]:
        """No effect: real time passes while one works."""
        yield

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """No effect, either."""
        yield


class VirtualClock:
    """Time that moves only when `advance` is called and nobody is working."""

    def __init__(self, *, timed_answers: bool = False) -> None:
        """`timed_answers`: servers and tools take their time on this clock, as recorded ones do."""
        self.timed_answers = timed_answers
        self._now = 0.0
        self._working = 0
        self._free = asyncio.Event()
        self._free.set()
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """The time in seconds."""
        return self._now

    async def sleep_until(self, at: float) -> None:
        """Return when `now()` is `at` or later."""
        if at <= self._now:
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at, next(self._numbers), future))
        await future

    @contextmanager
    def working(self) -> Iterator[None]:
        """Keep the clock from moving while the block runs."""
        self._working += 1
        self._free.clear()
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._free.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Keep the clock from moving while a server or a tool is waited for, if it is to."""
        with nullcontext() if self.timed_answers else self.working():
            yield

    async def advance(self, to: float) -> None:
        """Move to `to`, stopping at each sleeper's time, whenever nobody is working."""
        while True:
            await self._settle()
            if not self._sleepers or self._sleepers[0][0] > to:
                break
            at, _, future = heapq.heappop(self._sleepers)
            self._now = max(self._now, at)
            if not future.done():
                future.set_result(None)
        self._now = max(self._now, to)

    async def _settle(self) -> None:
        """Wait until tasks that could run have run and none of them is working."""
        for _ in range(3):  # a woken task may wake one more before it begins to work
            await asyncio.sleep(0)
            await self._free.wait()
