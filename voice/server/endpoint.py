"""The server's one port: WebSockets and HTTP, from opening to the last goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from voice.addresses import is_loopback
from voice.errors import ServerError, UsageError
from voice.server.access import Access
from voice.server.backend import Backend
from voice.server.door import Door, Doors
from voice.server.http import PATH, make_app
from voice.server.limits import Limits
from voice.server.protocol import CONNECTION_SECONDS
from voice.server.refusals import Refused
from voice.server.replies import error_reply, unavailable
from voice.server.service import GOING_DOWN, Service
from voice.server.store import ResponseStore
from voice.server.websocket import Session


class Endpoint:
    """Serves the Responses API over WebSockets and HTTP.

    A WebSocket lasts `connection_seconds`. Without a `store` of the caller's, who also closes it,
    responses with `store: true` are kept in memory. Raises `UsageError`.
    """

    def __init__(
        self,
        backend: Backend,
        host: str,
        port: int,
        key: str = "",
        connection_seconds: float = CONNECTION_SECONDS,
        store: ResponseStore | None = None,
        limits: Limits | None = None,
        names: Sequence[str] = (),
    ) -> None:
        if not key and not is_loopback(host):
            raise UsageError(
                f"serving on {host} without a key would let anybody in",
                "set VOICE_SERVER_KEY, or serve on 127.0.0.1",
            )
        if not connection_seconds > 0:
            raise UsageError(
                f"a connection cannot last {connection_seconds:g} s",
                f"let it last more than 0 s, or leave that out for {CONNECTION_SECONDS:g}",
            )
        self._backend, self._host, self._port = backend, host, port
        self._connection_seconds = connection_seconds
        self._limits = limits or Limits()
        self._access = Access(host, key, tuple(names))
        self._given_store = store
        self._service: Service
        self._doors: Doors
        self._server: Server | None = None

    async def open(self) -> tuple[str, int]:
        """Listen, and return host and port. Raises `ServerError` where that is not possible."""
        self._service = Service(
            self._backend,
            self._given_store or await ResponseStore.open(None),
            self._access,
            self._limits,
            self._connection_seconds,
        )
        self._doors = Doors(make_app(self._service), self._service)
        try:
            self._server = await serve(
                self._converse,
                self._host,
                self._port,
                process_request=self._admit,
                compression=None,  # costs time and memory for nothing on short messages
                max_size=self._limits.message_bytes,
                open_timeout=self._limits.request_seconds,
                close_timeout=self._limits.close_seconds,
                # Every connection begins as HTTP; what becomes a WebSocket is websockets' own.
                create_connection=cast("type[ServerConnection]", self._answer_the_door),
            )
        except (OSError, OverflowError) as error:
            await self._close_store()
            raise ServerError(
                f"cannot listen on {self._host}:{self._port}: "
                f"{getattr(error, 'strerror', None) or error}",
                "choose another --port (0 picks a free one), or end what uses it",
            ) from None
        return self._host, self._server.sockets[0].getsockname()[1]

    async def drain(self) -> None:
        """Begin no more responses, and return when none is under way."""
        self._service.draining = True
        await self._service.until(lambda: not self._service.running)

    async def close(self) -> None:
        """Stop listening, fail the responses under way, and say goodbye to every connection."""
        if self._server is None:
            return
        self._server.close(close_connections=False)
        self._service.end()
        self._doors.shut()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.close_seconds):
                await self._service.until(lambda: not self._service.drivers)
        self._doors.close()
        await self._server.wait_closed()
        await self._close_store()

    async def _close_store(self) -> None:
        if self._given_store is None:
            await self._service.store.close()

    def _answer_the_door(self, *args: Any, **settings: Any) -> Door:
        return Door(self._doors, partial(ServerConnection, *args, **settings))

    async def _converse(self, websocket: ServerConnection) -> None:
        await Session(websocket, self._service).run()

    async def _admit(self, websocket: ServerConnection, request: Request) -> Response | None:
        """None lets the handshake go on; a response refuses it."""
        if websocket.protocol.eof_sent:  # it was no WebSocket, and is ended; nothing can be said
            websocket.transport.abort()
            await websocket.wait_closed()
            return None
        refusal = self._access.refusal(request.headers.raw_items())
        path = request.path.partition("?")[0]
        if refusal is None and path != PATH:
            refusal = Refused(f"A WebSocket is opened on {PATH}.", "unknown_url", status=404)
        if refusal is None and self._service.draining:
            refusal = unavailable(GOING_DOWN)
        if refusal is None:
            return None
        self._service.metrics.refused(str(refusal.body.code))
        reply = error_reply(refusal)
        response = websocket.respond(reply.status_code, bytes(reply.body).decode())
        for name, value in reply.headers.items():
            if name in response.headers:
                del response.headers[name]
            response.headers[name] = value
        return response
