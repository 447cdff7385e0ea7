"""The WebSocket endpoint: a thin driver of the protocol machine, one `_Session` a connection."""

from __future__ import annotations

import asyncio
import hmac
import http
import logging
import secrets
import struct
import time
from collections import deque
from collections.abc import Iterable
from contextlib import aclosing
from socket import SO_LINGER, SOL_SOCKET
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from voice.errors import ServerError, UsageError, VoiceError
from voice.responses.events import encode
from voice.server.backend import Backend, Busy, Misconfigured, PromptTooLong
from voice.server.lanes import ResponseStore
from voice.server.protocol import CONNECTION_SECONDS, Connection
from voice.server.signals import (
    Action,
    BackendFailed,
    Close,
    Event,
    FallSilent,
    MessageReceived,
    PieceProduced,
    Reset,
    Send,
    SendText,
    Start,
    Stop,
)

log = logging.getLogger(__name__)

PATH: Final = "/v1/responses"

MESSAGE_LIMIT_BYTES: Final = 4 << 20
"""The largest message taken from a client; a long conversation is some tens of kilobytes."""

OUTBOX_LIMIT: Final = 256
"""Messages that wait for a slow reader before its generations and its requests pause."""

CLOSE_SECONDS: Final = 2.0
"""How long a closing handshake may take; a client that has stalled does not hold us up longer."""

_NO_LINGERING: Final = struct.pack("ii", 1, 0)
"""`struct linger` of a socket whose end is a reset: what is unsent is thrown away."""

_CODES: Final[dict[type[VoiceError], str]] = {
    PromptTooLong: "invalid_prompt",
    Misconfigured: "invalid_prompt",  # of the published codes one that nobody tries again after
    Busy: "rate_limit_exceeded",
}

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def new_id(prefix: str) -> str:
    """A random identifier, such as `resp_…`."""
    return f"{prefix}_{secrets.token_hex(16)}"


