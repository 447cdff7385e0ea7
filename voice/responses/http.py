"""The Responses API over HTTP with server-sent events, behind the same seam as the WebSocket.

Each request is a POST of its own, whose stream is handed on as the WebSocket would have sent it:
with its lane on each event, errors in the WebSocket's form, and exactly one last event for each
request, whatever becomes of its stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from voice.errors import AgentError
from voice.responses.connection import (
    LARGEST_EVENT_BYTES,
    OPEN_SECONDS,
    Endpoint,
    bad_proxy,
    secure_context,
)
from voice.responses.events import (
    ClientEvent,
    ErrorBody,
    ErrorEvent,
    Incomplete,
    Response,
    ResponseCancel,
    ResponseCreate,
    ResponseSteer,
    ServerEvent,
    Steer,
    SteerFailed,
    decode_server_event,
    encode,
)
from voice.responses.recovery import CONNECTION_LOST
from voice.sse import EventTooLarge, SseParser

_log = logging.getLogger(__name__)

SILENCE_SECONDS: Final = 120.0
"""A stream that sends nothing for so long is broken; its lane must not be held for ever.

Longer than any stall limit of a client, which knows better what it waits for.
"""

IDLE_SECONDS: Final = 60.0
"""How long a connection is kept for the next request. A turn comes within that time, mostly."""

PROBE_SECONDS: Final = 5.0
"""How long a server may take to show that it answers HTTP at all."""

DRAIN_SECONDS: Final = 0.1
"""How long to wait for the end of a stream after its last event, to use its connection again."""

WAITING_EVENTS: Final = 256
"""Events that wait for a slow reader before the streams pause."""

ERROR_BODY_BYTES: Final = 64 * 2**10
"""How much of a refusal is read; an API's own has some hundred bytes."""

_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
_KEPT_HEADERS = ("retry-after", "retry-after-ms")


class _Named(msgspec.Struct):
    id: str = ""


class _Head(msgspec.Struct):
    """What has to be known of an event to hand it on."""

    type: str = ""
    response: _Named | None = None
    error: Any = None


_head_decoder = msgspec.json.Decoder(_Head)


class _Exchange:
    """One request and how far its stream has come."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self.response_id = ""
        self.ended = False


class HttpTransport:
    """One server over HTTP. Lanes run side by side, the requests of a lane one after the other."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url
        self._arrived: asyncio.Queue[str | bytes | None] = asyncio.Queue(WAITING_EVENTS)
        self._lanes: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    @property
    def remembers(self) -> bool:
        """Over HTTP a server knows only the responses that it stored."""
        return False

    async def send(self, event: ClientEvent) -> None:
        """Start a request, or close the stream of a response. Raises `AgentError` when closed."""
        if self._closed:
            raise AgentError(
                f"the connection to {self._url} is closed",
                "it is opened anew with the next request",
            )
        match event:
            case ResponseCreate():
                assert event.generate is not False, "there is nothing to warm up over HTTP"
                assert isinstance(event.stream_id, str), "every request names its lane"
                self._perform(self._request(_Exchange(event.stream_id), _body(event)))
            case ResponseCancel():
                if (task := self._running.get(event.response_id)) is not None:
                    task.cancel()
            case ResponseSteer():
                self._perform(self._arrived.put(encode(_steer_failed(event))))

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Everything that arrives; ends when the transport is closed."""
        while (message := await self._arrived.get()) is not None:
            yield message

    async def close(self) -> None:
        """Close every stream; what was not read by then is dropped."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()
        while not self._arrived.empty():
            self._arrived.get_nowait()
        self._arrived.put_nowait(None)

    async def answers(self) -> bool:
        """Whether something serves HTTP here.

        That is so if `/models` or the path itself gives any status but 404 and 5xx. The
        connection is kept for the first request.
        """
        for url in (self._url.removesuffix("/responses") + "/models", self._url):
            with contextlib.suppress(httpx.HTTPError):
                async with self._client.stream("GET", url, timeout=PROBE_SECONDS) as response:
                    if response.status_code != 404 and response.status_code < 500:
                        await _drain(response.aiter_bytes())
                        return True
        return False

    def _perform(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, exchange: _Exchange, body: bytes) -> None:
        """Wait for the lane, ask, and make sure that a last event is told."""
        async with self._lanes[exchange.lane]:
            try:
                end = await self._stream(exchange, body)
            except asyncio.CancelledError:
                if self._closed:
                    raise
                end = Incomplete(response=Response(id=exchange.response_id, status="incomplete"))
            finally:
                self._running.pop(exchange.response_id, None)
            if not exchange.ended:
                end.stream_id = exchange.lane
                await self._arrived.put(encode(end))

    async def _stream(self, exchange: _Exchange, body: bytes) -> ServerEvent:
        """Hand the events on. Returns what to tell if none of them was a last one."""
        try:
            async with self._client.stream("POST", self._url, content=body) as response:
                if not response.is_success:
                    return _refusal(response, await _beginning(response))
                chunks = response.aiter_bytes()
                await self._relay(exchange, chunks)
                if exchange.ended:
                    await _drain(chunks)
                return _lost(f"{self._url} ended the stream before the response{_kind(response)}")
        except httpx.HTTPError as error:
            return _lost(f"the connection to {self._url} broke: {error or type(error).__name__}")
        except EventTooLarge as error:
            return _lost(error.problem)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return _lost(f"{self._url} ended the response with what is no event ({error})")
        except Exception as error:  # whatever it is, the lane must not wait for ever
            _log.exception("the request failed")
            return _lost(f"the request to {self._url} failed: {type(error).__name__}")

    async def _relay(self, exchange: _Exchange, chunks: AsyncIterator[bytes]) -> None:
        """Hand on what arrives, up to the last event of the response."""
        parser = SseParser(LARGEST_EVENT_BYTES)
        async for chunk in chunks:
            for data in parser.feed(chunk):
                await self._hand_on(exchange, data)
                if exchange.ended:
                    return

    async def _hand_on(self, exchange: _Exchange, data: bytes) -> None:
        try:
            head = _head_decoder.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            await self._arrived.put(data)  # no event: the client counts and logs what it is
            return
        fields: dict[str, str] = {"stream_id": exchange.lane}
        if not head.type and head.error is not None:
            head.type = fields["type"] = "error"  # xAI and gateways send errors without a type
        if not exchange.response_id and head.response is not None and head.response.id:
            self._learn(exchange, head.response.id)
        message = _with_fields(fields, data)
        if head.type in _LAST:
            decode_server_event(message)  # one that the client cannot read does not end anything
        await self._arrived.put(message)
        exchange.ended = head.type in _LAST

    def _learn(self, exchange: _Exchange, response_id: str) -> None:
        """Remember whose stream to close when that response is cancelled."""
        task = asyncio.current_task()
        assert task is not None
        exchange.response_id = response_id
        self._running[response_id] = task


