"""What is out of order, what is said about it, and when to try again. Pure.

Theory. A conversation that cannot be opened, or ends by itself, has met a fault; some are told by
the trace while it goes on. A fault begins once, is said aloud once, and ends when what it broke
works again. A lost connection is looked after by the agent itself (`voice.responses.links`) and
becomes a fault only when that has not helped for some seconds. Then the configured server is
probed from here, because whoever answers instead does not ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from voice.errors import (
    AgentError,
    AudioError,
    JournalError,
    MicrophoneError,
    ModelError,
    RefusedError,
    SpeakerError,
    VoiceError,
)
from voice.trace import TraceEvent

UNREACHABLE_SECONDS: Final = 3.0
"""A connection that is lost for so long is not coming back by itself: most are back within one."""

SAY_AGAIN_SECONDS: Final = 300.0
"""The same fault is not told aloud more often."""

SOUND: Final = frozenset({"microphone", "speaker", "sound-server"})
"""Faults that are over when sound comes from the microphone again."""

SERVER: Final = frozenset({"network", "server"})
"""Faults with which somebody else may answer."""

_PHRASES: Final = {
    "microphone": "I cannot hear at the moment.",
    "network": "I have no network at the moment.",
    "server": "My service does not answer at the moment.",
    "model": "I am out of order at the moment.",
    "disk": "I cannot keep notes at the moment.",
    "memory": "One moment, please.",
    "stalled": "One moment, please.",
}
"""Short, because nothing is tried while they are said. There is none for what has no sound."""

PHRASES: Final = tuple(dict.fromkeys(_PHRASES.values()))
"""All that may be said about faults."""

_FIRST_TRIES: Final = 30
_FIRST_SECONDS: Final = {**dict.fromkeys(SOUND, 0.5), "model": 0.5, "stalled": 0.0}
_LATER_SECONDS: Final = {**dict.fromkeys(SOUND, 1.0), "server": 30.0, "model": 10.0, "stalled": 5.0}
_USUAL_SECONDS: Final = 2.0
_COSTLY: Final = frozenset({"server", "model"})
"""After `_FIRST_TRIES` tries these are tried rarely: a try asks somebody, or reads gigabytes."""


_NAMES: Final[tuple[tuple[type[VoiceError], str], ...]] = (
    (MicrophoneError, "microphone"),
    (SpeakerError, "speaker"),
    (AudioError, "sound-server"),
    (RefusedError, "server"),
    (AgentError, "network"),
    (ModelError, "model"),
    (JournalError, "disk"),
)
"""The first that fits; what else goes wrong has to do with our own server or its tools."""


@dataclass(frozen=True, slots=True)
class Told:
    """Goes into the trace."""

    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """Is said aloud."""

    phrase: str


Action = Told | Said


@dataclass(slots=True)
class _Fault:
    began_at: float
    tries: int = 0


def name_of(error: VoiceError) -> str:
    """Which fault an error is."""
    return next((name for kind, name in _NAMES if isinstance(error, kind)), "server")


class Faults:
    """Those of now. Times are seconds of one clock; times of events are told by it, too."""

    def __init__(self) -> None:
        self._faults: dict[str, _Fault] = {}
        self._said_at: dict[str, float] = {}
        self._lost_at: float | None = None
        self._lost_reason = ""
        self.cut = False
        """Whether the conversation has lost its server for longer than it takes to come back."""

    @property
    def names(self) -> frozenset[str]:
        """Those of now, by name."""
        return frozenset(self._faults)

    @property
    def away(self) -> bool:
        """Whether the configured server cannot be used."""
        return bool(SERVER & self.names)

    @property
    def stalled(self) -> bool:
        """Whether a stage was stuck and does not work yet."""
        return any(name.startswith("stalled:") for name in self._faults)

    def began(self, name: str, error: VoiceError, now: float) -> list[Action]:
        """Something went wrong, perhaps again."""
        if name in self._faults:
            return []
        self._faults[name] = _Fault(now)
        fields = {"fault": name, "problem": error.problem, "cure": error.cure}
        return [Told("fault.began", fields), *self._said(name, now)]

    def ended(self, now: float, *names: str) -> list[Action]:
        """It works again; of what was not out of order nothing is told."""
        over = {name: self._faults.pop(name) for name in names if name in self._faults}
        return [
            Told("fault.ended", {"fault": name, "seconds": round(now - fault.began_at, 3)})
            for name, fault in over.items()
        ]

    def reconnect(self) -> None:
        """A connection is there, or another conversation is opened, which has its own."""
        self._lost_at, self.cut = None, False

    def heard(self, now: float, *, answered: bool) -> list[Action]:
        """A conversation was opened and sound comes; `answered`: by the configured server."""
        remaining = {"disk"} if answered else SERVER | {"disk"}
        return self.ended(now, *(name for name in self._faults if name not in remaining))

    def retry_seconds(self, name: str) -> float:
        """How long to wait before the next try: quick first, so that a short fault is short."""
        kind, fault = name.partition(":")[0], self._faults[name]
        fault.tries += 1
        usual = _FIRST_SECONDS.get(kind, _USUAL_SECONDS)
        if fault.tries == 1 or (kind in _COSTLY and fault.tries <= _FIRST_TRIES):
            return usual
        return _LATER_SECONDS.get(kind, _USUAL_SECONDS)

    def receive(self, event: TraceEvent) -> list[Action]:
        """Something happened in a conversation."""
        match event.event:
            case "connection.lost":
                self._lost_at, self._lost_reason = event.at, event.fields["reason"]
            case "connection.recovered":
                self.reconnect()
            case "journal.failed" | "timers.failed":
                error = JournalError(event.fields["reason"], "free some space on that disk")
                return self.began("disk", error, event.at)
        return []

    def timeout(self, now: float) -> list[Action]:
        """Time has passed."""
        if self.cut or self._lost_at is None or now < self._lost_at + UNREACHABLE_SECONDS:
            return []
        self.cut = True
        cure = "check the network and the server; it is tried again all the time"
        return self.began("network", AgentError(self._lost_reason, cure), now)

    def _said(self, name: str, now: float) -> list[Action]:
        phrase = _PHRASES.get(name.partition(":")[0], "")
        last = self._said_at.get(phrase)
        if not phrase or (last is not None and now < last + SAY_AGAIN_SECONDS):
            return []
        self._said_at[phrase] = now
        return [Said(phrase)]