class Endpoint:
    """Serves the Responses API in WebSocket mode on `/v1/responses`, and `/healthz`.

    A connection lasts `connection_seconds`. Raises `UsageError`.
    """

    def __init__(
        self,
        backend: Backend,
        host: str,
        port: int,
        key: str = "",
        connection_seconds: float = CONNECTION_SECONDS,
    ) -> None:
        if not key and host not in LOOPBACK:
            raise UsageError(
                f"serving on {host} without a key would let anybody in",
                f"set VOICE_SERVER_KEY, or serve on {LOOPBACK[0]}",
            )
        if not connection_seconds > 0:
            raise UsageError(
                f"a connection cannot last {connection_seconds:g} s",
                f"let it last more than 0 s, or leave that out for {CONNECTION_SECONDS:g}",
            )
        self._backend = backend
        self._host, self._port, self._key = host, port, key
        self._connection_seconds = connection_seconds
        self._store = ResponseStore()
        self._server: Server | None = None

    async def open(self) -> tuple[str, int]:
        """Listen, and return host and port. Raises `ServerError` where that is not possible."""
        try:
            self._server = await serve(
                self._converse,
                self._host,
                self._port,
                process_request=self._admit,
                compression=None,  # costs time and memory for nothing on short messages
                max_size=MESSAGE_LIMIT_BYTES,
                close_timeout=CLOSE_SECONDS,
            )
        except OSError as error:
            raise ServerError(
                f"cannot listen on {self._host}:{self._port}: {error.strerror or error}",
                "choose another --port (0 picks a free one), or end what uses it",
            ) from None
        return self._host, self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Say goodbye to every connection and stop listening."""
        if self._server:
            self._server.close(code=1001, reason="the server is going down")
            await self._server.wait_closed()

    async def _converse(self, websocket: ServerConnection) -> None:
        session = _Session(websocket, self._backend, self._store, self._connection_seconds)
        await session.run()

    def _admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        """None lets the handshake go on; a response refuses it."""
        path = urlsplit(request.path).path
        if path == "/healthz":
            return websocket.respond(http.HTTPStatus.OK, "ok\n")
        if path != PATH:
            return websocket.respond(http.HTTPStatus.NOT_FOUND, f"only {PATH} is served here\n")
        if not self._from_here(request):
            return websocket.respond(http.HTTPStatus.FORBIDDEN, "this Origin is not let in\n")
        if not self._authorized(request):
            return websocket.respond(http.HTTPStatus.UNAUTHORIZED, "wrong or missing API key\n")
        return None

    def _authorized(self, request: Request) -> bool:
        if not self._key:
            return True
        given = request.headers.get_all("Authorization")
        wanted = f"Bearer {self._key}".encode()
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), wanted)

    def _from_here(self, request: Request) -> bool:
        """Whether no browser sent this, or a page of this very host.

        Any web page can open a WebSocket to a loopback port. Comparing `Origin` with `Host` alone
        would not do: with DNS rebinding both name the attacker's host.
        """
        origins = request.headers.get_all("Origin")
        if not origins:
            return True
        host = (request.headers.get_all("Host") or [""])[0]
        try:
            name = urlsplit(origins[0]).hostname
        except ValueError:
            return False
        same = len(origins) == 1 and urlsplit(origins[0]).netloc == host
        return same and name in (*LOOPBACK, self._host)


class _Session:
    """One connection: reads, performs the machine's actions, and writes from one task."""

    def __init__(
        self,
        websocket: ServerConnection,
        backend: Backend,
        store: ResponseStore,
        connection_seconds: float,
    ) -> None:
        self._websocket = websocket
        self._backend = backend
        now = time.monotonic()
        self._machine = Connection(
            backend.model,
            new_id,
            store,
            unix_offset_seconds=time.time() - now,
            opened_seconds=now,
            connection_seconds=connection_seconds,
            faults=backend.faults,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._outbox: deque[str | Close | Reset | FallSilent] = deque()
        self._filled, self._drained = asyncio.Event(), asyncio.Event()
        self._silent = False

    async def run(self) -> None:
        """Serve until the connection is closed."""
        writer = asyncio.create_task(self._write())
        self._arm()
        try:
            async for message in self._websocket:
                if isinstance(message, bytes):
                    await self._websocket.close(1003, "only text messages are understood")
                    break
                await self._tell(MessageReceived(message))
                if self._silent:
                    await self._websocket.wait_closed()
        except ConnectionClosed:
            pass
        finally:
            if self._timer:
                self._timer.cancel()
            await _end([writer, *self._tasks.values()])

    def _arm(self) -> None:
        """Call `timeout` when the machine's deadline has come."""
        deadline = self._machine.deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(deadline - time.monotonic(), self._time_out)

    def _time_out(self) -> None:
        for action in self._machine.timeout(time.monotonic()):
            self._perform(action)
        self._arm()

    async def _tell(self, event: Event) -> None:
        """Let the machine know, perform what it says, and wait while the reader is behind."""
        for action in self._machine.receive(event, time.monotonic()):
            self._perform(action)
        while len(self._outbox) > OUTBOX_LIMIT:
            self._drained.clear()
            await self._drained.wait()

    def _perform(self, action: Action) -> None:
        match action:
            case Send(event):
                self._post(encode(event))
            case SendText(text):
                self._post(text)
            case Start():
                task = asyncio.create_task(self._answer(action), name=action.response_id)
                self._tasks[action.response_id] = task
                task.add_done_callback(lambda done: self._tasks.pop(done.get_name(), None))
            case Stop(response_id):
                if response_id in self._tasks:
                    self._tasks[response_id].cancel()
            case Close() | Reset() | FallSilent():
                self._post(action)

    def _post(self, outgoing: str | Close | Reset | FallSilent) -> None:
        self._outbox.append(outgoing)
        self._filled.set()

    async def _answer(self, start: Start) -> None:
        try:
            if start.generate:
                async with aclosing(self._backend.generate(start.prompt)) as pieces:
                    async for piece in pieces:
                        await self._tell(PieceProduced(start.response_id, piece))
            else:
                finished = await self._backend.prepare(start.prompt)
                await self._tell(PieceProduced(start.response_id, finished))
        except VoiceError as error:
            code = _CODES.get(type(error), "server_error")
            await self._tell(BackendFailed(start.response_id, code, str(error)))
        except Exception:
            log.exception("the backend failed")
            await self._tell(
                BackendFailed(start.response_id, "server_error", "The backend failed.")
            )

    async def _write(self) -> None:
        """Send what is in the outbox; `send` itself waits while the socket is full."""
        try:
            while True:
                while self._outbox:
                    await self._put_out(self._outbox.popleft())
                    if len(self._outbox) <= OUTBOX_LIMIT // 2:
                        self._drained.set()
                self._filled.clear()
                await self._filled.wait()
        except ConnectionClosed:
            # The reading side ends the session: it must not wait for room that nobody makes.
            self._outbox = deque(maxlen=0)
            self._drained.set()

    async def _put_out(self, outgoing: str | Close | Reset | FallSilent) -> None:
        match outgoing:
            case str():
                await self._websocket.send(outgoing)
            case Close(code, reason):
                await self._websocket.close(code, reason)
            case Reset():
                socket = self._websocket.transport.get_extra_info("socket")
                socket.setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGERING)
                self._websocket.transport.abort()
            case FallSilent():
                self._fall_silent()

    def _fall_silent(self) -> None:
        """Leave the TCP connection open, but do nothing for it until the server is closed."""
        self._silent = True
        self._websocket.transport.pause_reading()
        self._websocket.close_timeout = 0  # nobody would answer the closing handshake
        if self._websocket.keepalive_task:
            self._websocket.keepalive_task.cancel()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
