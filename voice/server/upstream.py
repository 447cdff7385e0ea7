"""The backend that lets another server write: any with OpenAI's chat completions over HTTP.

Ollama, vLLM and llama-server are such. They know no conversations, so each request carries all of
it, and their own caches of prefixes save the work: `prepare` fills them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec
import truststore

from voice.addresses import is_loopback
from voice.errors import ServerError, UsageError
from voice.server import chat
from voice.server.backend import (
    Busy,
    Call,
    Faults,
    Finished,
    Item,
    Message,
    Misconfigured,
    Piece,
    Prompt,
    PromptTooLong,
)
from voice.server.truncation import windows
from voice.sse import EventTooLarge, SseParser

log = logging.getLogger(__name__)

KEY_VARIABLE: Final = "VOICE_UPSTREAM_KEY"
"""The environment variable that the key comes from; a file is no place for it."""

CONNECT_SECONDS: Final = 10.0
"""How long connecting may take, with name, proxy and TLS."""

SILENCE_SECONDS: Final = 120.0
"""A stream that sends nothing for so long is broken. Ollama may load a model for a minute first."""

WARM_SECONDS: Final = 5.0
"""How long a prompt may be read ahead. The answer to it waits for that, and what was read by then
stays read; our client gives up at 10 s (`PRIME_SECONDS`)."""

WARM_LIMIT: Final = 4
"""Prompts read ahead at the same time, of all connections: answers shall not wait for others'."""

COUNTS_SECONDS: Final = 1.0
"""How long the token counts may come after the end of an answer."""

WAIT_SECONDS: Final = 10.0
"""The longest `retry-after` that is obeyed here; `response.failed` has no place to pass it on."""

_TRIES: Final = 3
_CHUNK_BYTES: Final = 2**20
_BODY_BYTES: Final = 64 * 2**10
_KEEP_SECONDS: Final = 60.0
"""How long a connection is kept for the next request. A turn comes within that time, mostly."""

_ADDRESS: Final = "check --upstream, which mostly ends in /v1"

_TOO_LONG: Final = re.compile(r"context.?(length|size|window)", re.IGNORECASE)
"""In the codes and words of OpenAI, vLLM and llama-server; Ollama cuts without a word."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server to ask: `url` is the base, such as `http://127.0.0.1:11434/v1`."""

    url: str
    model: str = ""
    """Its name there; "" takes the first that the server lists."""
    key: str = field(default="", repr=False)
    warm: bool = True
    """Let the server read prompts ahead, with a request for one token that is dropped."""
    silence_seconds: float = SILENCE_SECONDS


