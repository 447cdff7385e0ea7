"""The backend that lets another server write: any with OpenAI's chat completions over HTTP.

Ollama, vLLM, llama-server and LM Studio are such. They know no conversations, so each request
carries all of it, and their own caches of prefixes save the work: `prepare` fills them.

Some load a model only when it is asked for, which takes minutes, and Ollama gives that up when its
client goes away. So the first word is waited for with patience, and where the server has not
answered for some time, reading ahead goes on in the background until it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
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
    CallOutput,
    Faults,
    Finished,
    Item,
    Message,
    Piece,
    Prompt,
    PromptTooLong,
)
from voice.server.truncation import windows
from voice.server.upstream_errors import ADDRESS, KEY_VARIABLE, Loading, UnknownField
from voice.server.upstream_failures import CONNECT_SECONDS, ended, failure, refused
from voice.sse import EventTooLarge, SseParser

log = logging.getLogger(__name__)

FIRST_SECONDS: Final = 600.0
"""How long the first piece may take. Ollama and LM Studio may load a model before it, and a large
one from a slow disk takes minutes; Ollama itself gives up after five without progress."""

SILENCE_SECONDS: Final = 120.0
"""A stream that sends nothing for so long after its first piece is broken."""

PROGRESS_SECONDS: Final = 15.0
"""How often the log says that the first piece is still waited for."""

LOADED_SECONDS: Final = 240.0
"""How long a model surely stays loaded after an answer. Ollama unloads one after five minutes."""

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
_TAIL_BYTES: Final = 4 * 2**10
_KEEP_SECONDS: Final = 60.0
"""How long a connection is kept for the next request. A turn comes within that time, mostly."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server to ask: `url` is the base, such as `http://127.0.0.1:11434/v1`."""

    url: str
    model: str = ""
    """Its name there; "" takes the first that the server lists."""
    key: str = field(default="", repr=False)
    """Its key; "" takes `VOICE_UPSTREAM_KEY` of the environment, if that is set."""
    warm: bool = True
    """Let the server read prompts ahead, with a request for one token that is dropped."""
    first_seconds: float = FIRST_SECONDS
    silence_seconds: float = SILENCE_SECONDS


