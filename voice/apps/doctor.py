"""`voice doctor` and `voice devices`: what could keep a conversation from working."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from voice.audio.catalogue import NAMES, Kind, choose, list_devices
from voice.audio.devices import probe
from voice.build_tools import own_tools
from voice.config import AudioOptions, Options, user_path
from voice.errors import JournalError, ToolError, UsageError, VoiceError
from voice.models.resolve import resolve, this_machines_llm
from voice.responses.connection import Endpoint, endpoint
from voice.responses.http import HttpTransport
from voice.responses.journal import Journal
from voice.responses.options import AgentOptions
from voice.responses.presets import resolve_agent
from voice.responses.transports import open_transport
from voice.server.upstream import Upstream, served_models
from voice.tools.mcp_options import McpServerOptions
from voice.tools.options import ToolOptions
from voice.tools.system_volume import find_mixer

_SILENT_DBFS = -90.0
"""A microphone that is quieter than the last bit of its converter is muted or not connected."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; a `cure` where it failed or could be better."""

    subject: str
    good: bool
    result: str
    cure: str = ""


async def examine(options: Options) -> bool:
    """Run every check and print its result as soon as it is known; true if nothing failed."""
    console = Console(highlight=False, soft_wrap=True)
    good = True
    async for finding in _findings(options):
        mark = Text("ok  ", "green") if finding.good else Text("BAD ", "bold red")
        console.print(mark, Text(f"{finding.subject:<12}"), Text(finding.result), sep=" ")
        if finding.cure:
            console.print(Text(f"{'':18}→ {finding.cure}", "yellow"))
        good = good and finding.good
    return good


async def _findings(options: Options) -> AsyncIterator[Finding]:
    yield _python()
    yield _machine()
    there = "" if user_path().exists() else ", not there yet"
    yield Finding("settings", True, f"{user_path()}{there}")
    for kind, chosen in _ends(options.audio):
        yield await asyncio.to_thread(_device, kind, chosen)
    names = [("listening", options.listen.model), ("voice", options.speak.voice)]
    if options.turns.judge:
        names.append(("turns", options.turns.judge))
    answering = options.agent.model if options.agent.model != "auto" else options.server.model
    if options.agent.url == "local" and options.server.backend == "llama":
        names.append(("answering", answering))
    for subject, name in names:
        yield await asyncio.to_thread(_model, subject, name)
    yield await _server(options.agent)
    if options.agent.url == "local" and options.server.backend == "upstream":
        yield await _upstream(options.server.upstream, answering)
    if options.journal.path:
        yield await asyncio.to_thread(_journal, options.journal.path)
    if options.tools.folder or options.tools.plugins or options.tools.system_volume:
        yield await asyncio.to_thread(_tools, options.tools)
    for name, server in options.tools.mcp.items():
        yield await _mcp_server(name, server)


def _checked(subject: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, check())
    except VoiceError as error:
        return Finding(subject, False, error.problem, error.cure)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "")


def _machine() -> Finding:
    cores = os.cpu_count() or 1
    cure = "" if cores > 1 else "answers will be slow: use --agent URL with a server elsewhere"
    return Finding("machine", True, f"{cores} cores", cure)


def _ends(audio: AudioOptions) -> list[tuple[Kind, str]]:
    """The two directions of sound and the device chosen for each ("": the default)."""
    return [("input", audio.input), ("output", audio.output)]


def _device(kind: Kind, chosen: str) -> Finding:
    try:
        found = probe(kind, chosen or None)
    except VoiceError as error:
        return Finding(NAMES[kind], False, error.problem, error.cure)
    result = f"{found.name}, latency {1000 * found.latency_seconds:.0f} ms"
    if kind == "output":
        return Finding(NAMES[kind], True, result)
    result += f", level {found.level_dbfs:.0f} dBFS"
    silent = found.level_dbfs <= _SILENT_DBFS
    return Finding(NAMES[kind], True, result, "unmute it, or speak up" if silent else "")


def _model(subject: str, name: str) -> Finding:
    def check() -> str:
        wanted = this_machines_llm() if name == "auto" else name
        return f"{wanted} in {resolve(wanted)}"

    return _checked(subject, check)


