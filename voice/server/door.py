"""A TCP connection until it is known what its client wants.

HTTP is served by uvicorn's protocol, which reads requests; what asks for a WebSocket is handed on
to `websockets`. uvicorn's own server, with its signals, logging and exits, is not used.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any, Final, cast

import h11
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from voice.server.limits import HEAD_BYTES
from voice.server.service import Service

log = logging.getLogger(__name__)

_BAD_REQUEST: Final = (
    f"This is not a valid HTTP request, or its head is larger than {HEAD_BYTES >> 10} kB."
)

MakeWebSocket = Callable[[], asyncio.Protocol]


class Doors:
    """What all doors share, and what happens to all of them at the end."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.service = service
        self.state = ServerState()
        self.config = Config(
            cast(Any, app),  # its types say the same in other words
            http=H11Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=max(1, round(service.limits.idle_seconds)),
            h11_max_incomplete_event_size=HEAD_BYTES,
        )

    def shut(self) -> None:
        """End the HTTP connections that wait for a request, and others after their answer."""
        for door in list(self.state.connections):
            if not door.transport.is_closing():
                door.shutdown()

    def close(self) -> None:
        """End all that are left."""
        for transport in list(self.service.transports):
            if transport.get_write_buffer_size():
                transport.abort()  # whoever has not read it by now is not waited for
            else:
                transport.close()


class Door(H11Protocol):
    """A connection that speaks HTTP, at least at first.

    Whoever does not send a whole request in time is shut out, and whoever does not fetch an
    answer, too.
    """

    def __init__(self, doors: Doors, websocket: MakeWebSocket) -> None:
        super().__init__(doors.config, doors.state, {})
        self.ws_protocol_class = lambda **_: websocket()  # type: ignore[assignment]
        self._doors = doors
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        service = self._doors.service
        service.transports.add(transport)
        full = service.connections > service.limits.connections
        if full:
            self.ws_protocol_class = None
        self.app_state = {"transport": transport, "full": full}
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        """Wait on while a request is on its way."""
        super().data_received(data)
        handed_on = self.transport.get_protocol() is not self  # `conn` never hears of the rest
        if not handed_on and self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait_for_request()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """See to it that the answer is fetched, where nothing more is waited for."""
        super().on_response_complete()
        if self.transport.is_closing():
            self.loop.call_later(
                self._doors.service.limits.stalled_reader_seconds, self.transport.abort
            )

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that nobody uses, whether or not its last answer was fetched."""
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the API's own shape."""
        answering = self.cycle and not self.cycle.response_complete
        if answering or self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()  # it would come in the middle of another answer, or after it
            return
        error = {"type": "invalid_request_error", "message": _BAD_REQUEST}
        body = json.dumps({"error": {**error, "param": None, "code": None}}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to warn of: the answer says why."""

    def _wait_for_request(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(
                self._doors.service.limits.request_seconds, self._give_up
            )

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        log.info("a client did not send its request in time")
        self.transport.abort()
