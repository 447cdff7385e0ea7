"""The kiosk's log: one JSON object a line, of the trace and of Python's own log."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from voice.trace import TraceEvent, as_json

_WORDS: Final = frozenset(
    {"user_text", "assistant_text", "heard_text", "text", "arguments", "output", "words"}
)
"""Fields that hold what was said, or what became of it."""

_LEVELS: Final = {
    "fault.began": logging.ERROR,
    "agent.degraded": logging.WARNING,
    "config.refused": logging.WARNING,
    "answer.failed": logging.WARNING,
    "connection.lost": logging.WARNING,
    "journal.failed": logging.WARNING,
    "timers.failed": logging.WARNING,
    "server.reported": logging.WARNING,
}

_INFORMING: Final = ("kiosk.", "visit.", "wake.", "fault.", "agent.", "config.", "connection.")
_INFORMING_EVENTS: Final = frozenset(
    {"turn.completed", "bargein", "conversation.begun", "tool.proposed", "tool.confirmed"}
)


def level_of(event: str) -> int:
    """How important an event of the trace is, as a level of `logging`."""
    informs = event.startswith(_INFORMING) or event in _INFORMING_EVENTS
    return _LEVELS.get(event, logging.INFO if informs else logging.DEBUG)


class JsonLog(logging.Handler):
    """A sink of the trace, and a handler of `logging`.

    What was said is left out unless `words` are allowed.
    """

    def __init__(self, stream: TextIO, level: int = logging.INFO, *, words: bool = False) -> None:
        super().__init__(level)
        self._stream = stream
        self._words = words

    def __call__(self, event: TraceEvent) -> None:
        """Write one event of the trace."""
        level = level_of(event.event)
        if level < self.level:
            return
        known = event.fields if self._words else without_words(event.fields)
        turn = {"turn": event.turn} if event.turn else {}
        self._write(level, {"event": event.event, **turn, **known})

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record of Python's log."""
        fields = {"event": "log", "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._write(record.levelno, fields)

    def _write(self, level: int, fields: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": now, "level": logging.getLevelName(level).lower(), **fields}
        self.acquire()  # records come from several threads
        try:
            with contextlib.suppress(OSError):  # a log that nobody takes is no reason to stop
                self._stream.write(as_json(line).decode() + "\n")
                self._stream.flush()
        finally:
            self.release()


def without_words(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that tell nothing of what was said."""
    return {name: value for name, value in fields.items() if name not in _WORDS}
