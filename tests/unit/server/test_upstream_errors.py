"""What servers say when they refuse, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voice.errors import ServerError
from voice.server.backend import Busy, Misconfigured, PromptTooLong
from voice.server.upstream_errors import (
    Loading,
    UnknownField,
    given_up,
    reason,
    reason_in,
    refusal,
)

URL = "http://there/v1/chat/completions"


def refused(status: int, told: Any, retry_after_seconds: float | None = None) -> ServerError:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return refusal(URL, "m", status, body, retry_after_seconds)


def error(message: str, **fields: Any) -> Any:
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "told", "kind", "named"),
    [
        (401, error("wrong key k-1"), Misconfigured, "VOICE_UPSTREAM_KEY"),
        (404, error('model "m" not found, try pulling it first'), Misconfigured, "try pulling it"),
        (404, error("The model `m` does not exist."), Misconfigured, "--model"),
        (404, {"error": "No models loaded. Please load a model"}, Misconfigured, "--model"),
        (400, {"error": 'model "m" not found'}, Misconfigured, "--model"),
        (404, b"<html>404</html>", Misconfigured, "HTTP 404.*--upstream"),
        (429, error("slow down"), Busy, "overloaded.*slow down"),
        (503, {"error": "server busy, please try again."}, Busy, "overloaded"),
        (503, error("Loading model", code=503, type="unavailable_error"), Loading, "loads"),
        (400, error("This model's maximum context length is 9 tokens."), PromptTooLong, "'m'"),
        (400, error("the request exceeds the available context size"), PromptTooLong, "'m'"),
        (500, error("x", type="exceed_context_size_error"), PromptTooLong, "HTTP 500: x"),
        (500, error("Context size has been exceeded."), PromptTooLong, "'m'"),
        (
            400,
            {"object": "error", "message": "max_tokens must be at least 1, got -186."},
            PromptTooLong,
            "-186",
        ),
        (
            400,
            error("The decoder prompt (length 9) is longer than the maximum model length of 8."),
            PromptTooLong,
            "maximum model length",
        ),
        (413, b"<html>context length</html>", PromptTooLong, "HTTP 413"),
        (400, {"error": "m does not support tools"}, Misconfigured, "cannot call tools"),
        (500, error("tools param requires --jinja flag"), Misconfigured, "--jinja"),
        (
            400,
            error('"auto" tool choice requires --enable-auto-tool-choice and more'),
            Misconfigured,
            "--tool-call-parser",
        ),
        (
            422,
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]},
            UnknownField,
            "stream_options",
        ),
        (
            400,
            error("Unsupported parameter: 'parallel_tool_calls'"),
            UnknownField,
            "parallel_tool_calls",
        ),
        (
            400,
            {"error": "'response_format.type' must be 'text'"},
            Misconfigured,
            "JSON schema.*structured",
        ),
        (400, error("failed to parse grammar"), Misconfigured, "JSON schema"),
        (400, {"detail": "no"}, ServerError, "refuses the request: HTTP 400: no"),
        (500, b"<html>Bad</html>", ServerError, r"failed: HTTP 500 \(look into its log"),
        (502, b"", ServerError, "failed: HTTP 502"),
    ],
)
def test_what_servers_say_is_understood(
    status: int, told: Any, kind: type[ServerError], named: str
) -> None:
    found = refused(status, told)
    assert type(found) is kind
    with pytest.raises(kind, match=named):
        raise found
    assert "k-1" not in str(found)
    assert found.cure


def test_waits_are_the_servers_own_or_short_ones() -> None:
    busy, loading = refused(429, b"", 7.0), refused(503, error("Loading model"))
    assert isinstance(busy, Busy)
    assert busy.retry_after_seconds == 7.0
    assert isinstance(loading, Loading)
    assert loading.retry_after_seconds == 1.0


def test_an_error_in_a_stream_says_why_if_it_does() -> None:
    assert "CUDA" in str(given_up(URL, {"message": "CUDA"}))
    assert "does not say why" in str(given_up(URL, {"code": 5}))
    assert isinstance(given_up(URL, "the context window is full"), PromptTooLong)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"error": {"message": "no such model", "code": 404}}, "no such model"),
        ({"error": "no such model"}, "no such model"),
        ({"object": "error", "message": "no such model"}, "no such model"),
        ({"error_type": "x", "error_message": "no such model"}, "no such model"),
        ({"detail": "Not\n Found"}, "Not Found"),
        ({"detail": [{"loc": 1}]}, ""),
        (["?"], ""),
        ({"error": "x" * 1000}, "x" * 200 + "…"),
    ],
)
def test_the_reason_of_an_error_is_one_short_line(told: Any, text: str) -> None:
    assert reason(told) == reason_in(json.dumps(told).encode()) == text


def test_a_page_for_people_is_no_reason() -> None:
    assert reason_in(b"<html>") == reason_in(b"\xff") == ""
