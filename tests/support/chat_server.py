"""A small model server on loopback: its `POST /v1/chat/completions` streams what a function gives.

`GET /v1/models` lists the models. Every connection stays open for the next request.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.http_server import (
    Answer,
    BrokenStreamError,
    Handler,
    HttpServer,
    Json,
    Refusal,
    Request,
)

__all__ = [
    "DONE",
    "PATH",
    "Answer",
    "BrokenStreamError",
    "ChatServer",
    "Json",
    "Refusal",
    "Request",
    "chat_server",
    "delta",
    "fragment",
    "saying",
    "sse",
    "usage",
]

PATH = "/v1/chat/completions"
IS_JSON = {"content-type": "application/json"}

ChatServer = HttpServer


# ── what a server says ───────────────────────────────────────────────────────────────────────

DONE = b"data: [DONE]\n\n"


def sse(chunk: Json) -> bytes:
    """A chunk as it is sent."""
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()


def delta(finish_reason: str | None = None, **fields: Any) -> Json:
    """A chunk with more of the answer."""
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}],
    }


def fragment(index: int, call_id: str = "", name: str = "", arguments: str = "") -> Json:
    """A chunk with more of a call, as OpenAI and vLLM send it."""
    function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
    call = {"index": index, "function": function}
    return delta(tool_calls=[{**call, "id": call_id, "type": "function"} if call_id else call])


def usage(prompt: int, completion: int, cached: int | None = None) -> Json:
    """The last chunk, for those who ask for it."""
    counts: Json = {"prompt_tokens": prompt, "completion_tokens": completion}
    if cached is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": cached}
    return {"choices": [], "usage": counts}


def saying(*words: str) -> list[Json | bytes]:
    """A whole answer."""
    return [
        delta(role="assistant", content=""),
        *(delta(content=word) for word in words),
        delta("stop"),
        DONE,
    ]


# ── the server ───────────────────────────────────────────────────────────────────────────────


def _handler(answer: Answer, models: Sequence[str]) -> Handler:
    listed = {"object": "list", "data": [{"id": name} for name in models]}

    def handle(method: str, path: str) -> Answer | Refusal:
        if (method, path) == ("GET", "/v1/models"):
            return Refusal(200, json.dumps(listed), IS_JSON)
        if (method, path) != ("POST", PATH):
            return Refusal(404, '{"detail": "Not Found"}', IS_JSON)
        return answer

    return handle


@asynccontextmanager
async def chat_server(answer: Answer, models: Sequence[str] = ("m",)) -> AsyncIterator[ChatServer]:
    """A running server."""
    server = ChatServer(_handler(answer, models), sse, IS_JSON)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