async def _server(chosen: AgentOptions) -> Finding:
    if chosen.url == "local":
        return Finding("server", True, "started by `voice run` itself")
    try:
        found = _endpoint(chosen)
        transport, fallback = await open_transport(found, chosen.transport)
        try:
            if not isinstance(transport, HttpTransport):
                return Finding("server", True, f"{found.url} lets us in")
            there = bool(fallback) or await transport.answers()
        finally:
            await transport.close()
    except VoiceError as error:
        return Finding("server", False, error.problem, error.cure)
    if not there:
        cure = "check the address given with --agent, the network and the server"
        return Finding("server", False, f"nothing answers over HTTP at {found.url}", cure)
    cure = f"answers come sooner over a WebSocket, but {fallback}" if fallback else ""
    return Finding("server", True, f"{found.url} answers over HTTP", cure)


async def _upstream(url: str, model: str) -> Finding:
    """The server that ours would ask, and whether it has the model."""
    if not url:
        cure = "set `upstream` in [server], such as http://127.0.0.1:11434/v1 for Ollama"
        return Finding("answering", False, "no upstream server is named", cure)
    try:
        names = await served_models(Upstream(url))
    except VoiceError as error:
        return Finding("answering", False, error.problem, error.cure)
    if not names:
        return Finding("answering", False, f"{url} lists no models", "let it load one")
    if model == "auto":
        return Finding("answering", True, f"{names[0]} at {url}")
    # Ollama takes `llama3` for the `llama3:latest` that it lists.
    known = any(name == model or name.startswith(f"{model}:") for name in names)
    cure = "" if known else f"it may refuse; it lists {', '.join(names[:5])}"
    return Finding("answering", True, f"{model} at {url}", cure)


def _endpoint(chosen: AgentOptions) -> Endpoint:
    """Where `voice run` would connect to. Raises `UsageError`."""
    url, key, preset = resolve_agent(chosen.url, os.environ)
    found = endpoint(url, key, preset.key_variable)
    if chosen.model == "auto" and not found.loopback:
        raise UsageError(f"no model is chosen for {url}", "name one: `model` in [agent]")
    return found


def _journal(chosen: str) -> Finding:
    path = Path(chosen).expanduser()

    def check() -> str:
        if not path.exists():
            _try_to_begin(path)
            return f"{path} can be begun"
        journal = Journal.open(path, retention_days=0, now=0)
        try:
            journal.forget_before(-math.inf)  # nothing, but only who may write may do it
            count = len(journal.conversations())
        finally:
            journal.close()
        return f"{path} holds {count} conversation{'' if count == 1 else 's'}"

    return _checked("journal", check)


def _tools(chosen: ToolOptions) -> Finding:
    """The user's own tools, whose code is imported."""

    def check() -> str:
        if chosen.system_volume and find_mixer() is None:
            raise ToolError("nothing here sets the volume", "install wpctl, pactl or amixer")
        return ", ".join(tool.name for tool in own_tools(chosen)) or "none"

    return _checked("tools", check)


async def _mcp_server(name: str, chosen: McpServerOptions) -> Finding:
    from voice.tools.mcp_server import check

    if not chosen.enabled:
        return Finding(f"mcp {name}", True, "not enabled")
    try:
        return Finding(f"mcp {name}", True, await check(name, chosen))
    except VoiceError as error:
        return Finding(f"mcp {name}", False, error.problem, error.cure)


def _try_to_begin(path: Path) -> None:
    """Begin a journal beside the one to be, and take it away again. Raises `JournalError`."""
    try:
        with tempfile.TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as folder:
            Journal.open(Path(folder) / path.name, retention_days=0, now=0).close()
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be created: {error.strerror}",
            "set [journal] path to a file in a folder that exists and is yours",
        ) from error


def print_devices(audio: AudioOptions) -> None:
    """Print the sound devices. Raises `AudioError` where there is no sound system."""
    found = list_devices()
    used = set()
    for kind, chosen in _ends(audio):
        try:
            used.add((NAMES[kind], choose(chosen or None, kind).number))
        except VoiceError as error:
            print(f"voice: {error}", file=sys.stderr)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "number", "name", "in", "out", "rate", "system"):
        table.add_column(title, justify="right" if title in ("number", "in", "out") else "left")
    for device in found:
        roles = [kind for kind, number in used if number == device.number]
        table.add_row(
            ", ".join(sorted(roles)),
            str(device.number),
            device.name,
            str(device.inputs),
            str(device.outputs),
            f"{device.rate:.0f} Hz",
            device.host_api,
        )
    Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120).print(
        table
    )
