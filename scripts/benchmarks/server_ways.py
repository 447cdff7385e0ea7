"""Two ways to ask a Responses server: over a WebSocket and over HTTP, timed from the outside.

Both send the same fields, both keep their connection, and both read the answer as a stream.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

_SECONDS = 600.0
"""What is silent for longer hangs."""

_ENDS = ("response.completed", "response.incomplete")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer. `first_seconds` passed from the request to its first words, if it has any."""

    id: str
    text: str
    first_seconds: float
    sent_bytes: int
    input_tokens: int
    cached_tokens: int


class WebSocketWay:
    """Asks over one WebSocket, in a lane that the request names."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def ask(self, fields: Mapping[str, Any]) -> Answered:
        """Wait for the whole answer."""
        message = msgspec.json.encode({"type": "response.create", **fields})
        size = len(Frame(Opcode.TEXT, message).serialize(mask=True))
        asked_at = time.monotonic()
        self._socket.send(message, text=True)
        return _read(self._messages(), asked_at, size)

    def _messages(self) -> Iterator[bytes]:
        while True:
            yield self._socket.recv(_SECONDS, decode=False)


@contextmanager
def websocket_way(url: str, key: str) -> Iterator[WebSocketWay]:
    """A WebSocket that is open."""
    headers = {"Authorization": f"Bearer {key}"}
    with connect(
        f"{url}/responses",
        additional_headers=headers,
        compression=None,
        max_size=None,
        proxy=None,
    ) as socket:
        yield WebSocketWay(socket)


class HttpWay:
    """Asks over one HTTP connection, which is kept."""

    def __init__(self, connection: _CountingConnection, path: str, key: str) -> None:
        self._connection, self._path = connection, path
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(self, fields: Mapping[str, Any]) -> Answered:
        """Wait for the whole answer."""
        body = msgspec.json.encode({**fields, "stream": True})
        sent_before = self._connection.sent_bytes
        asked_at = time.monotonic()
        self._connection.request("POST", self._path, body, self._headers)
        size = self._connection.sent_bytes - sent_before
        response = self._connection.getresponse()
        if response.status != http.client.OK:
            raise RuntimeError(f"{response.status}: {response.read().decode(errors='replace')}")
        answered = _read(_data(response), asked_at, size)
        response.read()  # to the end, so that the connection is free
        return answered


@contextmanager
def http_way(url: str, key: str) -> Iterator[HttpWay]:
    """An open HTTP connection to the server at this URL of a WebSocket."""
    parts = urlsplit(url)
    connection = _CountingConnection(parts.netloc, timeout=_SECONDS)
    connection.connect()
    try:
        yield HttpWay(connection, f"{parts.path}/responses", key)
    finally:
        connection.close()


class _CountingConnection(http.client.HTTPConnection):
    """Knows how many bytes of requests it has sent."""

    sent_bytes = 0

    def send(self, data: Any) -> None:
        self.sent_bytes += len(data)
        super().send(data)


def _data(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The events in a stream of server-sent ones."""
    for line in lines:
        if line.startswith(b"data: "):
            yield line.removeprefix(b"data: ")


def _read(messages: Iterable[bytes], asked_at: float, sent_bytes: int) -> Answered:
    first_at, text = 0.0, ""
    for message in messages:
        event = msgspec.json.decode(message)
        if event["type"] == "response.output_text.delta":
            first_at = first_at or time.monotonic()
            text += event["delta"]
        elif event["type"] in _ENDS:
            response = event["response"]
            usage = response["usage"] or {"input_tokens": 0, "input_tokens_details": {}}
            return Answered(
                id=response["id"],
                text=text,
                first_seconds=first_at - asked_at if first_at else 0.0,
                sent_bytes=sent_bytes,
                input_tokens=usage["input_tokens"],
                cached_tokens=usage["input_tokens_details"].get("cached_tokens", 0),
            )
        elif event["type"] in ("error", "response.failed"):
            raise RuntimeError(f"the server refused: {message.decode(errors='replace')}")
    raise RuntimeError("the answer has no end")
