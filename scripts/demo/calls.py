"""One request over HTTP or a WebSocket, by plain clients, with its parts timed apart.

    started ──connect──▶ connected ──upload──▶ delivered ──first──▶ first event ──stream──▶ ended

`delivered` is known to the link: then the far end has the whole request. All parts together are the
whole time; half a round trip is in `upload` and half in `first`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from scripts.demo.link import Link
from voice.errors import AgentError, UsageError

_SECONDS = 600.0
"""What is silent for longer hangs: a small machine reads a long context in minutes."""

_FIRST = ("response.output_item.added", "response.output_text.delta")
_ENDS = ("response.completed", "response.incomplete")
_REFUSALS = ("error", "response.failed")


@dataclass(frozen=True, slots=True)
class Timed:
    """One request, in seconds and bytes on the wire."""

    connect_seconds: float
    upload_seconds: float
    first_seconds: float
    stream_seconds: float
    up_bytes: int
    down_bytes: int
    input_tokens: int
    cached_tokens: int

    @property
    def seconds(self) -> float:
        """From the wish to ask to the end of the answer."""
        return self.connect_seconds + self.upload_seconds + self.first_seconds + self.stream_seconds


@dataclass(frozen=True, slots=True)
class Answered:
    """The response as the server completed it."""

    response: Mapping[str, Any]
    timed: Timed

    def call(self) -> Mapping[str, Any]:
        """Its one call. Raises `AgentError`."""
        for item in self.response["output"]:
            if item["type"] == "function_call":
                return dict(item)
        raise AgentError(
            "the server answered without the tool call that was demanded",
            "measure with a model that honours tool_choice",
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask, through which link."""

    link: Link
    tls: ssl.SSLContext | None
    host: str
    """The server's name, for TLS and the header `Host`."""
    path: str
    """Of the base URL, such as `/v1`."""
    key: str
    model: str

    @property
    def headers(self) -> dict[str, str]:
        """The same for all ways."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def url(self, scheme: str) -> str:
        """Of the responses; `scheme` is http or ws, without its s."""
        host, port = self.link.address
        return f"{scheme}{'s' if self.tls else ''}://{host}:{port}{self.path}/responses"


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────


class HttpCaller:
    """Asks over a connection that is kept, and opened when there is none."""

    def __init__(self, target: Target, client: httpx.AsyncClient) -> None:
        self._target, self._client = target, client

    async def ask(self, fields: Mapping[str, Any]) -> Answered:
        """One request to its end. Raises `AgentError` and `UsageError`."""
        meter = _Meter(self._target.link)
        body = msgspec.json.encode({**fields, "stream": True})
        headers = {"Content-Type": "application/json", "Host": self._target.host}
        try:
            async with self._client.stream(
                "POST",
                self._target.url("http"),
                content=body,
                headers=headers,
                extensions={"trace": meter.trace, "sni_hostname": self._target.host},
            ) as response:
                if response.status_code != httpx.codes.OK:
                    await response.aread()
                    raise _refused(response.status_code, response.text)
                events = _data(response)
                answered = await _answered(events, meter)
                async for _ in events:
                    pass  # to the very end, so that the connection is free again
                return answered
        except httpx.HTTPError as error:
            raise _unreachable(self._target, error) from None


@asynccontextmanager
async def http_caller(target: Target) -> AsyncIterator[HttpCaller]:
    """HTTP/1.1; only what is set here goes over the wire, whatever the environment says."""
    verify = target.tls or False
    async with httpx.AsyncClient(
        verify=verify, headers=target.headers, timeout=_SECONDS, trust_env=False
    ) as client:
        yield HttpCaller(target, client)


async def _data(response: httpx.Response) -> AsyncIterator[bytes]:
    """The events of the stream."""
    async for line in response.aiter_lines():
        if line.startswith("data: "):
            yield line.removeprefix("data: ").encode()


# ── WebSocket ────────────────────────────────────────────────────────────────────────────────


class WebSocketCaller:
    """Asks over one WebSocket; the time to open it is the first request's."""

    def __init__(self, target: Target, socket: ClientConnection, opened: _Meter) -> None:
        self._target, self._socket = target, socket
        self._opened: _Meter | None = opened  # until the first request takes it over

    async def ask(self, fields: Mapping[str, Any]) -> Answered:
        """One request to its end. Raises `AgentError` and `UsageError`."""
        meter, self._opened = self._opened or _Meter(self._target.link), None
        message = msgspec.json.encode({"type": "response.create", **fields})
        try:
            async with asyncio.timeout(_SECONDS):
                await self._socket.send(message, text=True)
                return await _answered(self._messages(), meter)
        except (WebSocketException, TimeoutError) as error:
            raise _unreachable(self._target, error) from None

    async def _messages(self) -> AsyncIterator[bytes]:
        while True:
            yield await self._socket.recv(decode=False)


