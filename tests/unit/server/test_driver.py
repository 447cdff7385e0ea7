"""The driver of a machine, with a backend that takes its time to stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from voice.server.access import Access
from voice.server.backend import Faults, Finished, Piece, Prompt, TextDelta
from voice.server.driver import Driver, Saying
from voice.server.limits import Limits
from voice.server.service import Service
from voice.server.signals import MessageReceived
from voice.server.store import ResponseStore


class _SlowToStop:
    """Writes one word, and when it is stopped it goes on until `may_stop`, as a model does."""

    model = "slow"
    faults: Faults | None = None

    def __init__(self) -> None:
        self.writing, self.may_stop = asyncio.Event(), asyncio.Event()

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        try:
            yield TextDelta("Well")
            self.writing.set()
            await asyncio.get_running_loop().create_future()
        finally:
            await self.may_stop.wait()

    async def prepare(self, prompt: Prompt) -> Finished:
        return Finished(1, 0, 0)

    async def close(self) -> None:
        return


async def _room() -> None:
    return


async def test_what_still_stops_counts_as_running_though_its_client_has_gone() -> None:
    backend, said = _SlowToStop(), list[Saying]()
    store = await ResponseStore.open(None)
    service = Service(backend, store, Access("127.0.0.1", ""), Limits())
    driver = Driver(service, "websocket", said.append, _room)
    driver.tell(MessageReceived(json.dumps({"type": "response.create", "input": "Hello"})))
    await backend.writing.wait()

    closing = asyncio.create_task(driver.close())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (service.running, service.drivers) == (1, {driver})

    backend.may_stop.set()
    await closing
    assert (service.running, service.drivers) == (0, set())
    await store.close()
