"""A network between a client and a server: so many seconds there and back, and bytes counted.

    client ──TCP──▶ link: delays what passes ──TCP──▶ far end: TLS ends ──TCP──▶ server

The link passes bytes on and understands none of them, so it delays the handshake of TLS like all
else. Only the handshake of TCP is the kernel's and over before we know: in its stead, what a client
sends within one round trip of its connection leaves after that round trip, as it would have.

Bandwidth is not limited, nothing is lost, and windows do not grow slowly: a whole context costs the
sender nothing but its bytes here. On real networks it costs more.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from scripts.demo.certificate import Tls

_CHUNK_BYTES = 65536

Address = tuple[str, int]
_Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delay:
    """When bytes arrive, in seconds of one clock, on a connection that was opened at `opened_at`.

    The client speaks first, as it does in TLS and HTTP.
    """

    rtt_seconds: float
    opened_at: float

    def up(self, sent_at: float) -> float:
        """At the server; nothing leaves before the connection stands at the client."""
        return max(sent_at, self.opened_at + self.rtt_seconds) + self.rtt_seconds / 2

    def down(self, sent_at: float) -> float:
        """At the client."""
        return sent_at + self.rtt_seconds / 2


@dataclass(slots=True)
class Link:
    """An open link, and what has passed it: TCP payload, with all that TLS adds."""

    rtt_seconds: float
    address: Address = ("127.0.0.1", 0)
    """Where clients connect to."""
    up_bytes: int = 0
    down_bytes: int = 0
    connections: int = 0
    delivered_at: float = 0.0
    """When the latest bytes from a client reached the other side (the event loop's clock)."""

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: Delay, up: bool
    ) -> None:
        """Everything from one end to the other, late; ends with the connection."""
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        reading = asyncio.create_task(_read(source, under_way, delay.up if up else delay.down))
        try:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(due - loop.time())
                if not data:
                    return
                self._count(len(data), up)
                sink.write(data)
                await sink.drain()
        finally:
            reading.cancel()

    def _count(self, size: int, up: bool) -> None:
        if up:
            self.up_bytes += size
            self.delivered_at = asyncio.get_running_loop().time()
        else:
            self.down_bytes += size

    def relay(self, far: Address) -> _Handle:
        """What is done with a client's connection."""

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            delay = Delay(self.rtt_seconds, asyncio.get_running_loop().time())
            self.connections += 1
            async with _connected(far) as (far_reader, far_writer):
                await _until_one_ends(
                    self._carry(reader, far_writer, delay, up=True),
                    self._carry(far_reader, writer, delay, up=False),
                )

        return relay


@asynccontextmanager
async def open_link(far: Address, rtt_seconds: float, tls: Tls | None) -> AsyncIterator[Link]:
    """A link to `far`, before which TLS ends; without `tls`, bytes go to `far` as they are."""
    async with AsyncExitStack() as stack:
        if tls is not None:
            far = await stack.enter_async_context(_listening(_plain_relay(far), tls.server))
        link = Link(rtt_seconds)
        link.address = await stack.enter_async_context(_listening(link.relay(far)))
        yield link


def _plain_relay(far: Address) -> _Handle:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _connected(far) as (far_reader, far_writer):
            await _until_one_ends(_copy(reader, far_writer), _copy(far_reader, writer))

    return relay


async def _read(
    source: asyncio.StreamReader,
    under_way: asyncio.Queue[tuple[float, bytes]],
    due: Callable[[float], float],
) -> None:
    """Put what comes on its way; no bytes are the end."""
    data = b"-"
    while data:
        try:
            data = await source.read(_CHUNK_BYTES)
        except OSError:
            data = b""
        under_way.put_nowait((due(asyncio.get_running_loop().time()), data))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK_BYTES):
        sink.write(data)
        await sink.drain()


async def _until_one_ends(*directions: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _connected(
    far: Address,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*far)
    try:
        yield reader, writer
    finally:
        writer.close()


@asynccontextmanager
async def _listening(handle: _Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[Address]:
    """Handles connections on a free port; at the end those that are left are ended."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            with contextlib.suppress(OSError):
                await handle(reader, writer)
        except asyncio.CancelledError:
            pass  # the link is closed; asyncio would print it
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