async def open_http(to: Endpoint) -> HttpTransport:
    """A transport for that server; nothing is sent yet. Raises `AgentError` for a useless proxy."""
    parts = urlsplit(to.url)
    scheme = {"ws": "http", "wss": "https"}[parts.scheme]
    try:
        client = httpx.AsyncClient(
            headers={**to.headers, "user-agent": "voice", "accept-encoding": "identity"},
            verify=secure_context(),
            trust_env=not to.loopback,
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=OPEN_SECONDS, pool=None),
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        raise bad_proxy() from None
    return HttpTransport(client, urlunsplit(parts._replace(scheme=scheme)))


def _body(request: ResponseCreate) -> bytes:
    """The request as the body of a POST, which knows neither lanes nor warm-ups."""
    fields = msgspec.to_builtins(request)
    for name in ("type", "stream_id", "generate"):
        fields.pop(name, None)
    return msgspec.json.encode({**fields, "stream": True})


def _with_fields(fields: Mapping[str, str], data: bytes) -> bytes:
    """The JSON object `data` with fields put in front of its own."""
    rest = data.lstrip()[1:].lstrip()
    comma = b"" if rest.startswith(b"}") else b","
    return msgspec.json.encode(fields)[:-1] + comma + rest


def _lost(message: str) -> ErrorEvent:
    return ErrorEvent(error=ErrorBody(code=CONNECTION_LOST, message=message))


def _kind(response: httpx.Response) -> str:
    """What came instead of a stream, if the server says so."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    return f" (it sent {kind})" if kind not in ("", "text/event-stream") else ""


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read to the end of a stream, so that its connection can be used again."""
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= ERROR_BODY_BYTES:
            break
    return body


def _refusal(response: httpx.Response, body: bytes) -> ErrorEvent:
    """An HTTP status in the form that the WebSocket gives to errors."""
    kept = {name: value for name in _KEPT_HEADERS if (value := response.headers.get(name))}
    return ErrorEvent(
        status=response.status_code,
        error=_error_body(response.status_code, body),
        headers=kept or msgspec.UNSET,
    )


def _error_body(status: int, body: bytes) -> ErrorBody:
    """The error in a body of the API's shape, or else the status in words."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        told = None
    error = told.get("error", told) if isinstance(told, dict) else told
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        error = {}
    named = {
        name: str(error[name])
        for name in ("type", "code", "message", "param")
        if isinstance(error.get(name), str | int)
    }
    return msgspec.convert({"message": _status_in_words(status), **named}, ErrorBody)


def _status_in_words(status: int) -> str:
    try:
        return f"HTTP {status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _steer_failed(event: ResponseSteer) -> SteerFailed:
    """Over HTTP nothing can be said to a response that runs; the words are the client's again."""
    return SteerFailed(
        steer=Steer(
            previous_response_id=event.previous_response_id, input=msgspec.to_builtins(event.input)
        ),
        error=ErrorBody(
            code="steering_not_supported", message="a response cannot be steered over HTTP"
        ),
    )
