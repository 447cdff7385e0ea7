"""What is done to the conversation when visitors come and go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from voice.apps.kiosk.activation import Activation
from voice.config import KioskOptions
from voice.errors import UsageError
from voice.trace import TraceEvent


class Hall:
    """An activation, what was done to its conversation, and what was noted."""

    def __init__(self, **options: Any) -> None:
        self.now = 0.0
        self.done: list[tuple[Any, ...]] = []
        clock: Any = SimpleNamespace(now=lambda: self.now)
        chosen = KioskOptions(follow_up_seconds=8.0, forget_seconds=30.0, **options)
        self.activation = Activation(chosen, self._note, clock)
        session: Any = SimpleNamespace(
            tap=None,
            mute=lambda on: self.done.append(("mute", on)),
            hear_from=lambda sample: self.done.append(("hear from", sample)),
            interrupt=lambda: self.done.append(("interrupt",)),
            clear_timers=lambda: self.done.append(("clear timers",)),
            begin_anew=lambda: self.done.append(("begin anew",)),
        )
        self.activation.attach(session)
        assert self.done.pop(0) == ("clear timers",)
        self.happens("listening")

    def _note(self, event: str, fields: dict[str, Any]) -> None:
        self.done.append((event, *fields.values()))
        self.activation(TraceEvent(self.now, 0, event, fields))  # the kiosk's trace tells it

    def happens(self, *events: str) -> None:
        for event in events:
            self.activation(TraceEvent(self.now, 1, event))

    def passes(self, seconds: float) -> list[tuple[Any, ...]]:
        self.done.clear()
        self.now += seconds
        self.activation.look()
        return self.done


def test_whoever_just_speaks_is_never_muted_and_forgotten_after_silence() -> None:
    hall = Hall()
    hall.happens("speech.started", "turn.ended", "audio.first", "turn.completed")
    assert hall.done == [("visit.began", "speech")]
    assert hall.passes(29.9) == []
    assert hall.passes(0.2) == [("clear timers",), ("begin anew",), ("visit.ended", "silence")]


def test_a_wake_word_opens_the_ear_and_the_end_of_the_visit_closes_it() -> None:
    hall = Hall(activation="wake-word")
    assert hall.done == [("mute", True)]
    hall.done.clear()
    hall.activation._wake("okay_nabu", 0.97, 32_000)
    assert hall.done == [
        ("wake.heard", "okay_nabu", 0.97), ("visit.began", "wake-word"), ("hear from", 30_400)
    ]  # fmt: skip
    assert hall.passes(8.1) == [("mute", True)]
    assert hall.passes(22.0) == [("clear timers",), ("begin anew",), ("visit.ended", "silence")]


def test_sound_in_which_no_wake_word_was_listened_for_is_told_once() -> None:
    hall = Hall(activation="wake-word")
    listener: Any = SimpleNamespace(lost=0)
    hall.activation._listener = listener
    assert hall.passes(1.0) == []
    listener.lost = 25
    assert hall.passes(0.1) == [("wake.lost", 0.5)]
    assert hall.passes(0.1) == []


def test_a_press_interrupts_the_agent() -> None:
    hall = Hall(activation="button", button="stdin")
    hall.activation._press()
    hall.happens("speech.started", "turn.ended", "audio.first")
    hall.done.clear()
    hall.activation._press()
    assert hall.done == [("interrupt",)]


def test_a_conversation_that_fails_ends_the_visit_and_asks_nothing_of_it() -> None:
    hall = Hall()
    hall.happens("speech.started")
    hall.done.clear()
    hall.activation.detach()
    assert hall.done == [("visit.ended", "fault")]
    hall.activation._press()
    assert len(hall.done) == 1, "nobody comes while there is no conversation"


def test_a_button_that_is_nowhere_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a button"):
        Hall(activation="button")
