"""What waits to be sent to one client, and whether the client takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_CHARS: Final = 4 << 20
"""How much may wait, in whatever number; a failed steering returns what may be as large as that."""

_LOOKS: Final = 4
"""How often a reader is looked at in the time after which it is dropped."""


class Outbox(Generic[T]):
    """A queue with many producers, who wait while it is too full, and one consumer."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[T] = deque()
        self._chars = 0
        self._shut = False
        self._filled, self._drained = asyncio.Event(), asyncio.Event()

    def put(self, outgoing: T, chars: int = 0) -> None:
        """Add one of so many characters, if that is known.

        Never waits, because what a machine says at once belongs together.
        """
        self._waiting.append(outgoing)
        self._chars += chars
        self._filled.set()

    async def room(self) -> None:
        """Wait while it is too full."""
        while not self._shut and (len(self._waiting) > self._limit or self._chars > _CHARS):
            self._drained.clear()
            await self._drained.wait()

    async def take(self) -> list[T]:
        """All that waits, the oldest first, as soon as there is something."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        taken = list(self._waiting)
        self._waiting.clear()
        self._chars = 0
        self._drained.set()
        return taken

    def shut(self) -> None:
        """Nobody takes any more: what is put is thrown away, and nobody waits for room."""
        self._waiting = deque(maxlen=0)
        self._shut = True
        self._drained.set()


class ReaderWatch:
    """Calls `drop` when a reader has taken nothing for some time though something waits for it.

    `sent` counts what the consumer of the outbox has got rid of; who sends raises it.
    """

    def __init__(
        self, transport: asyncio.WriteTransport, seconds: float, drop: Callable[[], None]
    ) -> None:
        self.sent = 0
        self._transport, self._seconds, self._drop = transport, seconds, drop
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()
        self._seen = (0, 0)
        self._look()

    def _look(self) -> None:
        """Something sent, or fewer bytes in the transport than before, is progress."""
        now = self._loop.time()
        waiting = self._transport.get_write_buffer_size()
        sent_before, waiting_before = self._seen
        if not waiting or waiting < waiting_before or self.sent != sent_before:
            self._moved_at = now
        self._seen = (self.sent, waiting)
        if now - self._moved_at >= self._seconds:
            self._drop()
        else:
            self._timer = self._loop.call_later(self._seconds / _LOOKS, self._look)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()
