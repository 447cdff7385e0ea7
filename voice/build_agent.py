"""The agent's side of a conversation: whom it asks, what it may call, what is kept of it."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice.build_tools import ended, open_tools
from voice.clock import Clock, VirtualClock
from voice.config import Options
from voice.errors import UsageError
from voice.keeper import Keeper
from voice.listen.transcriber import Transcriber
from voice.loading import Loading
from voice.responses.agent import Agent, Connect, Tools
from voice.responses.connection import Endpoint, Transport, endpoint
from voice.responses.events import InputItem
from voice.responses.journal import Journal, JournalWriter
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.responses.presets import PRESETS, resolve_agent
from voice.responses.requests import Features
from voice.responses.signals import ToolsCancelled
from voice.responses.transports import TransportKind, open_transport
from voice.speak.settings import VoiceSettings
from voice.speak.synthesizer import Synthesizer
from voice.tools.function import FunctionTool
from voice.tools.kept_timers import KeptTimers
from voice.tools.runner import Toolbox
from voice.tools.timers import Timers
from voice.trace import Trace

if TYPE_CHECKING:
    from voice.server.serve import ServeOptions

_SPARE_MINUTES = 5.0
"""Before a server ends a connection: it is replaced after a turn, perhaps not at the first try."""


@dataclass(frozen=True, slots=True)
class Server:
    """Whom to ask, and what it is known to understand."""

    connect: Connect
    model: str
    features: Features
    options: AgentOptions
    """As they suit this server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Parts that somebody brings along instead of those that the options name."""

    transcriber: Transcriber | None = None
    synthesizer: Synthesizer | None = None
    """At the rate of the output, or at any."""

    tools: Sequence[FunctionTool] = ()
    """Besides those of the options."""

    server: Server | None = None
    tap: Callable[[Server], Server] | None = None
    """What stands before the server, and sees all that is asked and answered."""

    calls: Callable[[Toolbox], Tools] | None = None
    """Who runs the tools instead of their box."""


@dataclass(frozen=True, slots=True)
class AgentSide:
    """The agent, and what acts by itself or outlives the conversation."""

    agent: Agent
    timers: Timers
    keeper: Keeper


async def open_agent(
    options: Options,
    clock: Clock,
    trace: Trace,
    voice: VoiceSettings,
    server: Server,
    journal: Kept | None,
    brought: Brought,
    stack: AsyncExitStack,
) -> AgentSide:
    """The agent's side, which runs until the stack ends. Raises `VoiceError`s."""
    timers = Timers(clock.now, datetime.now)
    kept_timers = await _open_timers(options, clock, timers, stack)

    def note(event: str, fields: dict[str, Any]) -> None:
        trace.mark(event, clock.now(), **fields)

    toolbox = await open_tools(
        options.tools,
        timers,
        voice,
        running=lambda: {one.call.name: one.progress for one in agent.background},
        cancel=lambda name: agent.tell(ToolsCancelled(name)),
        note=note,
        stack=stack,
        brought=brought.tools,
    )
    machine = AgentMachine(
        server.model,
        server.options,
        server.features,
        toolbox,
        random.random,
        journal.items if journal else (),
        options.listen.language,
    )
    calls: Tools = brought.calls(toolbox) if brought.calls else toolbox
    agent = Agent(machine, server.connect, calls, clock)
    await stack.enter_async_context(agent.running())
    writer = journal.writer if journal else None
    return AgentSide(agent, timers, Keeper(timers, clock, trace, writer, kept_timers))


def choose_server(
    options: Options,
    clock: Clock,
    trace: Trace,
    brought: Brought,
    loading: Loading,
    stack: AsyncExitStack,
) -> Server:
    """The server to ask; the one that was brought along comes first."""
    server = brought.server or _named_server(options, clock, trace, loading, stack)
    return brought.tap(server) if brought.tap else server


def _named_server(
    options: Options, clock: Clock, trace: Trace, loading: Loading, stack: AsyncExitStack
) -> Server:
    """The server that the options name.

    A local one is started at once, ends with the stack, and is waited for by whoever connects:
    nobody has finished a question before it is ready.
    """
    chosen, named = options.agent, options.agent.model != "auto"
    part = "model" if chosen.url == "local" else "server"
    loading.begin(part)
    address: asyncio.Future[Endpoint]
    if chosen.url == "local":
        address, preset = _start_server(options, loading, stack), PRESETS["local"]
        model = chosen.model
        if options.server.backend == "llama":
            context_tokens = options.server.context_tokens * 3 // 4  # the rest is for the answer
            chosen = replace(chosen, context_tokens=min(chosen.context_tokens, context_tokens))
    else:
        url, key, preset = resolve_agent(chosen.url, os.environ)
        found = endpoint(url, key, preset.key_variable)
        if not (named or found.loopback):
            raise UsageError(f"no model is chosen for {url}", "name one with --model")
        address = asyncio.get_running_loop().create_future()
        address.set_result(found)
        model = chosen.model if named else "default"
    minutes = min(chosen.rotate_minutes, preset.connection_minutes - _SPARE_MINUTES)
    kind: TransportKind = chosen.transport

    async def connect() -> Transport:
        nonlocal kind
        there = await asyncio.shield(address)
        transport, fallback = await open_transport(there, kind)
        loading.end(part)
        carries = "websocket" if transport.remembers else "http"
        trace.mark("connection.opened", clock.now(), url=there.url, transport=carries)
        if fallback:
            kind = "http"  # a network that refuses once does so all session
            trace.mark("connection.fallback", clock.now(), reason=fallback)
        return transport

    features = Features(
        ahead=preset.warm_up,
        steering=preset.steering,
        compaction=preset.compaction,
        cancel=preset.cancel,
        chaining=preset.chaining,
    )
    return Server(connect, model, features, replace(chosen, rotate_minutes=minutes))


