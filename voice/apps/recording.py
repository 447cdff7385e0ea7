"""A conversation as a folder: `voice run --record DIR`, for `voice replay DIR`.

microphone.wav   what was listened to, without the echo; 16 kHz
speaker.wav      what was played, on the same time axis
trace.jsonl      what happened when
replies.jsonl    whom the agent asked, and each message that came and went
options.toml     what was chosen, without keys
"""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import msgspec
from msgspec import Struct

from voice.audio.recorded import RecordedInput, RecordedOutput
from voice.build import Devices
from voice.build_agent import Brought, Server
from voice.clock import Clock
from voice.config import Options
from voice.errors import UsageError
from voice.responses.connection import Transport
from voice.responses.options import AgentOptions
from voice.responses.recording import Message, RecordedTransport
from voice.responses.requests import Features
from voice.trace import TraceEvent, TraceFile

MICROPHONE, SPEAKER = "microphone.wav", "speaker.wav"
TRACE, REPLIES, OPTIONS = "trace.jsonl", "replies.jsonl", "options.toml"

_NOT_KEPT = {("server", "key"), ("server", "upstream"), ("tools", "mcp")}
"""Keys, or what may hold some; and a conversation that is replayed is in no journal."""

_NO_SECTION = {"journal", "kiosk", "screen"}


class Asked(Struct):
    """The first line of the replies: whom the agent asked, and what it knew of that server."""

    model: str
    features: Features
    agent: AgentOptions


class Recording:
    """Keeps a conversation that is held with its `devices`, its `brought` parts and its sink."""

    def __init__(self, folder: Path, options: Options, devices: Devices) -> None:
        """Make the folder. Raises `UsageError` if it holds a recording already, and `AudioError`.

        Close it when the conversation is over.
        """
        _make(folder)
        self._clock: Clock = devices.clock
        self._links = 0
        self._stack = ExitStack()
        (folder / OPTIONS).write_text(as_toml(options), encoding="utf-8")
        self.sink = self._stack.enter_context(closing(TraceFile(folder / TRACE)))
        replies = (folder / REPLIES).open("w", encoding="utf-8", buffering=1)
        self._replies: TextIO = self._stack.enter_context(replies)
        output = RecordedOutput(devices.output, folder / SPEAKER, devices.clock)
        heard = RecordedInput(devices.input, folder / MICROPHONE, output.file)
        self.devices = replace(devices, input=heard, output=output)
        self.brought = Brought(tap=self._tap)

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _tap(self, server: Server) -> Server:
        agent = replace(server.options, url=server.options.url.partition("?")[0])
        self._write(Asked(server.model, server.features, agent))

        async def connect() -> Transport:
            transport = await server.connect()
            self._links += 1
            return RecordedTransport(transport, self._links, self._clock, self._write)

        return replace(server, connect=connect)

    def _write(self, line: Asked | Message) -> None:
        if not self._replies.closed:
            self._replies.write(msgspec.json.encode(line).decode() + "\n")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / TRACE).exists():
            raise UsageError(f"{folder} holds a recording already", "name another folder")
        (folder / OPTIONS).touch()
    except OSError as error:
        raise UsageError(
            f"nothing can be recorded in {folder}: {error.strerror}",
            "give --record a folder that is yours",
        ) from error


def as_toml(options: Options) -> str:
    """The options as a configuration file that holds no secrets."""
    lines: list[str] = []
    for section in fields(options):
        if section.name in _NO_SECTION:
            continue
        lines.append(f"[{section.name}]")
        values = getattr(options, section.name)
        assert is_dataclass(values)
        for key in fields(values):
            value = getattr(values, key.name)
            if (section.name, key.name) not in _NOT_KEPT:
                if key.name == "url":
                    value = value.partition("?")[0]
                lines.append(f"{key.name} = {_toml(value)}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    """A value of the options in TOML; a basic string of JSON is one of TOML, but for DEL."""
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_trace(path: Path) -> list[TraceEvent]:
    """The events of a trace's file. Raises `UsageError`."""
    try:
        lines = path.read_bytes().splitlines()
        raw = [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]
        return [TraceEvent(one.pop("at"), one.pop("turn"), one.pop("event"), one) for one in raw]
    except (OSError, msgspec.DecodeError, KeyError) as error:
        raise _no_recording(path, error) from error


def read_replies(path: Path) -> tuple[Asked, list[Message]]:
    """Whom the agent asked, and the messages. Raises `UsageError`."""
    try:
        first, *others = path.read_bytes().splitlines()
        messages = [msgspec.json.decode(line, type=Message) for line in others]
        return msgspec.json.decode(first, type=Asked), messages
    except (OSError, ValueError) as error:
        raise _no_recording(path, error) from error


def _no_recording(path: Path, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or f"it is damaged ({error})"
    return UsageError(
        f"{path.parent} is no recording that can be replayed: {path.name}: {reason}",
        "name a folder that `voice run --record` made",
    )
