"""Visits that begin with speech and end with silence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from voice.apps.kiosk.always import Always
from voice.config import KioskOptions
from voice.errors import UsageError
from voice.trace import TraceEvent


class Hall:
    """Visitors, and what was noted of them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.noted: list[tuple[str, str]] = []
        self.forgotten = 0
        clock: Any = SimpleNamespace(now=lambda: self.now)
        self.visitors = Always(KioskOptions(forget_seconds=30.0), self._note, clock)
        session: Any = SimpleNamespace(begin_anew=self._forget)
        self.visitors.attach(session)

    def _note(self, event: str, fields: dict[str, Any]) -> None:
        self.noted.append((event, *fields.values()))

    def _forget(self) -> None:
        self.forgotten += 1

    def happens(self, *events: str) -> None:
        for event in events:
            self.visitors(TraceEvent(self.now, 1, event))

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.visitors.look()


def test_a_visit_begins_with_speech_and_is_forgotten_after_silence() -> None:
    hall = Hall()
    hall.happens("speech.started", "turn.ended", "request.sent", "audio.first", "turn.completed")
    hall.passes(29.9)
    assert hall.noted == [("visit.began", "speech")]
    assert hall.forgotten == 0
    hall.passes(0.1)
    assert hall.noted[1:] == [("visit.ended", "silence")]
    assert hall.forgotten == 1
    hall.passes(100.0)
    assert hall.forgotten == 1


@pytest.mark.parametrize("going_on", ["speech.started", "request.sent", "audio.first"])
def test_nobody_is_forgotten_while_something_goes_on(going_on: str) -> None:
    hall = Hall()
    hall.happens("speech.started", "turn.completed", going_on)
    hall.passes(1000.0)
    assert hall.forgotten == 0


def test_a_conversation_that_breaks_off_ends_the_visit() -> None:
    hall = Hall()
    hall.happens("speech.started")
    hall.visitors.detach()
    assert hall.noted[-1] == ("visit.ended", "fault")
    hall.visitors.detach()
    assert len(hall.noted) == 2


def test_what_it_cannot_do_is_told() -> None:
    clock: Any = None
    with pytest.raises(UsageError, match="wake-word"):
        Always(KioskOptions(activation="wake-word"), lambda *_: None, clock)
