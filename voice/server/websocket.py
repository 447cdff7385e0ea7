"""One WebSocket connection: reads, writes from one task, and lets a machine decide."""

from __future__ import annotations

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from voice.responses.events import encode
from voice.server.driver import Driver, Saying
from voice.server.outbox import Outbox
from voice.server.service import Service
from voice.server.signals import Close, FallSilent, Reset, Send, SendText

_NO_LINGERING: Final = struct.pack("ii", 1, 0)
"""`struct linger` of a socket whose end is a reset: what is unsent is thrown away."""


def reset(transport: asyncio.WriteTransport) -> None:
    """End a TCP connection without a goodbye."""
    socket = transport.get_extra_info("socket")
    socket.setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGERING)
    transport.abort()


class Session:
    """Serves a connection until it is closed."""

    def __init__(self, websocket: ServerConnection, service: Service) -> None:
        self._websocket, self._service = websocket, service
        self._outbox: Outbox[str | Close | Reset | FallSilent] = Outbox(
            service.limits.outbox_messages
        )
        self._driver = Driver(service, "websocket", self._say, self._outbox.room)
        self._watch = service.watch(websocket.transport)
        self._silent = False

    async def run(self) -> None:
        """Read what comes; the end of the connection ends it all."""
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._websocket:
                if isinstance(message, bytes):
                    await self._websocket.close(1003, "only text messages are understood")
                    break
                await self._driver.receive(message)
                if self._silent:
                    await self._websocket.wait_closed()
        except ConnectionClosed:
            pass
        finally:
            self._watch.stop()
            writer.cancel()
            await asyncio.gather(writer, self._driver.close(), return_exceptions=True)

    def _say(self, saying: Saying) -> None:
        match saying:
            case Send(event):
                text = encode(event)
                self._outbox.put(text, len(text))
            case SendText(text):
                self._outbox.put(text)
            case _:
                self._outbox.put(saying)

    async def _write(self) -> None:
        """Send what is in the outbox; `send` itself waits while the socket is full."""
        try:
            while True:
                batch = await self._outbox.take()
                for outgoing in batch:
                    await self._put_out(outgoing)
                    self._watch.sent += 1
                self._service.metrics.sent("websocket", len(batch))
        except ConnectionClosed:
            # The reading side ends the session: it must not wait for room that nobody makes.
            self._outbox.shut()

    async def _put_out(self, outgoing: str | Close | Reset | FallSilent) -> None:
        match outgoing:
            case str():
                await self._websocket.send(outgoing)
            case Close(code, reason):
                await self._websocket.close(code, reason)
            case Reset():
                reset(self._websocket.transport)
            case FallSilent():
                self._fall_silent()

    def _fall_silent(self) -> None:
        """Leave the TCP connection open, but do nothing for it until the server is closed."""
        self._silent = True
        self._watch.stop()
        self._websocket.transport.pause_reading()
        self._websocket.close_timeout = 0  # nobody would answer the closing handshake
        if self._websocket.keepalive_task:
            self._websocket.keepalive_task.cancel()
