"""A small model server on loopback: its `POST /v1/chat/completions` streams what a function gives.

`GET /v1/models` lists the models. Every connection stays open for the next request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

PATH = "/v1/chat/completions"

Json = dict[str, Any]


@dataclass
class Request:
    """A request as it came; `gone` is set when its client closes the connection early."""

    body: Json
    headers: dict[str, str]
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def last_words(self) -> str:
        """The content of the last message."""
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
"""Chunks, or bytes that are sent as they are; a refusal comes first and alone."""


class ChatServer:
    """What the server has seen; `url` is the base URL that a backend is given."""

    def __init__(self, answer: Answer, models: Sequence[str]) -> None:
        self._answer = answer
        self._models = models
        self.url = ""
        self.requests: list[Request] = []
        self.connections = 0
        self.arrived = asyncio.Event()
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
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if (method, path) == ("GET", "/v1/models"):
            listed = {"object": "list", "data": [{"id": name} for name in self._models]}
            await _refuse(writer, Refusal(200, json.dumps(listed)))
        elif (method, path) != ("POST", PATH):
            await _refuse(writer, Refusal(404, '{"detail": "Not Found"}'))
        else:
            await self._complete(Request(json.loads(body), headers), reader, writer)

    async def _complete(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.requests.append(request)
        self.arrived.set()
        watch = asyncio.create_task(_watch(reader, request))
        try:
            await _reply(writer, self._answer(request))
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def _watch(reader: asyncio.StreamReader, request: Request) -> None:
    """A client says nothing while it is answered, so what is read here is the end."""
    with contextlib.suppress(ConnectionError):
        await reader.read(1)
    request.gone.set()


async def _reply(writer: asyncio.StreamWriter, answer: AsyncIterator[Any]) -> None:
    begun = False
    async for part in answer:
        if isinstance(part, Refusal):
            await _refuse(writer, part)
            return
        if not begun:
            begun = True
            headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
            writer.write(_head(200, headers))
        data = part if isinstance(part, bytes) else sse(part)
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def _refuse(writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    body = refusal.body.encode()
    headers = {"content-length": str(len(body)), "content-type": "application/json"}
    writer.write(_head(refusal.status, {**headers, **refusal.headers}) + body)
    await writer.drain()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


# ── what a server says ───────────────────────────────────────────────────────────────────────

DONE = b"data: [DONE]\n\n"


def sse(chunk: Json) -> bytes:
    """A chunk as it is sent."""
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def delta(finish_reason: str | None = None, **fields: Any) -> Json:
    """A chunk with more of the answer."""
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}],
    }


def fragment(index: int, call_id: str = "", name: str = "", arguments: str = "") -> Json:
    """A chunk with more of a call, as OpenAI and vLLM send it."""
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    call = {"index": index, "function": function}
    return delta(tool_calls=[{**call, "id": call_id, "type": "function"} if call_id else call])


def usage(prompt: int, completion: int, cached: int | None = None) -> Json:
    """The last chunk, for those who ask for it."""
    counts: Json = {"prompt_tokens": prompt, "completion_tokens": completion}
    if cached is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": cached}
    return {"choices": [], "usage": counts}


def saying(*words: str) -> list[Json | bytes]:
    """A whole answer."""
    return [
        delta(role="assistant", content=""),
        *(delta(content=word) for word in words),
        delta("stop"),
        DONE,
    ]


@asynccontextmanager
async def chat_server(answer: Answer, models: Sequence[str] = ("m",)) -> AsyncIterator[ChatServer]:
    """A running server."""
    server = ChatServer(answer, models)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listening.close()
        await server.end()
