"""Looks again and again whether what does not work has come back, beside the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from voice.apps.kiosk.faults import SERVER, Action, Faults, name_of
from voice.apps.kiosk.probes import reach_server, write_to_disk
from voice.clock import Clock
from voice.config import Options
from voice.errors import VoiceError


class Probing:
    """What is found out goes to `act`."""

    def __init__(
        self, faults: Faults, clock: Clock, act: Callable[[Iterable[Action]], None]
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._act = act
        self._running: dict[str, asyncio.Task[None]] = {}

    def look(self, options: Options) -> None:
        """Begin the probes that are due; each goes on until what it looks for works."""
        if self._faults.away and options.agent.url != "local":
            self._begin("server", lambda: reach_server(options.agent))
        if "disk" in self._faults.names and options.journal.path:
            path = Path(options.journal.path)
            self._begin("disk", lambda: asyncio.to_thread(write_to_disk, path))

    def end(self) -> None:
        """Look no more."""
        for task in self._running.values():
            task.cancel()

    def _begin(self, subject: str, probe: Callable[[], Awaitable[None]]) -> None:
        running = self._running.get(subject)
        if running is None or running.done():
            self._running[subject] = asyncio.create_task(self._probe(subject, probe))

    async def _probe(self, subject: str, probe: Callable[[], Awaitable[None]]) -> None:
        names = SERVER if subject == "server" else {subject}
        while here := names & self._faults.names:
            try:
                await probe()
            except VoiceError as error:
                self._note_other(subject, here, error)
                name = next(iter(names & self._faults.names), "")
                await asyncio.sleep(self._faults.retry_seconds(name) if name else 0)
            else:
                self._act(self._faults.ended(self._clock.now(), *names))

    def _note_other(self, subject: str, here: frozenset[str] | set[str], error: VoiceError) -> None:
        """A network that is back may lead to a server that lets nobody in, and the other way."""
        name, now = name_of(error), self._clock.now()
        if subject == "server" and name in SERVER and name not in here:
            self._act(self._faults.began(name, error, now))
            self._act(self._faults.ended(now, *here))