@dataclass(frozen=True, slots=True)
class Kept:
    """The journal, and what it holds of the conversation that goes on."""

    writer: JournalWriter
    items: list[InputItem]


async def open_journal(
    options: Options, clock: Clock, trace: Trace, stack: AsyncExitStack, *, resume: bool
) -> Kept | None:
    """The journal, if one is to be kept, until the stack ends. Raises `VoiceError`s."""
    if not options.journal.path:
        if resume:
            raise UsageError(
                "there is no journal to go on with", "set [journal] path, or leave --resume out"
            )
        return None
    kept = await asyncio.to_thread(_read_journal, options, resume)
    stack.push_async_callback(kept.writer.close)
    trace.mark("journal.opened", clock.now(), resumed=resume, items=len(kept.items))
    return kept


def _read_journal(options: Options, resume: bool) -> Kept:
    now = time.time()
    journal = Journal.open(Path(options.journal.path), options.journal.retention_days, now)
    try:
        number = journal.latest() if resume else None
        items = journal.items(number) if number is not None else []
        if number is None:
            number = journal.begin(now, options.agent.model)
    except BaseException:
        journal.close()
        raise
    return Kept(JournalWriter(journal, number), items)


def _start_server(
    options: Options, loading: Loading, stack: AsyncExitStack
) -> asyncio.Future[Endpoint]:
    from voice.server.child import local_server

    fetched = None if loading.fetches else serving(options)

    async def start() -> Endpoint:
        await loading.fetch("model", [_language_model(options)])
        chosen = fetched or serving(options)
        url, key = await stack.enter_async_context(local_server(chosen))
        return endpoint(url, key)

    starting = asyncio.create_task(start())
    stack.push_async_callback(ended, starting)  # whoever connects has seen how it failed
    return starting


def serving(options: Options) -> ServeOptions:
    """What our own server does. Raises `ModelError` and `UsageError`.

    Its model may be named in [agent] too. The key of an upstream server is in the environment,
    which the child inherits; its command line can be read by anybody on the machine.
    """
    from voice.models.cache import default_cache
    from voice.models.resolve import weights
    from voice.server.serve import ServeOptions

    server = options.server
    name = _model_name(options)
    match server.backend:
        case "llama":
            return ServeOptions(
                model=weights(_language_model(options), ".gguf"),
                threads=server.threads or None,
                context_tokens=server.context_tokens,
                heads=default_cache().instructions if server.keep_instructions else None,
            )
        case "upstream":
            if not server.upstream:
                raise UsageError(
                    "[server] backend is upstream, but no server is named to ask",
                    "set `upstream` in [server], such as http://127.0.0.1:11434/v1 for Ollama",
                )
            return ServeOptions(
                backend="upstream",
                upstream=server.upstream,
                upstream_model="" if name == "auto" else name,
                warm=server.warm,
            )
        case "script":
            return ServeOptions(
                backend="script",
                script=Path(server.script) if server.script else None,
                ttft_seconds=server.ttft,
                tokens_per_second=server.tokens_per_second,
            )


def _model_name(options: Options) -> str:
    return options.agent.model if options.agent.model != "auto" else options.server.model


def _language_model(options: Options) -> str:
    """Which one writes on this machine; "": none does."""
    from voice.models.resolve import this_machines_llm

    if options.server.backend != "llama":
        return ""
    name = _model_name(options)
    return this_machines_llm() if name == "auto" else name


async def _open_timers(
    options: Options, clock: Clock, timers: Timers, stack: AsyncExitStack
) -> KeptTimers | None:
    """What was set before goes on, where there is a journal; with recordings nothing is kept."""
    if not options.journal.path or isinstance(clock, VirtualClock):
        return None
    kept = await asyncio.to_thread(KeptTimers.open, Path(options.journal.path))
    stack.push_async_callback(kept.close)
    timers.restore(kept.found)
    return kept
