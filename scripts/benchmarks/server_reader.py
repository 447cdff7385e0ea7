"""Reading from a server at next to no cost: raw sockets, whose events are counted, not decoded.

The reader must not be the limit of what is measured, so it looks for two marks in the bytes as they
come. What it costs itself is measured with a sender that has nothing to do but send.
"""

from __future__ import annotations

import http.client
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

_EVENT: Final = b'"sequence_number":'
"""Every event has it once."""

_END: Final = b'"type":"response.completed"'
_FAILURES: Final = (b'"type":"error"', b'"type":"response.failed"')
_REST_BYTES: Final = 32
"""Of what came before; a mark that was cut in two is found with it."""

_CHUNK_BYTES: Final = 1 << 18
_SECONDS: Final = 60.0
"""What is silent for longer hangs."""


class Tally:
    """Counts events and ends of responses in a stream of bytes, wherever it is cut."""

    def __init__(self) -> None:
        self.events = 0
        self.ends = 0
        self._rest = b""

    def add(self, data: bytes) -> int:
        """Take in what came next; returns how many events that were."""
        seen = self._rest + data
        if any(mark in seen for mark in _FAILURES):
            raise RuntimeError(f"the server refused: {seen.decode(errors='replace')[-500:]}")
        new = seen.count(_EVENT) - self._rest.count(_EVENT)
        self.events += new
        self.ends += seen.count(_END) - self._rest.count(_END)
        self._rest = seen[-_REST_BYTES:]
        return new


class RawReader:
    """A WebSocket of which nothing but the handshake is understood.

    Pings are not answered, so the server ends it after 40 s.
    """

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), _SECONDS)
        self.tally = Tally()
        protocol = ClientProtocol(parse_uri(f"{url}/responses"))
        request = protocol.connect()
        request.headers["Authorization"] = f"Bearer {key}"
        protocol.send_request(request)
        self._socket.sendall(b"".join(protocol.data_to_send()))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._received()
        if not head.startswith(b"HTTP/1.1 101 "):
            raise RuntimeError(f"no WebSocket: {head.decode(errors='replace')}")

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def ask(self, **fields: Any) -> None:
        """Send a request for a response."""
        message = msgspec.json.encode({"type": "response.create", "model": "local", **fields})
        self._socket.sendall(Frame(Opcode.TEXT, message).serialize(mask=True))

    def read(self) -> int:
        """Wait for more, and count it."""
        return self.tally.add(self._received())

    def read_answer(self) -> None:
        """Wait for the end of the response."""
        ends = self.tally.ends
        while self.tally.ends == ends:
            self.read()

    def close(self) -> None:
        """Without a goodbye."""
        self._socket.close()

    def _received(self) -> bytes:
        data = self._socket.recv(_CHUNK_BYTES)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data


@contextmanager
def raw_readers(url: str, key: str, count: int) -> Iterator[list[RawReader]]:
    """So many connections."""
    readers: list[RawReader] = []
    try:
        for _ in range(count):
            readers.append(RawReader(url, key))
        yield readers
    finally:
        for reader in readers:
            reader.close()


def read_all(readers: Sequence[RawReader], ready: Callable[[RawReader, int], bool]) -> None:
    """Read from all of them; `ready` is told of new events and says when one has had enough."""
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ, reader)
        while selector.get_map():
            if not (found := selector.select(_SECONDS)):
                raise RuntimeError("the server fell silent")
            for key, _ in found:
                if ready(key.data, key.data.read()):
                    selector.unregister(key.fileobj)


class ServerGauges:
    """What the server says of itself at `/metrics`."""

    def __init__(self, url: str, key: str) -> None:
        self._address = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {key}"}

    @property
    def cpu_seconds(self) -> float:
        """Of its process so far, in steps of 10 ms."""
        return self._read("process_cpu_seconds_total")

    @property
    def resident_mb(self) -> float:
        """Its memory."""
        return self._read("process_resident_memory_bytes") / 1e6

    @property
    def running(self) -> int:
        """Responses that the backend works for."""
        return int(self._read("voice_responses_running"))

    def until_idle(self) -> float:
        """Return when nothing runs any more; returns when that was (monotonic seconds)."""
        while self.running:
            time.sleep(0.001)
        return time.monotonic()

    def _read(self, name: str) -> float:
        with closing(http.client.HTTPConnection(self._address, timeout=_SECONDS)) as connection:
            connection.request("GET", "/metrics", headers=self._headers)
            lines = connection.getresponse().read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))
