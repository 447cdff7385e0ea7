"""A small model server on loopback: its `POST /v1/chat/completions` streams what a function gives.

`GET /v1/models` lists the models. Every connection stays open for the next request. What begins
with the name of a server is what that server says and others do not, as its users report it.
"""

from __future__ import annotations

import itertools
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
    "LLAMA_LOADING",
    "LLAMA_PING",
    "LM_STUDIO_NO_MODEL",
    "OLLAMA_NO_MODEL",
    "PATH",
    "VLLM_TOO_LONG",
    "Answer",
    "BrokenStreamError",
    "ChatServer",
    "Json",
    "Refusal",
    "Request",
    "chat_server",
    "delta",
    "fragment",
    "llama_2025_error",
    "lm_studio_error",
    "ollama_call",
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


# ── what only one of them says ───────────────────────────────────────────────────────────────

OLLAMA_NO_MODEL = Refusal(
    404,
    '{"error": {"message": "model \\"m\\" not found, try pulling it first", '
    '"type": "api_error", "param": null, "code": null}}',
    IS_JSON,
)
VLLM_TOO_LONG = Refusal(
    400,
    '{"error": {"message": "This model\'s maximum context length is 1024 tokens.", '
    '"type": "BadRequestError", "param": null, "code": 400}}',
    IS_JSON,
)
LLAMA_LOADING = Refusal(
    503,
    '{"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}',
    IS_JSON,
)
LM_STUDIO_NO_MODEL = Refusal(
    404, '{"error": {"message": "No models loaded. Please load a model."}}', IS_JSON
)
LLAMA_PING = b": ping\n\n"
"""What llama-server sends while it reads a long prompt."""


def ollama_call(call_id: str, name: str, arguments: Json) -> Json:
    """A whole call, with the number 0 that all of them have."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": call_id, "index": 0, "type": "function", "function": function}
    return delta(role="assistant", content="", tool_calls=[call])


def llama_2025_error(message: str) -> bytes:
    """An error in a stream, in a field of its own that is no data."""
    told = {"code": 400, "message": message, "type": "invalid_request_error"}
    return f"error: {json.dumps(told)}\n\n".encode()


def lm_studio_error(message: str) -> bytes:
    """An error in a stream, as an event with a name."""
    return f"event: error\ndata: {json.dumps({'error': {'message': message}})}\n\n".encode()


# ── the server ───────────────────────────────────────────────────────────────────────────────


def _handler(answer: Answer, models: Sequence[str], refusals: Sequence[Refusal]) -> Handler:
    listed = {"object": "list", "data": [{"id": name} for name in models]}
    listing = itertools.chain(refusals, itertools.repeat(Refusal(200, json.dumps(listed), IS_JSON)))

    def handle(method: str, path: str) -> Answer | Refusal:
        if (method, path) == ("GET", "/v1/models"):
            return next(listing)
        if (method, path) != ("POST", PATH):
            return Refusal(404, '{"detail": "Not Found"}', IS_JSON)
        return answer

    return handle


@asynccontextmanager
async def chat_server(
    answer: Answer, models: Sequence[str] = ("m",), refusals: Sequence[Refusal] = ()
) -> AsyncIterator[ChatServer]:
    """A running server; the `refusals` come before its list of models."""
    server = ChatServer(_handler(answer, models, refusals), sse, IS_JSON)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
