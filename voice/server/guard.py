"""Who is let in over HTTP, before anybody looks at what is asked for."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice.server.ids import new_id
from voice.server.limits import HEAD_BYTES
from voice.server.refusals import Refused
from voice.server.replies import error_reply, unavailable
from voice.server.service import Service

HEALTH: Final = "/healthz"
"""The one path that needs no key."""

TOO_LONG: Final = f"The head of the request is larger than {HEAD_BYTES >> 10} kB."


class Guard:
    """Lets in whom the rules let in, and gives every answer its `x-request-id`."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        request_id = new_id("req").encode()

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
                self._service.metrics.answered(message["status"])
            await send(message)

        refusal = self._refusal(scope)
        if refusal:
            self._service.metrics.refused(str(refusal.body.code))
        await (error_reply(refusal) if refusal else self._app)(scope, receive, send_on)

    def _refusal(self, scope: Scope) -> Refused | None:
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        if sum(len(name) + len(value) for name, value in headers) > HEAD_BYTES:
            return Refused(TOO_LONG, "head_too_large", status=431)
        refusal = self._service.access.refusal(headers, needs_key=scope["path"] != HEALTH)
        if refusal is None and scope["state"]["full"]:
            limit = self._service.limits.connections
            refusal = unavailable(f"The server has {limit} connections, as many as it takes.")
            refusal.headers["connection"] = "close"
        return refusal