class UpstreamBackend:
    """Answers of another server. Its connections are kept and shared."""

    faults: Faults | None = None

    def __init__(self, to: Upstream, client: httpx.AsyncClient, url: str, model: str) -> None:
        self.model = model
        self._to = to
        self._client = client
        self._url = url
        self._ahead: set[asyncio.Task[Finished]] = set()
        self._answered_at = -math.inf
        self._unknown_fields: set[str] = set()

    @classmethod
    async def open(cls, to: Upstream) -> UpstreamBackend:
        """Find out the model, where none is named; else nothing is sent yet.

        Raises `UsageError`, and `ServerError` where the server does not tell its models.
        """
        base = _base_url(to)
        client = _client(to, base)
        try:
            model = to.model or _first(await _listed(client, base, to.first_seconds), base)
        except BaseException:
            await client.aclose()
            raise
        return cls(to, client, f"{base}/chat/completions", model)

    async def close(self) -> None:
        """Close the connections, and so what still runs on them."""
        for task in self._ahead:
            task.cancel()
        await asyncio.gather(*self._ahead, return_exceptions=True)
        await self._client.aclose()

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The answer. Where the conversation is too long, its oldest part is left out.

        Closing the generator closes the stream, and the server sees that nobody listens. Raises
        `PromptTooLong` and `ServerError`.
        """
        too_long: PromptTooLong | None = None
        for window in _windows(prompt):
            begun = False
            try:
                async with aclosing(self._patiently(window)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except PromptTooLong as error:
                if begun:
                    raise
                too_long = error
        assert too_long is not None
        raise too_long

    async def prepare(self, prompt: Prompt) -> Finished:
        """Let the server read the prompt, within `WARM_SECONDS`.

        This is a courtesy: where it fails, the answer will tell why, or succeed.
        """
        most = WARM_LIMIT if self._is_loaded() else 1
        if not self._to.warm or len(self._ahead) >= most or not chat.messages(prompt):
            return Finished(0, 0, 0)
        reading = asyncio.create_task(self._read_ahead(replace(prompt, max_output_tokens=1)))
        self._ahead.add(reading)
        reading.add_done_callback(self._ahead.discard)
        try:
            done, _ = await asyncio.wait([reading], timeout=WARM_SECONDS)
        finally:
            if self._is_loaded():
                reading.cancel()
        if done:
            return reading.result()
        log.info("the prompt was not read ahead within %g s", WARM_SECONDS)
        return Finished(0, 0, 0)

    def _is_loaded(self) -> bool:
        return asyncio.get_running_loop().time() < self._answered_at + LOADED_SECONDS

    async def _read_ahead(self, prompt: Prompt) -> Finished:
        try:
            async with aclosing(self._patiently(prompt)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Finished):
                        return replace(
                            piece, output_tokens=0, reached_limit=False, reasoning_tokens=0
                        )
        except ServerError as error:
            log.info("the prompt was not read ahead: %s", error)
        return Finished(0, 0, 0)

    async def _patiently(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The answer, asked for again where the server wants that.

        Such as a little later, when it has loaded its model, or without a field it does not know.
        """
        clock = asyncio.get_running_loop().time
        tries, loaded_by = _TRIES, clock() + self._to.first_seconds
        while True:
            try:
                async with aclosing(self._answer(prompt)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except UnknownField as unknown:
                if unknown.name in self._unknown_fields:
                    raise
                self._unknown_fields.add(unknown.name)
                log.info("%s refuses %s; it is left out from now on", self._url, unknown.name)
            except Busy as busy:
                seconds = busy.retry_after_seconds
                tries -= not isinstance(busy, Loading)
                if not tries or seconds is None or seconds > WAIT_SECONDS or clock() > loaded_by:
                    raise
                log.info("%s", busy)
                await asyncio.sleep(seconds)

    async def _answer(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        reader = chat.ChatReader(self._url, prompt)
        tail = bytearray()
        waiting = _Waiting(self._url)
        try:
            async with aclosing(await self._send(self._body(prompt))) as response:
                if not response.is_success:
                    raise refused(self._url, self.model, response, await _beginning(response))
                stream = _events(response, self._to.silence_seconds, tail)
                async with aclosing(stream) as events:
                    async for data in events:
                        waiting.end()
                        self._answered_at = asyncio.get_running_loop().time()
                        for piece in reader.pieces(data):
                            yield piece
                        if reader.finish_reason is not None:
                            break
                    else:
                        raise ended(self._url, response, bytes(tail))
                    await _read_counts(reader, events)
        except (httpx.HTTPError, TimeoutError) as error:
            raise failure(self._url, error) from error
        except EventTooLarge as error:
            raise ServerError(f"{self._url} sent no stream: {error.problem}", ADDRESS) from error
        finally:
            waiting.end()
        for piece in reader.end():
            yield piece

    def _body(self, prompt: Prompt) -> bytes:
        asked = chat.body(prompt, self.model)
        return msgspec.json.encode(
            {name: value for name, value in asked.items() if name not in self._unknown_fields}
        )

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


class _Waiting:
    """Says in the log now and then that the first piece is waited for."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._seconds = 0.0
        self._timer = self._arm()

    def end(self) -> None:
        """It has come, or never will."""
        self._timer.cancel()

    def _arm(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(PROGRESS_SECONDS, self._say)

    def _say(self) -> None:
        self._seconds += PROGRESS_SECONDS
        told = "nothing from %s for %.0f s; it may still load the model"
        log.warning(told, self._url, self._seconds)
        self._timer = self._arm()


async def served_models(to: Upstream) -> list[str]:
    """The names of the models there. Raises `UsageError` and `ServerError`."""
    base = _base_url(to)
    async with _client(to, base) as client:
        return await _listed(client, base, 0.0)


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
    if _key(to) and parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageError(
            f"{text} would carry the key in the clear",
            f"use https:// beyond this machine, or unset {KEY_VARIABLE} if none is needed there",
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _key(to: Upstream) -> str:
    return (to.key or os.environ.get(KEY_VARIABLE, "")).strip()


def _client(to: Upstream, base_url: str) -> httpx.AsyncClient:
    """Redirects are not followed: the key is for this server alone."""
    key = _key(to)
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
            timeout=httpx.Timeout(to.first_seconds, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(keepalive_expiry=_KEEP_SECONDS),
        )
    except (ImportError, ValueError, httpx.InvalidURL):  # its address may hold a password
        raise UsageError(
            "HTTPS_PROXY (or ALL_PROXY) names no proxy that can be used",
            "give it as http://host:port, or name the host in NO_PROXY",
        ) from None


async def _listed(client: httpx.AsyncClient, base_url: str, loading_seconds: float) -> list[str]:
    """The models there, once they are loaded. Raises `ServerError`."""
    url = f"{base_url}/models"
    clock = asyncio.get_running_loop().time
    loaded_by = clock() + loading_seconds
    while True:
        try:
            async with client.stream("GET", url, timeout=CONNECT_SECONDS) as response:
                told = await _beginning(response)
        except httpx.HTTPError as error:
            raise failure(url, error) from error
        if response.is_success:
            return chat.model_names(told)
        problem = refused(url, "", response, told)
        if not isinstance(problem, Loading) or clock() > loaded_by:
            raise problem
        log.info("%s", problem)
        await asyncio.sleep(problem.retry_after_seconds or 0.0)


def _first(names: list[str], base_url: str) -> str:
    """What is asked for where nobody has said what. Raises `ServerError`."""
    if not names:
        raise ServerError(f"{base_url}/models lists no models", "name one with --model")
    if len(names) > 1:
        log.warning("--model names none of the %d models there; %s is used", len(names), names[0])
    return names[0]


# ── what comes back ──────────────────────────────────────────────────────────────────────────


async def _events(
    response: httpx.Response, silence_seconds: float, tail: bytearray
) -> AsyncGenerator[bytes, None]:
    """The data of the events; `tail` has what was received last. Raises `TimeoutError`."""
    parser = SseParser(_CHUNK_BYTES)
    received = response.aiter_bytes()
    seconds: float | None = None  # until the first event only the client's own limit holds
    while True:
        async with asyncio.timeout(seconds):
            part = await anext(received, None)
        if part is None:
            return
        tail[:] = (tail + part)[-_TAIL_BYTES:]
        for data in parser.feed(part):
            seconds = silence_seconds
            yield data


async def _read_counts(reader: chat.ChatReader, events: AsyncIterator[bytes]) -> None:
    """What follows the last words. Read to its end, so that the connection can be used again.

    Whatever goes wrong by then, the answer is there.
    """
    with contextlib.suppress(TimeoutError, httpx.HTTPError, ServerError, EventTooLarge):
        async with asyncio.timeout(COUNTS_SECONDS):
            async for data in events:
                reader.pieces(data)


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
    match item:
        case Message(text=text) | CallOutput(output=text) | Call(arguments=text):
            return len(text)
        case _:  # thoughts, which are not sent
            return 0
