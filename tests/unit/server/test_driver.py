"""The driver of a machine, with a backend that takes its time to stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from voice.responses.events import Compaction, Completed, OutputMessage
from voice.server.access import Access
from voice.server.backend import Faults, Finished, Piece, Prompt, TextDelta
from voice.server.driver import Driver, Saying
from voice.server.limits import Limits
from voice.server.script import ScriptBackend
from voice.server.service import Service
from voice.server.signals import MessageReceived, Send
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


async def test_a_response_that_compacts_has_one_first_token() -> None:
    store = await ResponseStore.open(None)
    service = Service(ScriptBackend(), store, Access("127.0.0.1", ""), Limits())
    answered = asyncio.get_running_loop().create_future()

    def say(saying: Saying) -> None:
        if isinstance(saying, Send) and isinstance(saying.event, Completed):
            answered.set_result(saying.event.response.output)

    driver = Driver(service, "websocket", say, _room)
    words = [{"role": role, "content": "word " * 1000} for role in ("user", "assistant", "user")]
    limit = [{"type": "compaction", "compact_threshold": 1000}]
    create = {"type": "response.create", "input": words, "context_management": limit}
    driver.tell(MessageReceived(json.dumps(create)))

    assert [type(item) for item in await answered] == [Compaction, OutputMessage]
    assert b"voice_first_token_seconds_count 1.0" in service.metrics.text()
    assert driver.unanswered == 0
    await driver.close()
    await store.close()
