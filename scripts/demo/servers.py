"""Whom the demo asks: our own server in a child process, or any server by its URL."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from scripts.demo.calls import Target
from scripts.demo.certificate import HOST, Tls
from scripts.demo.link import Address, open_link
from scripts.demo.workload import Workload
from voice.errors import AgentError, UsageError
from voice.models.resolve import SMALL_LLM, weights
from voice.server.child import local_server
from voice.server.serve import ServeOptions

_MODEL_CONTEXT_TOKENS = 8192
"""Two chains of small steps: the one that runs, and the one whose place it takes."""

_REACH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is there."""

    address: Address
    host: str
    path: str
    key: str
    model: str
    tls: Tls | ssl.SSLContext | None
    """Both ends where we put TLS before the server; the client's where the server has its own."""


@asynccontextmanager
async def script_server(workload: Workload, tls: Tls | None) -> AsyncIterator[Server]:
    """Ours, with the workload's calls written down. Raises `ServerError`."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "calls.toml"
        script.write_text(workload.script(), encoding="utf-8")
        options = ServeOptions(
            backend="script", script=script, store=Path(folder) / "responses.sqlite"
        )
        async with _ours(options, tls) as server:
            yield server


@asynccontextmanager
async def model_server(tls: Tls | None) -> AsyncIterator[Server]:
    """Ours, with the small language model. Raises `ModelError` and `ServerError`."""
    with tempfile.TemporaryDirectory() as folder:
        options = ServeOptions(
            model=weights(SMALL_LLM, ".gguf"),
            context_tokens=_MODEL_CONTEXT_TOKENS,
            store=Path(folder) / "responses.sqlite",
        )
        async with _ours(options, tls) as server:
            yield server


@asynccontextmanager
async def _ours(options: ServeOptions, tls: Tls | None) -> AsyncIterator[Server]:
    async with local_server(options) as (url, key):
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        yield Server((parts.hostname, parts.port), HOST, parts.path, key, "local", tls)


def server_at(url: str, key: str, model: str) -> Server:
    """Somebody's, by its base URL. Raises `UsageError`."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    secure = parts.scheme in ("https", "wss")
    if not parts.hostname or parts.scheme not in ("http", "https", "ws", "wss"):
        raise UsageError(f"{url} is no base URL", "give --url one such as https://host/v1")
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not local and not key:
        raise UsageError(f"there is no key for {parts.hostname}", "set OPENAI_API_KEY")
    if not local and not model:
        raise UsageError(f"no model is chosen for {parts.hostname}", "name one with --model")
    address = parts.hostname, parts.port or (443 if secure else 80)
    tls = ssl.create_default_context() if secure else None
    return Server(address, parts.hostname, parts.path.rstrip("/"), key, model or "local", tls)


@asynccontextmanager
async def linked(server: Server, rtt_ms: float) -> AsyncIterator[Target]:
    """The server at the other end of a link of this round-trip time."""
    put_before = server.tls if isinstance(server.tls, Tls) else None
    client = server.tls.client if isinstance(server.tls, Tls) else server.tls
    async with open_link(server.address, rtt_ms / 1e3, put_before) as link:
        yield Target(link, client, server.host, server.path, server.key, server.model)


async def reach(server: Server) -> None:
    """Raises `AgentError` where nobody listens: a link would only see a connection that ends."""
    host, port = server.address
    try:
        async with asyncio.timeout(_REACH_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no answer"
        raise AgentError(
            f"{host}:{port} cannot be reached: {reason}", "check --url and the network"
        ) from None
    writer.close()
