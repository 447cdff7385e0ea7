"""Named marks on one monotonic clock, and the timings of each turn that follow from them.

One JSON object a line: `{"at": seconds, "turn": n, "event": name, …}`. The names are a contract
with whoever reads the file; they stand in the README.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import msgspec

from voice.errors import UsageError


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """Something happened at `at`, in seconds, in turn `turn` (0: in none)."""

    at: float
    turn: int
    event: str
    fields: dict[str, Any] = field(default_factory=dict)

    def json(self) -> bytes:
        """One line of the trace."""
        return as_json(
            {"at": round(self.at, 6), "turn": self.turn, "event": self.event, **self.fields}
        )


def as_json(told: object) -> bytes:
    """JSON, also of a file's name that no encoding can write."""
    try:
        return msgspec.json.encode(told)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(told)).encode()  # which escapes what is not ASCII


Sink = Callable[[TraceEvent], None]

# Each part of a turn's latency, in seconds: from one mark to another.
_LATENCY = {
    "endpoint": ("speech.ended", "turn.ended"),
    "transcribe": ("turn.ended", "transcript.final"),
    "first_token": ("request.sent", "token.first"),
    "first_audio": ("token.first", "audio.first"),
    "voice_to_voice": ("speech.ended", "audio.first"),
}


class Trace:
    """Passes events to the sinks and remembers the first of each kind in a turn."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks
        self._firsts: dict[int, dict[str, float]] = {}

    def mark(self, event: str, at: float, turn: int = 0, **fields: Any) -> None:
        """Something happened."""
        if turn:
            self._firsts.setdefault(turn, {}).setdefault(event, at)
        traced = TraceEvent(at, turn, event, fields)
        for sink in self._sinks:
            sink(traced)

    def marked(self, event: str, turn: int) -> bool:
        """Whether that happened in that turn."""
        return event in self._firsts.get(turn, {})

    def forget(self, turn: int, *events: str) -> None:
        """What happened first in that turn did not count: the next of its kind is the first."""
        for event in events:
            self._firsts.get(turn, {}).pop(event, None)

    def complete(self, turn: int, at: float, **fields: Any) -> None:
        """The turn is over: add its latencies and forget it."""
        latency = latencies(self._firsts.get(turn, {}))
        self.mark("turn.completed", at, turn, **fields, latency=latency)
        for old in [number for number in self._firsts if number <= turn]:
            del self._firsts[old]


def latencies(marks: dict[str, float]) -> dict[str, float | None]:
    """A turn's latencies in seconds from its marks; None where a mark is missing.

    What an answer that was begun early did before the words were final cost the user nothing. Words
    that fill a tool's time are heard before the first token, and then nobody waits for it.
    """
    if (final := marks.get("transcript.final")) is not None:
        early = ("request.sent", "token.first")
        marks = marks | {name: max(marks[name], final) for name in early if name in marks}
    if "token.first" in marks and "audio.first" in marks:
        marks = marks | {"token.first": min(marks["token.first"], marks["audio.first"])}
    return {
        name: round(marks[end] - marks[start], 6) if start in marks and end in marks else None
        for name, (start, end) in _LATENCY.items()
    }


class TraceFile:
    """A sink that writes a line as soon as it is known."""

    def __init__(self, path: Path) -> None:
        try:
            self._file: TextIO = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UsageError(
                f"the trace cannot be written to {path}: {error.strerror}",
                "give --trace a file in a folder that exists and is yours",
            ) from error

    def __call__(self, event: TraceEvent) -> None:
        """Write one event."""
        self._file.write(event.json().decode() + "\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
