"""A server of others on loopback, which leaves out what servers leave out.

It answers one request after the other, ignores lanes and cancels, and remembers nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Event = dict[str, Any]


@dataclass
class Habits:
    """What the server does, and what it leaves out."""

    ids: bool = True
    """Responses have ids."""

    created: bool = True
    """`response.created` comes first."""

    output: bool = True
    """`response.completed` repeats the output."""

    deltas: bool = True
    """The text comes in pieces."""

    seconds_per_word: float = 0.0
    refusals: int = 0
    """So many first requests get a flat error."""


@dataclass
class PlainServer:
    """`requests` are those for a response, as they came; each is answered with its last words."""

    habits: Habits
    url: str = ""
    requests: list[Event] = field(default_factory=list)
    connections: int = 0

    async def converse(self, socket: ServerConnection) -> None:
        """Serve a connection."""
        self.connections += 1
        waiting: asyncio.Queue[Event] = asyncio.Queue()
        answering = asyncio.create_task(self._answer_all(socket, waiting))
        try:
            async for message in socket:
                request = json.loads(message)
                if request["type"] == "response.create":
                    self.requests.append(request)
                    waiting.put_nowait(request)
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _answer_all(self, socket: ServerConnection, waiting: asyncio.Queue[Event]) -> None:
        number = 0
        while True:
            request, number = await waiting.get(), number + 1
            try:
                async for event in self._events(request, number):
                    await socket.send(json.dumps(event))
            except ConnectionClosed:
                return

    async def _events(self, request: Event, number: int) -> AsyncIterator[Event]:
        if self.habits.refusals:
            self.habits.refusals -= 1
            yield {"type": "error", "code": "server_error", "message": "Not now."}
            return
        response: Event = {"id": f"r{number}"} if self.habits.ids else {}
        if self.habits.created:
            yield {"type": "response.created", "response": response}
        text = f"You said {request['input'][-1]['content']}."
        for word in re.findall(r" *\S+", text):
            await asyncio.sleep(self.habits.seconds_per_word)
            if self.habits.deltas:
                yield {"type": "response.output_text.delta", "delta": word}
        message = {"type": "message", "content": [{"type": "output_text", "text": text}]}
        output = [message] if self.habits.output else []
        yield {"type": "response.completed", "response": {**response, "output": output}}


@asynccontextmanager
async def plain_server(**habits: Any) -> AsyncIterator[PlainServer]:
    """A running server."""
    server = PlainServer(Habits(**habits))
    async with serve(server.converse, "127.0.0.1", 0) as listening:
        server.url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        yield server
