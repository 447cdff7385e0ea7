"""What the connections of one server share: backend, store, limits, and how they end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from voice.server.access import Access
from voice.server.backend import Backend
from voice.server.limits import Limits
from voice.server.metrics import Metrics
from voice.server.outbox import ReaderWatch
from voice.server.protocol import CONNECTION_SECONDS
from voice.server.signals import Deleted
from voice.server.store import ResponseStore

if TYPE_CHECKING:
    from voice.server.driver import Driver

log = logging.getLogger(__name__)

GOING_DOWN: Final = "The server is going down."


@dataclass(eq=False)
class Service:
    """What all connections of a server share."""

    backend: Backend
    store: ResponseStore
    access: Access
    limits: Limits
    metrics: Metrics = field(init=False)
    connection_seconds: float = CONNECTION_SECONDS
    drivers: set[Driver] = field(default_factory=set)
    transports: WeakSet[asyncio.Transport] = field(default_factory=WeakSet)
    """All TCP connections, for whatever they are used."""
    draining: bool = False
    """No more responses are begun."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """What runs still has been given up."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.metrics = Metrics(
            lambda: self.connections,
            lambda: self.running,
            lambda: sum(driver.unanswered for driver in self.drivers),
        )

    @property
    def connections(self) -> int:
        """How many TCP connections are open."""
        return sum(not transport.is_closing() for transport in self.transports)

    @property
    def running(self) -> int:
        """How many responses are in flight."""
        return sum(driver.running for driver in self.drivers)

    def forget(self, response_id: str) -> None:
        """A stored response was deleted: no connection continues from it any more."""
        for driver in list(self.drivers):
            driver.tell(Deleted(response_id))

    def end(self) -> None:
        """Begin nothing more, fail what runs, and say goodbye to everybody."""
        self.draining = True
        self.over.set()
        for driver in list(self.drivers):
            driver.end()

    def watch(self, transport: asyncio.Transport) -> ReaderWatch:
        """Drop the client when it does not read; no goodbye would reach it then."""

        def drop() -> None:
            log.warning("a client has read nothing for %g s and is dropped", seconds)
            self.metrics.dropped()
            transport.abort()

        seconds = self.limits.stalled_reader_seconds
        return ReaderWatch(transport, seconds, drop)

    def change(self) -> None:
        """Somebody may wait for what has just ended."""
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so that only an end can make so."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()
