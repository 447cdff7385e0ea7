"""What an operator's browser and monitors ask of a kiosk, on this machine only.

/          the status page, live
/healthz   200, or 503 with reasons where somebody should come
/readyz    200 where a visitor would be heard, else 503 with reasons
/metrics   for Prometheus
/report    what the page shows, as JSON; /events: again after each change
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.resources import files
from typing import Any, Final

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from voice.apps.kiosk.health import Health
from voice.apps.kiosk.status.metrics import CONTENT_TYPE, Metrics
from voice.apps.kiosk.status.usage import Meter
from voice.config import KioskOptions
from voice.server.access import Access
from voice.trace import as_json

log = logging.getLogger(__name__)

_HOST: Final = "127.0.0.1"
_LOOK_SECONDS: Final = 0.2
"""Between two looks whether the page shows something else: a fraction of what a person notices."""

_QUIET_LOOKS: Final = 15
"""After so many without a change it is told again: memory and processor change unnoticed."""

_RETRY: Final = b"retry: 1000\n\n"
"""Milliseconds after which a page that has lost the kiosk tries again."""

_ANSWERING: Final = 32
"""Requests at a time: a page or a monitor has few."""

_KINDS: Final = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}

_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""The page is ours alone: it loads nothing from elsewhere, and nobody frames it."""


@asynccontextmanager
async def serve_status(health: Health, options: KioskOptions) -> AsyncIterator[str]:
    """Serve in this event loop while the block runs; yields the page's URL.

    "" where nothing is served: `status_port` is -1, or the port is taken. A kiosk that talks to
    visitors goes on without its page, and the log says why there is none.
    """
    listener = _listen(options.status_port)
    if listener is None:
        yield ""
        return
    port = listener.getsockname()[1]
    status = _Status(health, options.show_transcript)
    server = _Server(_config(status.app()))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://{_HOST}:{port}/"
    finally:
        status.ending = server.should_exit = True
        await serving
        listener.close()


def _listen(port: int) -> socket.socket | None:
    if port < 0:
        return None
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
    except OSError as error:
        listener.close()
        log.warning(
            "there is no status page: port %d of this machine cannot be used: %s "
            "(end the program that has it, or set status_port in [kiosk] to another)",
            port,
            error.strerror,
        )
        return None
    return listener


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_ANSWERING,
        timeout_graceful_shutdown=1,
    )


class _Server(uvicorn.Server):
    """Signals are the kiosk's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


class _Status:
    """One method for each thing that can be asked for."""

    def __init__(self, health: Health, words: bool) -> None:
        self.ending = False
        """Whether those who listen for changes are sent away."""

        self._health = health
        self._words = words
        self._metrics = Metrics(health)
        self._meter = Meter()

    def app(self) -> ASGIApp:
        """All of them behind one door."""
        routes = [Route(f"/{name}", _file) for name in _KINDS if name != "page.html"]
        routes += [
            Route("/", _file),
            Route("/report", self.report),
            Route("/events", self.events),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
            Route("/metrics", self.metrics),
        ]
        return _Door(Starlette(routes=routes))

    async def healthz(self, _: Request) -> Response:
        """Whether somebody should come."""
        return self._verdict(self._health.verdict != "faulty")

    async def readyz(self, _: Request) -> Response:
        """Whether a visitor would be heard."""
        return self._verdict(self._health.ready)

    async def metrics(self, _: Request) -> Response:
        """For Prometheus."""
        return Response(self._metrics.text(), headers=_HEADERS, media_type=CONTENT_TYPE)

    async def report(self, _: Request) -> Response:
        """What the page shows."""
        return _json(self._shown())

    async def events(self, _: Request) -> Response:
        """What the page shows, again after each change."""
        return StreamingResponse(self._changes(), headers=_HEADERS, media_type="text/event-stream")

    async def _changes(self) -> AsyncIterator[bytes]:
        told, quiet = -1, 0
        yield _RETRY
        while not self.ending:
            revision = self._health.revision
            if revision != told or quiet >= _QUIET_LOOKS:
                told, quiet = revision, 0
                yield b"data: " + as_json(self._shown()) + b"\n\n"
            quiet += 1
            await asyncio.sleep(_LOOK_SECONDS)

    def _shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = msgspec.to_builtins(self._health.report())
        if not self._words:  # whoever keeps them may have been allowed to
            for turn in shown["turns"]:
                del turn["user_text"], turn["assistant_text"]
        return {**shown, "usage": self._meter.look()}

    def _verdict(self, good: bool) -> Response:
        health = self._health
        told = {"status": health.verdict, "ready": health.ready, "reasons": health.reasons}
        return _json(told, 200 if good else 503)


async def _file(request: Request) -> Response:
    name = request.url.path.removeprefix("/") or "page.html"
    body = files("voice.apps.kiosk.status").joinpath(name).read_bytes()
    return Response(body, headers=_HEADERS, media_type=_KINDS[name])


def _json(told: object, status: int = 200) -> Response:
    body = as_json(told)
    return Response(body, status, headers=_HEADERS, media_type="application/json")


class _Door:
    """Lets in who calls this machine by its own name: no page of another site, no other machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._access = Access(_HOST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        refused = self._access.refusal(Headers(scope=scope).items())
        await (_foreign(scope["server"][1]) if refused else self._app)(scope, receive, send)


def _foreign(port: int) -> Response:
    cure = f"Ask for http://{_HOST}:{port}/ on the kiosk itself.\n"
    return Response(cure, 403, headers=_HEADERS, media_type="text/plain")
