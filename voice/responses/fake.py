"""A server in memory, for tests of whoever speaks to one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec

from voice.errors import AgentError
from voice.responses.events import (
    ClientEvent,
    Completed,
    Created,
    OutputItemDone,
    OutputMessage,
    OutputText,
    OutputTextDelta,
    Response,
    ServerEvent,
    encode,
)

Request = dict[str, Any]
Reply = Callable[[Request], Iterable[ServerEvent | str]]


class MemoryTransport:
    """Answers each request with what `reply` gives for it; `sent` keeps the requests."""

    remembers = True

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._arriving: asyncio.Queue[str | None] = asyncio.Queue()
        self._lost = False
        self.sent: list[Request] = []

    async def send(self, event: ClientEvent) -> None:
        """Take a request and have its events arrive. Raises `AgentError` when lost."""
        if self._lost:
            raise AgentError("the connection is lost")
        request = msgspec.json.decode(encode(event), type=Request)
        self.sent.append(request)
        for answer in self._reply(request):
            self.arrive(answer)

    def arrive(self, event: ServerEvent | str) -> None:
        """Let an event arrive, or any text."""
        self._arriving.put_nowait(event if isinstance(event, str) else encode(event))

    def lose(self) -> None:
        """Break the connection after what has arrived."""
        self._lost = True
        self._arriving.put_nowait(None)

    async def messages(self) -> AsyncIterator[str]:
        """Everything that arrives; ends when the connection is lost."""
        while (message := await self._arriving.get()) is not None:
            yield message

    async def close(self) -> None:
        """End the connection."""
        self.lose()


def text_events(lane: str, response_id: str, *deltas: str) -> list[ServerEvent]:
    """The events of a response that says `deltas`."""
    message = OutputMessage(id=f"m-{response_id}", content=[OutputText(text="".join(deltas))])
    return [
        Created(stream_id=lane, response=Response(id=response_id)),
        *(OutputTextDelta(stream_id=lane, item_id=message.id, delta=delta) for delta in deltas),
        OutputItemDone(stream_id=lane, item=message),
        Completed(stream_id=lane, response=Response(id=response_id, output=[message])),
    ]