class UpstreamBackend:
    """Answers of another server. Its connections are kept and shared."""

    faults: Faults | None = None

    def __init__(self, client: httpx.AsyncClient, url: str, model: str, warm: bool) -> None:
        self.model = model
        self._client = client
        self._url = url
        self._warm = warm
        self._warming = 0

    @classmethod
    async def open(cls, to: Upstream) -> UpstreamBackend:
        """Find out the model, where none is named; else nothing is sent yet.

        Raises `UsageError`, and `ServerError` where the server does not tell its models.
        """
        base = _base_url(to)
        client = _client(to, base)
        try:
            model = to.model or await _first_model(client, f"{base}/models")
        except BaseException:
            await client.aclose()
            raise
        return cls(client, f"{base}/chat/completions", model, to.warm)

    async def close(self) -> None:
        """Close the connections, and so what still runs on them."""
        await self._client.aclose()

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The answer. Where the conversation is too long, its oldest part is left out.

        Closing the generator closes the stream, and the server sees that nobody listens. Raises
        `PromptTooLong` and `ServerError`.
        """
        too_long: PromptTooLong | None = None
        for window in _windows(prompt):
            try:
                async with aclosing(self._patiently(window)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except PromptTooLong as error:
                too_long = error
        assert too_long is not None
        raise too_long

    async def prepare(self, prompt: Prompt) -> Finished:
        """Let the server read the prompt, within `WARM_SECONDS`.

        This is a courtesy: where it fails, the answer will tell why, or succeed.
        """
        if not self._warm or self._warming >= WARM_LIMIT or not chat.messages(prompt):
            return Finished(0, 0, 0)
        self._warming += 1
        try:
            async with (
                asyncio.timeout(WARM_SECONDS),
                aclosing(self._answer(replace(prompt, max_output_tokens=1))) as pieces,
            ):
                async for piece in pieces:
                    if isinstance(piece, Finished):
                        return replace(piece, output_tokens=0, reached_limit=False)
        except (ServerError, TimeoutError) as error:
            log.info("the prompt was not read ahead: %s", str(error) or "it took too long")
        finally:
            self._warming -= 1
        return Finished(0, 0, 0)

    async def _patiently(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The answer, asked for again where the server wants to be asked a little later."""
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                async with aclosing(self._answer(prompt)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except Busy as busy:
                seconds = busy.retry_after_seconds
                if last or seconds is None or seconds > WAIT_SECONDS:
                    raise
                log.info("%s", busy)
                await asyncio.sleep(seconds)

    async def _answer(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        reader = chat.ChatReader(self._url)
        content = msgspec.json.encode(chat.body(prompt, self.model))
        try:
            async with aclosing(await self._send(content)) as response:
                if not response.is_success:
                    raise _refusal(self._url, self.model, response, await _beginning(response))
                async with aclosing(_events(response)) as events:
                    async for data in events:
                        if (delta := reader.text(data)) is not None:
                            yield delta
                        if reader.finish_reason is not None:
                            break
                    else:
                        raise _ended(self._url, response)
                    await _read_counts(reader, events)
        except httpx.HTTPError as error:
            raise _failure(self._url, error) from error
        except EventTooLarge as error:
            raise ServerError(f"{self._url} sent no stream: {error.problem}", _ADDRESS) from error
        for piece in reader.end():
            yield piece

    async def _send(self, content: bytes) -> httpx.Response:
        """Ask, and once more where the connection was lost before anything came back.

        llama-server closes connections after an answer without saying so, now and then just when
        the next request is on its way.
        """
        request = self._client.build_request("POST", self._url, content=content)
        try:
            return await self._client.send(request, stream=True)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            return await self._client.send(request, stream=True)


# ── the address ──────────────────────────────────────────────────────────────────────────────


def _base_url(to: Upstream) -> str:
    """The base URL without a slash at its end. Raises `UsageError`."""
    text = to.url.strip()
    wrong = UsageError(
        f"--upstream {text!r} is not an address",
        "give a base URL, such as http://127.0.0.1:11434/v1 for Ollama",
    )
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        _ = parts.port
    except ValueError:  # an odd port, or half an IPv6 address
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise wrong
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"--upstream has a user or a password in its address of {parts.hostname}",
            f"leave it out, and put the key into {KEY_VARIABLE}",
        )
    if to.key and parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageError(
            f"{text} would carry the key in the clear",
            f"use https:// beyond this machine, or unset {KEY_VARIABLE} if none is needed there",
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _client(to: Upstream, base_url: str) -> httpx.AsyncClient:
    """Redirects are not followed: the key is for this server alone."""
    key = to.key.strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"{KEY_VARIABLE} holds characters that no key has", "copy the key into it anew"
        )
    headers = {"user-agent": "voice", "accept-encoding": "identity"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    try:
        return httpx.AsyncClient(
            headers=headers | {"content-type": "application/json"},
            verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=not is_loopback(urlsplit(base_url).hostname or ""),
            timeout=httpx.Timeout(to.silence_seconds, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(keepalive_expiry=_KEEP_SECONDS),
        )
    except (ImportError, ValueError, httpx.InvalidURL):  # its address may hold a password
        raise UsageError(
            "HTTPS_PROXY (or ALL_PROXY) names no proxy that can be used",
            "give it as http://host:port, or name the host in NO_PROXY",
        ) from None


async def _first_model(client: httpx.AsyncClient, url: str) -> str:
    """What is served there, if nobody has said what to ask for. Raises `ServerError`."""
    try:
        async with client.stream("GET", url, timeout=CONNECT_SECONDS) as response:
            told = await _beginning(response)
    except httpx.HTTPError as error:
        raise _failure(url, error) from error
    if not response.is_success:
        raise _refusal(url, "", response, told)
    if not (names := chat.model_names(told)):
        raise ServerError(f"{url} lists no models", "name one with --model")
    if len(names) > 1:
        log.warning("--model names none of the %d models there; %s is used", len(names), names[0])
    return names[0]


# ── what comes back ──────────────────────────────────────────────────────────────────────────


async def _events(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    parser = SseParser(_CHUNK_BYTES)
    async for received in response.aiter_bytes():
        for data in parser.feed(received):
            yield data


async def _read_counts(reader: chat.ChatReader, events: AsyncIterator[bytes]) -> None:
    """What follows the last words. Read to its end, so that the connection can be used again.

    Whatever goes wrong by then, the answer is there.
    """
    with contextlib.suppress(TimeoutError, httpx.HTTPError, ServerError, EventTooLarge):
        async with asyncio.timeout(COUNTS_SECONDS):
            async for data in events:
                reader.text(data)


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for received in response.aiter_bytes():
        body += received
        if len(body) >= _BODY_BYTES:
            break
    return body


def _windows(prompt: Prompt) -> Iterator[Prompt]:
    """The prompt, then with ever less of its beginning: nine at most, if that may be.

    Steps are a power of two, so that the cut stays where it is while a conversation grows.
    """
    if not prompt.may_truncate:
        return iter([prompt])
    characters = sum(_length(item) for item in prompt.items)
    step_chars = 2 ** max(10, math.ceil(math.log2(characters / 8)) if characters else 0)
    return (replace(prompt, items=items) for items in windows(prompt.items, step_chars))


def _length(item: Item) -> int:
    if isinstance(item, Message):
        return len(item.text)
    return len(item.arguments) if isinstance(item, Call) else len(item.output)


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


def _failure(url: str, error: httpx.HTTPError) -> ServerError:
    """A connection that was not made, or broke."""
    match error:
        case httpx.ConnectTimeout():
            problem = f"{url} did not answer within {CONNECT_SECONDS:.0f} s"
            return ServerError(problem, "check --upstream, the network and the server")
        case httpx.ConnectError() if isinstance(_root(error), ssl.SSLError):
            problem = f"no secure connection to {url}: {error}"
            return ServerError(problem, "check --upstream and the certificates; plain is http://")
        case httpx.ConnectError():
            return ServerError(f"no server answers at {url}", "start it, or check --upstream")
        case httpx.ProxyError():
            problem = f"the proxy does not let us through to {url}: {error}"
            return ServerError(problem, "check HTTPS_PROXY, or name the host in NO_PROXY")
        case httpx.TimeoutException():
            return ServerError(f"{url} fell silent", "look whether it is overloaded, and its log")
        case _:
            problem = f"the connection to {url} broke: {error or type(error).__name__}"
            return ServerError(problem, "look whether the server still runs, and into its log")


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _ended(url: str, response: httpx.Response) -> ServerError:
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    if kind in ("", "text/event-stream"):
        problem = f"{url} ended the stream before the answer"
        return ServerError(problem, "look whether the server still runs, and into its log")
    return ServerError(f"{url} sent {kind} instead of a stream", _ADDRESS)


def _refusal(url: str, model: str, response: httpx.Response, told: bytes) -> ServerError:
    """An HTTP status that is none of success, in words."""
    status = response.status_code
    try:
        why = chat.reason(msgspec.json.decode(told))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        why = ""  # a page for people
    said = f"HTTP {status}: {why}" if why else f"HTTP {status}"
    match status:
        case 401 | 403:  # what it says may repeat the key
            return Misconfigured(f"{url} refuses the key", f"set {KEY_VARIABLE} to its API key")
        case 404:
            problem = f"{url} does not serve the model {model!r}" if model else f"{url} is unknown"
            return Misconfigured(f"{problem}: {said}", f"name one with --model, and {_ADDRESS}")
        case 400 | 413 | 422 if _TOO_LONG.search(told.decode(errors="replace")):
            return PromptTooLong(
                f"the conversation is too long for {model!r}: {said}",
                "begin a new one, or allow truncation",
            )
        case 429 | 503:
            seconds = _retry_after_seconds(response)
            return Busy(f"{url} is overloaded: {said}", "try again later", seconds)
        case _ if status >= 500:
            return ServerError(f"{url} failed: {said}", "look into its log")
        case _:
            return ServerError(f"{url} refuses the request: {said}", _ADDRESS)


def _retry_after_seconds(response: httpx.Response) -> float | None:
    """How long the server asks us to wait (`retry-after-ms`, and `retry-after` in seconds)."""
    for name, unit_seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            seconds = float(response.headers[name]) * unit_seconds
            if math.isfinite(seconds):
                return max(0.0, seconds)
    return None