@asynccontextmanager
async def websocket_caller(target: Target) -> AsyncIterator[WebSocketCaller]:
    """An open WebSocket. Raises `AgentError` and `UsageError`."""
    meter = _Meter(target.link)
    host, port = target.link.address
    try:
        socket = await connect(
            f"{'wss' if target.tls else 'ws'}://{target.host}{target.path}/responses",
            host=host,
            port=port,
            ssl=target.tls,
            additional_headers=target.headers,
            compression=None,
            max_size=None,
            ping_interval=None,
            proxy=None,
            open_timeout=_SECONDS,
        )
    except InvalidStatus as error:
        raise _refused(error.response.status_code, error.response.body.decode()) from None
    except (OSError, WebSocketException) as error:
        raise _unreachable(target, error) from None
    meter.connected()
    try:
        yield WebSocketCaller(target, socket, meter)
    finally:
        await socket.close()


# ── measuring ────────────────────────────────────────────────────────────────────────────────


class _Meter:
    """The times and bytes of one request, from when it is made."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._before = link.up_bytes, link.down_bytes
        self._started_at = self._connected_at = time.monotonic()

    def connected(self) -> None:
        """The way to the server stands, TLS included."""
        self._connected_at = time.monotonic()

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        """What httpx says that it does."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self.connected()

    def timed(self, first_at: float, delivered_at: float, usage: Mapping[str, Any]) -> Timed:
        """Now that the answer has ended."""
        ended_at = time.monotonic()
        up, down = self._before
        return Timed(
            connect_seconds=self._connected_at - self._started_at,
            upload_seconds=delivered_at - self._connected_at,
            first_seconds=first_at - delivered_at,
            stream_seconds=ended_at - first_at,
            up_bytes=self._link.up_bytes - up,
            down_bytes=self._link.down_bytes - down,
            input_tokens=usage.get("input_tokens", 0),
            cached_tokens=(usage.get("input_tokens_details") or {}).get("cached_tokens", 0),
        )

    @property
    def delivered_at(self) -> float:
        """When the other side had all that was sent so far."""
        return self._link.delivered_at


async def _answered(messages: AsyncIterator[bytes], meter: _Meter) -> Answered:
    """Read an answer. Raises `AgentError`."""
    first_at = delivered_at = 0.0
    async for message in messages:
        if message == b"[DONE]":  # some servers end a stream with it
            break
        event: dict[str, Any] = msgspec.json.decode(message)
        kind = event["type"]
        if not first_at and kind in (*_FIRST, *_ENDS):
            first_at, delivered_at = time.monotonic(), meter.delivered_at
        if kind in _ENDS:
            response = event["response"]
            timed = meter.timed(first_at, delivered_at, response.get("usage") or {})
            return Answered(response, timed)
        if kind in _REFUSALS:
            raise AgentError(f"the server refused: {message.decode(errors='replace')[:300]}")
    raise AgentError("the server ended the answer before its end", "try again")


def _refused(status: int, body: str) -> AgentError | UsageError:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return UsageError(
            f"the server refused the key ({status})", "set OPENAI_API_KEY to one that it knows"
        )
    return AgentError(f"the server refused with {status}: {body[:300]}", "see its documentation")


def _unreachable(target: Target, error: Exception) -> AgentError:
    reason = str(error) or type(error).__name__
    return AgentError(f"no answer from {target.host}: {reason}", "check --url and the network")
