"""What a model server means by an error: its status and its words, each server has its own.

    OpenAI, vLLM        {"error": {"message", "type", "code"}}; older vLLM {"object": "error", …}
    Ollama, LM Studio   the same, or {"error": "…"}
    FastAPI             {"detail": "…"}
    gateways            a page in HTML, or an error within a stream that began with 200

Pure.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from voice.errors import ServerError
from voice.server.backend import Busy, Misconfigured, PromptTooLong

KEY_VARIABLE: Final = "VOICE_UPSTREAM_KEY"
"""The environment variable that the key comes from; a file is no place for it."""

ADDRESS: Final = "check --upstream (`upstream` in [server]), which mostly ends in /v1"

LOADING_SECONDS: Final = 1.0
"""How long to wait for llama-server, which says 503 while it loads its model, but not how long."""

OPTIONAL_FIELDS: Final = ("parallel_tool_calls", "stream_options")
"""What can be left out of a request where a server refuses it (Mistral's, OpenAI's o-models)."""

_TOO_LONG: Final = re.compile(
    r"context.?(length|size|window)|(prompt|input|model) length|max_tokens must be at least 1, got",
    re.IGNORECASE,
)
"""OpenAI, llama-server, LM Studio, SGLang; vLLM. Ollama cuts without a word."""

_NO_MODEL: Final = re.compile(r"model\b.*not (found|exist|loaded)|^no models", re.IGNORECASE)
_NO_TOOLS: Final = re.compile(
    r"not support tools|requires --enable-auto-tool-choice|requires --jinja", re.IGNORECASE
)
"""Ollama, vLLM, llama-server."""

_NO_SCHEMA: Final = re.compile(
    r"response_format|json.?schema|grammar|structured output", re.IGNORECASE
)


class Loading(Busy):
    """The server loads its model and answers afterwards."""


class UnknownField(ServerError):  # noqa: N818 (says what happened)
    """The server refuses a field of `OPTIONAL_FIELDS`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the server does not know {name}", "leave it out")
        self.name = name


def refusal(
    url: str, model: str, status: int, told: bytes, retry_after_seconds: float | None
) -> ServerError:
    """An answer to a request with a `status` that is none of success, in words.

    `told` is its body; `model` is "" where none was asked for.
    """
    why = reason_in(told)
    said = f"HTTP {status}: {why}" if why else f"HTTP {status}"
    if status in (401, 403):  # what it says may repeat the key
        return Misconfigured(f"{url} refuses the key", f"set {KEY_VARIABLE} to its API key")
    if status in (429, 503):
        if "loading" in why.lower():
            return Loading(f"{url} loads its model", "try again later", LOADING_SECONDS)
        return Busy(f"{url} is overloaded: {said}", "try again later", retry_after_seconds)
    if status == 404 or (status < 500 and _NO_MODEL.search(why)):
        problem = f"{url} does not serve the model {model!r}" if model else f"{url} is unknown"
        return Misconfigured(f"{problem}: {said}", f"name one with --model, and {ADDRESS}")
    return _refused_request(url, model, status, said, told.decode(errors="replace"))


def _refused_request(url: str, model: str, status: int, said: str, everything: str) -> ServerError:
    """What is wrong with a request itself; llama-server says some of that with status 500."""
    if _NO_TOOLS.search(everything):
        return Misconfigured(
            f"{url} cannot call tools with {model!r}: {said}",
            "choose a model that can, or start its server so that it does (vLLM: "
            "--enable-auto-tool-choice and --tool-call-parser, llama-server: --jinja)",
        )
    if _TOO_LONG.search(everything):
        return PromptTooLong(
            f"the conversation is too long for {model!r}: {said}",
            "begin a new one, or allow truncation",
        )
    if status >= 500:
        return ServerError(f"{url} failed: {said}", "look into its log")
    if name := next((name for name in OPTIONAL_FIELDS if name in everything), ""):
        return UnknownField(name)
    if _NO_SCHEMA.search(everything):
        return Misconfigured(
            f"{url} refuses a JSON schema of the request: {said}",
            "simplify it, or use a server and a model with structured outputs",
        )
    return ServerError(f"{url} refuses the request: {said}", ADDRESS)


def given_up(url: str, told: Any) -> ServerError:
    """An error in the middle of a stream, in words."""
    why = reason(told) or "it does not say why"
    if _TOO_LONG.search(why):
        return PromptTooLong(
            f"the conversation is too long for {url}: {why}", "begin a new one, or allow truncation"
        )
    return ServerError(f"{url} gave the answer up: {why}", "look into its log")


def reason_in(told: bytes) -> str:
    """What the body of an error says; "" where it is a page for people."""
    try:
        return reason(msgspec.json.decode(told))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def reason(told: Any) -> str:
    """What an error says, in the shapes that servers give it; one short line, "" for nothing."""
    for name in ("error", "error_message", "message", "detail"):
        if isinstance(told, dict) and told.get(name):
            told = told[name]
    return brief(told) if isinstance(told, str) else ""


def brief(told: str | bytes) -> str:
    """The beginning of what somebody said, in one line."""
    text = told if isinstance(told, str) else told.decode(errors="replace")
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:200]}…"
