"""A small HTTP server on loopback whose `POST /v1/responses` streams what a function gives it."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.support.http_server import (
    CHUNKED,
    Answer,
    BrokenStreamError,
    Handler,
    HttpServer,
    Json,
    Refusal,
    Request,
)

__all__ = [
    "Answer",
    "BrokenStreamError",
    "Event",
    "Refusal",
    "Request",
    "SseServer",
    "sse",
    "sse_server",
    "text_events",
]

Event = Json

SseServer = HttpServer


def sse(event: Event) -> bytes:
    """An event as the API writes it."""
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _handler(answer: Answer, get: Mapping[str, int]) -> Handler:
    return lambda method, path: answer if method == "POST" else Refusal(get.get(path, 404))


@asynccontextmanager
async def sse_server(
    answer: Answer,
    get: Mapping[str, int] | None = None,
    tls: ssl.SSLContext | None = None,
    port: int = 0,
) -> AsyncIterator[SseServer]:
    """A running server. `get` gives the statuses of GET requests by path; others are 404."""
    server = SseServer(_handler(answer, get or {}), sse, CHUNKED)
    await server.start(port, tls)
    try:
        yield server
    finally:
        await server.stop()


def text_events(response_id: str, *deltas: str) -> list[Event]:
    """The events of a response that says `deltas`, as few as will do."""
    return [
        {"type": "response.created", "response": {"id": response_id}},
        *({"type": "response.output_text.delta", "delta": delta} for delta in deltas),
        {"type": "response.completed", "response": {"id": response_id, "output": []}},
    ]
