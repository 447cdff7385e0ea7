"""`voice serve`: chooses the backend, opens store and endpoint, and ends when it is told to.

Told by a signal, it begins no more responses, lets those under way end for a while, and fails the
others; a second signal ends the waiting.

As a child process that must not outlive its parent: start it with a pipe as stdin, keep the
pipe's other end open and set `exit_with_stdin`. The kernel closes the pipe when the parent ends,
however it ends, and the server goes too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from voice.errors import UsageError
from voice.server.backend import Backend
from voice.server.limits import Limits
from voice.server.protocol import CONNECTION_SECONDS
from voice.server.script import Script, ScriptBackend, load_script
from voice.server.store import RETENTION_SECONDS, ResponseStore

if TYPE_CHECKING:
    from voice.server.endpoint import Endpoint

GOODBYE_SECONDS: Final = 5.0
"""After the parent's end, what has not ended by itself is ended, such as a model half loaded."""


READY: Final = "listening on "
"""What the line on stdout begins with that tells the address."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What `voice serve` can be told."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but the loopback needs a `key`."""
    port: int = 8787
    """TCP port; 0 picks a free one."""
    key: str = ""
    """Bearer key that clients must show; empty lets everybody on this machine in."""
    backend: Literal["llama", "script", "upstream"] = "llama"
    """What writes the answers."""
    model: Path | None = None
    """GGUF file of the `llama` backend, a Qwen2.5 instruct model."""
    threads: int | None = None
    """Threads of the `llama` backend; None takes the machine's physical cores."""
    context_tokens: int = 4096
    """Context of the `llama` backend, for each of the conversations under way."""
    heads: Path | None = None
    """Folder where the `llama` backend keeps what it has read of instructions and tools; None
    keeps nothing."""
    script: Path | None = None
    """Replies of the `script` backend; None echoes."""
    ttft_seconds: float = 0.0
    """The `script` backend's time to the first token."""
    tokens_per_second: float = 0.0
    """The `script` backend's pace; 0 sends all at once."""
    upstream: str = ""
    """Base URL of the server that the `upstream` backend asks."""
    upstream_model: str = ""
    """Its model; "" takes the first that it lists."""
    upstream_key: str = field(default="", repr=False)
    """Its key, if it wants one."""
    warm: bool = True
    """Whether the `upstream` backend lets its server read prompts ahead."""
    connection_seconds: float = CONNECTION_SECONDS
    """How long a connection lasts before the server ends it."""
    store: Path | None = None
    """File of the responses with `store: true`; None keeps them in memory."""
    store_seconds: float = RETENTION_SECONDS
    """How long they are kept."""
    names: tuple[str, ...] = ()
    """More names that clients may call this server by, such as a reverse proxy's."""
    limits: Limits = field(default_factory=Limits)
    """What it takes from clients, and how long it waits for them."""
    goodbye_seconds: float = 5.0
    """How long responses under way may go on after a signal."""
    exit_with_stdin: bool = False
    """End when stdin is closed: for child processes."""


async def serve(options: ServeOptions, ready: Callable[[str, int], None]) -> None:
    """Serve until SIGINT, SIGTERM, or the end of stdin where `exit_with_stdin` is set.

    `ready` is called with host and port as soon as requests are answered. Raises `UsageError`,
    `ModelError` or `ServerError`.
    """
    ending = _Ending()
    if options.exit_with_stdin:
        _watch_stdin(asyncio.get_running_loop(), ending)
    async with AsyncExitStack() as stack:
        backend = await open_backend(options)
        stack.push_async_callback(backend.close)
        _watch_signals(ending)  # only now: llama.cpp takes the signals while it loads
        store = await ResponseStore.open(options.store, options.store_seconds)
        stack.push_async_callback(store.close)
        endpoint = _endpoint(options, backend, store)
        ready(*await endpoint.open())
        await ending.begun.wait()
        await _drain(endpoint, ending, options.goodbye_seconds)
        await endpoint.close()


def say_ready(host: str, port: int) -> None:
    """The line on stdout that others wait for."""
    shown = f"[{host}]" if ":" in host else host
    print(f"{READY}ws://{shown}:{port}/v1", flush=True)  # noqa: T201


async def open_backend(options: ServeOptions) -> Backend:
    """The backend that the options ask for, with its model loaded."""
    if options.ttft_seconds < 0 or options.tokens_per_second < 0:
        raise UsageError("--ttft and --tokens-per-second must not be negative", "leave them out")
    if options.backend == "script":
        script = load_script(options.script) if options.script else Script()
        return ScriptBackend(script, options.ttft_seconds, options.tokens_per_second)
    if options.backend == "upstream":
        return await _open_upstream(options)
    if options.upstream:
        raise UsageError("--upstream belongs to --backend upstream", "add it, or leave it out")
    if options.script:
        raise UsageError("--script belongs to --backend script", "add it, or leave --script out")
    if options.model is None:
        raise UsageError("the llama backend needs a model", "name one, or use --backend script")
    from voice.server.llama import LlamaBackend  # noqa: PLC0415 (loads a 50 MB library)

    return await LlamaBackend.open(
        options.model, options.threads, options.context_tokens, options.heads
    )


async def _open_upstream(options: ServeOptions) -> Backend:
    if not options.upstream:
        raise UsageError(
            "the upstream backend needs a server to ask",
            "name it with --upstream, such as http://127.0.0.1:11434/v1 for Ollama",
        )
    from voice.server.upstream import Upstream, UpstreamBackend  # noqa: PLC0415 (loads httpx)

    key, model = options.upstream_key, options.upstream_model
    return await UpstreamBackend.open(Upstream(options.upstream, model, key, options.warm))


def _endpoint(options: ServeOptions, backend: Backend, store: ResponseStore) -> Endpoint:
    from voice.server.endpoint import Endpoint  # noqa: PLC0415 (who starts a child needs no HTTP)

    return Endpoint(
        backend,
        options.host,
        options.port,
        options.key,
        options.connection_seconds,
        store,
        options.limits,
        options.names,
    )


class _Ending:
    """That the end has begun, and that nobody shall be waited for any more."""

    def __init__(self) -> None:
        self.begun, self.hurried = asyncio.Event(), asyncio.Event()

    def begin(self) -> None:
        """A signal came; the second one is in a hurry."""
        if self.begun.is_set():
            self.hurried.set()
        self.begun.set()

    def hurry(self) -> None:
        """Nobody is there any more."""
        self.hurried.set()
        self.begun.set()


async def _drain(endpoint: Endpoint, ending: _Ending, seconds: float) -> None:
    """Wait until no response is under way, but not too long, and not where haste is asked for."""
    waits = [asyncio.ensure_future(wait) for wait in (endpoint.drain(), ending.hurried.wait())]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def _watch_signals(ending: _Ending) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
            asyncio.get_running_loop().add_signal_handler(number, ending.begin)


def _watch_stdin(loop: asyncio.AbstractEventLoop, ending: _Ending) -> None:
    def watch() -> None:
        with suppress(OSError):
            while os.read(sys.stdin.fileno(), 1024):
                pass
        ended = threading.Timer(GOODBYE_SECONDS, os._exit, (1,))
        ended.daemon = True
        ended.start()
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(ending.hurry)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
