"""A running server on a free port of the loopback, for tests that talk to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI

from voice.server.backend import Backend, Prompt, TextDelta
from voice.server.endpoint import Endpoint
from voice.server.script import ScriptBackend

TIMER: Any = {
    "type": "function",
    "name": "set_timer",
    "description": "Set a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}},
    "strict": False,
}
"""A tool as a request offers it."""


@asynccontextmanager
async def serving(backend: Backend, **settings: Any) -> AsyncIterator[str]:
    """Serves as `Endpoint` is set; yields `host:port`."""
    endpoint = Endpoint(backend, "127.0.0.1", 0, **settings)
    host, port = await endpoint.open()
    try:
        yield f"{host}:{port}"
    finally:
        await endpoint.close()


def sdk(address: str, key: str = "any") -> AsyncOpenAI:
    """The official client, which does not try again by itself."""
    return AsyncOpenAI(
        api_key=key,
        base_url=f"http://{address}/v1",
        websocket_base_url=f"ws://{address}/v1",
        max_retries=0,
    )


class Broken(ScriptBackend):
    """Fails in the middle of every response."""

    async def generate(self, prompt: Prompt) -> Any:
        yield TextDelta("Well, ")
        raise ValueError("a bug")


class Endless(ScriptBackend):
    """Writes on until it is stopped, and says whether it was."""

    def __init__(self, text: str = "on and ", pause_seconds: float = 0.001) -> None:
        super().__init__()
        self.started, self.stopped = asyncio.Event(), asyncio.Event()
        self._text, self._pause_seconds = text, pause_seconds

    async def generate(self, prompt: Prompt) -> Any:
        try:
            while True:
                self.started.set()
                yield TextDelta(self._text)
                await asyncio.sleep(self._pause_seconds)
        finally:
            self.stopped.set()
