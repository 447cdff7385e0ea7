"""A small HTTP server on loopback whose `POST /v1/responses` streams what a function gives it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

Event = dict[str, Any]


@dataclass
class Request:
    """A request as it came; `gone` is set when its client closes the connection early."""

    body: Event
    headers: dict[str, str]
    gone: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Refusal:
    """An answer that is no stream."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class BrokenStreamError(Exception):
    """Raised by an answer to break its connection in mid-stream."""


Answer = Callable[[Request], AsyncIterator[Event | bytes | Refusal]]
"""Events, or bytes that are sent as one chunk as they are; a refusal comes first and alone."""


class SseServer:
    """What the server has seen; `url` is the base URL that the agent is given."""

    def __init__(self, answer: Answer, get: Mapping[str, int]) -> None:
        self._answer = answer
        self._get = get
        self.url = ""
        self.requests: list[Request] = []
        self.connections = 0
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until its client has closed it."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        with contextlib.suppress(
            BrokenStreamError, ConnectionError, EOFError, asyncio.CancelledError
        ):
            while True:
                await self._serve_one(reader, writer)
        writer.transport.abort()
        self._serving.discard(task)

    async def end(self) -> None:
        """Break what connections there still are."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if method != "POST":
            await _refuse(writer, Refusal(self._get.get(path, 404)))
            return
        body = await reader.readexactly(int(headers["content-length"]))
        request = Request(json.loads(body), headers)
        self.requests.append(request)
        watch = asyncio.create_task(_watch(reader, request))
        try:
            await _reply(writer, self._answer(request))
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        writer.write(b"0\r\n\r\n")


async def _watch(reader: asyncio.StreamReader, request: Request) -> None:
    """A client says nothing while it is answered, so what is read here is the end."""
    with contextlib.suppress(ConnectionError):
        await reader.read(1)
    request.gone.set()


async def _reply(writer: asyncio.StreamWriter, answer: AsyncIterator[Any]) -> None:
    begun = False
    async for part in answer:
        if isinstance(part, Refusal):
            await _refuse(writer, part, chunked=True)
            return
        if not begun:
            begun = True
            writer.write(_head(200, {"content-type": "text/event-stream"}, chunked=True))
        data = part if isinstance(part, bytes) else sse(part)
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await writer.drain()


def sse(event: Event) -> bytes:
    """An event as the API writes it."""
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


async def _refuse(writer: asyncio.StreamWriter, refusal: Refusal, chunked: bool = False) -> None:
    body = refusal.body.encode()
    if chunked:
        body = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    writer.write(_head(refusal.status, refusal.headers, chunked) + body)
    await writer.drain()


def _head(status: int, headers: Mapping[str, str], chunked: bool) -> bytes:
    length = {"transfer-encoding": "chunked"} if chunked else {"content-length": "0"}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in {**length, **headers}.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@asynccontextmanager
async def sse_server(
    answer: Answer,
    get: Mapping[str, int] | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[SseServer]:
    """A running server. `get` gives the statuses of GET requests by path; others are 404."""
    server = SseServer(answer, get or {})
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port, ssl=tls)
    scheme = "https" if tls else "http"
    server.url = f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()
        await server.end()


def text_events(response_id: str, *deltas: str) -> list[Event]:
    """The events of a response that says `deltas`, as few as will do."""
    return [
        {"type": "response.created", "response": {"id": response_id}},
        *({"type": "response.output_text.delta", "delta": delta} for delta in deltas),
        {"type": "response.completed", "response": {"id": response_id, "output": []}},
    ]
