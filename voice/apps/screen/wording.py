"""The words in which a screen speaks of what goes on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from voice.apps.phase import Phase
from voice.apps.screen.conversation import Conversation, ToolCall

Mood = Literal["quiet", "user", "busy", "agent", "warning", "error"]
"""What a state is about; each has a colour."""

_LONGEST = 60
"""Characters of a tool's arguments and of its output that are shown."""


@dataclass(frozen=True, slots=True)
class Status:
    """What goes on, and what a person can do about it."""

    word: str
    hint: str
    mood: Mood


_STATUSES = {
    Phase.LOADING: Status("getting ready", "", "busy"),
    Phase.READY: Status("ready", "just talk, or type", "quiet"),
    Phase.LISTENING: Status("listening", "", "user"),
    Phase.THINKING: Status("thinking", "esc to stop", "busy"),
    Phase.SPEAKING: Status("speaking", "just talk to interrupt", "agent"),
    Phase.DUCKED: Status("speaking low", "was that you?", "agent"),
    Phase.HELD: Status("holding", "go on, I am listening", "user"),
    Phase.STOPPED: Status("stopped", "ctrl+q to leave", "error"),
}


def status(conversation: Conversation) -> Status:
    """The state in a word, with a hint."""
    phase = conversation.phase
    if phase in (Phase.LOADING, Phase.STOPPED):
        return _STATUSES[phase]
    if conversation.talking:
        return Status("recording", "ctrl+space ends it", "user")
    if conversation.muted and phase in (Phase.READY, Phase.LISTENING):
        return Status("muted", "ctrl+t to be heard", "warning")
    if not conversation.connected:
        return Status("offline", "connecting again", "error")
    if phase is Phase.SPEAKING and (conversation.half_duplex or conversation.muted):
        return Status("speaking", "not listening; esc stops", "agent")
    return _STATUSES[phase]


def call_line(call: ToolCall) -> str:
    """A tool's call in a line: `weather(city: Lisbon) → 24 degrees, sunny`."""
    line = f"{call.name}({_short(_arguments(call.arguments))})"
    return f"{line} → {_short(call.output)}" if call.output else line


def _arguments(written: str) -> str:
    """JSON arguments as a person reads them; what is no JSON object as it stands."""
    try:
        values: Any = msgspec.json.decode(written)
    except msgspec.DecodeError:
        return written
    if not isinstance(values, dict):
        return written
    return ", ".join(f"{name}: {value}" for name, value in values.items())


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"


def part_done(done: int, total: int, seconds: float | None = None) -> str:
    """How far a part has been loaded, and how long it took."""
    if done >= total:
        return "ready" if seconds is None else f"{seconds:.1f} s"
    return f"{100 * done // total} %" if done else "…"
