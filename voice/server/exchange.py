"""One request for a response over HTTP, from its arrival to the end of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope
from starlette.types import Send as SendMessage

from voice.responses.events import (
    Completed,
    ErrorEvent,
    Failed,
    Incomplete,
    ServerEvent,
    encode,
)
from voice.responses.events import Response as WireResponse
from voice.server.driver import OUTCOMES, Driver, Saying
from voice.server.outbox import Outbox
from voice.server.refusals import Refused
from voice.server.replies import error_reply, json_reply
from voice.server.service import Service
from voice.server.signals import Close, FallSilent, MessageReceived, Reset, Send, SendText
from voice.server.websocket import reset

_STATUSES: Final = {"rate_limit_exceeded": 429, "invalid_prompt": 400}
"""HTTP status of a response that failed, by its code."""

_RETRY_SECONDS: Final = 1.0
"""When to come back to a server that is busy and does not know for how long."""

_HEARTBEAT: Final = b": still here\n\n"
"""A comment, which every reader of server-sent events skips."""

_STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


class Exchange:
    """The answer, as an ASGI application: JSON, or server-sent events where it `streams`.

    `shape` makes the JSON's object of the response, where that is not itself.

    A client that goes away ends the work. What goes wrong on purpose does so as HTTP allows: the
    connection is reset, closed, or held without a word.
    """

    def __init__(
        self,
        service: Service,
        transport: asyncio.Transport,
        message: str,
        streams: bool = False,
        shape: Callable[[WireResponse], Any] | None = None,
    ) -> None:
        self._service, self._transport = service, transport
        self._message, self._streams, self._shape = message, streams, shape
        self._outbox: Outbox[Saying] = Outbox(service.limits.outbox_messages)
        self._driver = Driver(service, "http", self._outbox.put, self._outbox.room)
        self._number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        """Answer, unless the client goes before."""
        answering = asyncio.create_task(self._answer(scope, receive, send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answering.cancel()
            gone.cancel()
            await self._driver.close()
        if answering.done() and not answering.cancelled():
            answering.result()

    async def _answer(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        self._driver.tell(MessageReceived(self._message))
        batch = await self._outbox.take()
        if self._streams and not _refused(batch[0]):
            await self._stream(batch, send)
        else:
            reply = await self._reply(batch)
            await reply(scope, receive, send)

    # ── as JSON ──────────────────────────────────────────────────────────────────────────────

    async def _reply(self, batch: list[Saying]) -> Response:
        """What the response came to."""
        while True:
            for saying in batch:
                match saying:
                    case Send(Completed(response=response) | Incomplete(response=response)):
                        return json_reply(self._shape(response) if self._shape else response)
                    case Send((Failed() | ErrorEvent()) as event):
                        return error_reply(self._refusal(event))
                    case Close() | Reset() | FallSilent():
                        await self._break_off(saying)
            batch = await self._outbox.take()

    def _refusal(self, event: Failed | ErrorEvent) -> Refused:
        if isinstance(event, ErrorEvent):
            body, status = event.body, event.status or 500
            refusal = Refused(body.message, status=status)
            refusal.body = body
            if event.headers:
                refusal.headers = {name: str(value) for name, value in event.headers.items()}
            return refusal
        assert event.response.error is not None
        code = str(event.response.error.code)
        status = _STATUSES.get(code, 503 if self._service.over.is_set() else 500)
        refusal = Refused(event.response.error.message, code, status=status)
        if status in (429, 503):
            seconds = self._driver.retry_after_seconds or _RETRY_SECONDS
            refusal.headers["retry-after"] = f"{seconds:g}"
        return refusal

    # ── as server-sent events ────────────────────────────────────────────────────────────────

    async def _stream(self, batch: list[Saying], send: SendMessage) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        watch = self._service.watch(self._transport)
        try:
            while True:
                lines, end = self._lines(batch)
                ended = isinstance(end, Send)
                await send({"type": "http.response.body", "body": lines, "more_body": not ended})
                self._service.metrics.sent("http", len(batch))
                watch.sent += 1
                if ended:
                    return
                if end:
                    await self._break_off(end)
                batch = await self._next(send)
        finally:
            watch.stop()

    def _lines(self, batch: list[Saying]) -> tuple[bytes, Saying | None]:
        """The stream's next lines, and what ends it with them."""
        lines = bytearray()
        for saying in batch:
            match saying:
                case Send(event):
                    lines += self._event(event)
                    if type(event) in OUTCOMES:
                        return bytes(lines), saying
                case SendText(text):
                    lines += f"data: {text}\n\n".encode()
                case _:
                    return bytes(lines), saying
        return bytes(lines), None

    def _event(self, event: ServerEvent) -> bytes:
        if isinstance(event, ErrorEvent):
            return f"event: error\ndata: {self._flat(event)}\n\n".encode()
        self._number = event.sequence_number
        kind = event.__struct_config__.tag
        return f"event: {kind}\ndata: {encode(event)}\n\n".encode()

    def _flat(self, event: ErrorEvent) -> str:
        """An error as a stream over HTTP has it, which is not as a WebSocket has it."""
        body = event.body
        error = {"type": "error", "code": body.code, "message": body.message, "param": body.param}
        return msgspec.json.encode({**error, "sequence_number": self._number + 1}).decode()

    async def _next(self, send: SendMessage) -> list[Saying]:
        """What comes next, with a sign of life where that takes long."""
        while True:
            try:
                async with asyncio.timeout(self._service.limits.heartbeat_seconds):
                    return await self._outbox.take()
            except TimeoutError:
                await send({"type": "http.response.body", "body": _HEARTBEAT, "more_body": True})

    # ── ends that are none ───────────────────────────────────────────────────────────────────

    async def _break_off(self, how: Saying) -> None:
        """End the connection in the middle, or leave it alone until the server ends."""
        match how:
            case Reset():
                reset(self._transport)
            case Close():
                self._transport.close()
            case FallSilent():
                await self._service.over.wait()
                self._transport.abort()
        await asyncio.get_running_loop().create_future()  # the loss of the connection ends this


def _refused(first: Saying) -> bool:
    return not isinstance(first, Send | SendText) or (
        isinstance(first, Send) and isinstance(first.event, ErrorEvent)
    )


async def _gone(receive: Receive) -> None:
    """Wait until the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
