"""A backend of the local server that keeps what it was asked, in front of another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from tests.support.talk import Line, lines
from voice.server.backend import Backend, Faults, Finished, Piece, Prompt
from voice.server.endpoint import Endpoint


class RecordingBackend:
    """Keeps the prompts that were to be answered, and counts the answers under way.

    `begun` is set when one begins.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.model = backend.model
        self.faults: Faults | None = backend.faults
        self.prompts: list[list[Line]] = []
        self.writing = 0
        self.begun = asyncio.Event()
        self.prepared = 0

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The other's answer."""
        self.prompts.append(lines(prompt.items))
        self.writing += 1
        self.begun.set()
        try:
            async for piece in self._backend.generate(prompt):
                yield piece
        finally:
            self.writing -= 1

    async def prepare(self, prompt: Prompt) -> Finished:
        """As the other does."""
        self.prepared += 1
        return await self._backend.prepare(prompt)

    async def close(self) -> None:
        """As the other does."""
        await self._backend.close()


@asynccontextmanager
async def recorded(
    backend: Backend, connection_seconds: float = 3600.0
) -> AsyncIterator[tuple[str, RecordingBackend]]:
    """A server in front of it: its base URL, and what it was asked."""
    recording = RecordingBackend(backend)
    server = Endpoint(recording, "127.0.0.1", 0, connection_seconds=connection_seconds)
    host, port = await server.open()
    try:
        yield f"ws://{host}:{port}/v1", recording
    finally:
        await server.close()
