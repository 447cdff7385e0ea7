"""A small HTTP server on loopback: a request gets a stream from a function, or a refusal.

Every connection stays open for the next request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

CHUNKED = {"transfer-encoding": "chunked"}
LAST_CHUNK = b"0\r\n\r\n"

Json = dict[str, Any]


@dataclass
class Request:
    """A request as it came; `gone` is set when its client closes the connection early."""

    body: Json
    headers: dict[str, str]
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def last_words(self) -> str:
        """The content of the last message, where the body is a chat."""
        return str(self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Refusal:
    """An answer that is no stream."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class BrokenStreamError(Exception):
    """Raised by an answer to break its connection in mid-stream."""


Answer = Callable[[Request], AsyncIterator[Json | bytes | Refusal]]
"""Objects, or bytes that are sent as one chunk as they are; a refusal comes first and alone."""

Handler = Callable[[str, str], Answer | Refusal]
"""What a method and a path get."""


class HttpServer:
    """What the server has seen; `url` is the base URL that a client is given.

    `requests` are those that went to an answer. `sse` writes an answer's objects, and its refusals
    have `refusal_headers`.
    """

    def __init__(
        self, handler: Handler, sse: Callable[[Json], bytes], refusal_headers: Mapping[str, str]
    ) -> None:
        self._handler = handler
        self._sse = sse
        self._refusal_headers = refusal_headers
        self.url = ""
        self.requests: list[Request] = []
        self.connections = 0
        self.arrived = asyncio.Event()
        self._listening: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen, on any free port unless one is given."""
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}/v1"

    async def stop(self) -> None:
        """Listen no more, and break what connections there still are."""
        if self._listening:
            self._listening.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        found = self._handler(method, path)
        if isinstance(found, Refusal):
            await _refuse(writer, found)
            return
        request = Request(json.loads(body), headers)
        self.requests.append(request)
        self.arrived.set()
        watch = asyncio.create_task(_watch(reader, request))
        try:
            await self._reply(writer, found(request))
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _reply(
        self, writer: asyncio.StreamWriter, parts: AsyncIterator[Json | bytes | Refusal]
    ) -> None:
        begun = False
        async for part in parts:
            if isinstance(part, Refusal):
                headers = {**self._refusal_headers, **part.headers}
                await _refuse(writer, Refusal(part.status, part.body, headers))
                return
            if not begun:
                begun = True
                writer.write(_head(200, {"content-type": "text/event-stream", **CHUNKED}))
            writer.write(_chunk(part if isinstance(part, bytes) else self._sse(part)))
            await writer.drain()
        writer.write(LAST_CHUNK)


async def _watch(reader: asyncio.StreamReader, request: Request) -> None:
    """A client says nothing while it is answered, so what is read here is the end."""
    with contextlib.suppress(ConnectionError):
        await reader.read(1)
    request.gone.set()


async def _refuse(writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    """Send a refusal at once, or in chunks where its headers say so."""
    body, headers = refusal.body.encode(), refusal.headers
    if CHUNKED.items() <= headers.items():
        body = (_chunk(body) if body else b"") + LAST_CHUNK
    else:
        headers = {"content-length": str(len(body)), **headers}
    writer.write(_head(refusal.status, headers) + body)
    await writer.drain()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
