"""Visits, in simulated time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.apps.kiosk.visits import BUSY_SECONDS, Began, Ended, Listened, Silenced, Visits
from voice.trace import TraceEvent


def _visits(*, always: bool = False) -> Visits:
    visits = Visits(always=always, follow_up_seconds=8.0, forget_seconds=45.0)
    visits.receive(TraceEvent(0.0, 0, "listening"))
    return visits


def _happens(visits: Visits, at: float, *events: str, **fields: Any) -> list[object]:
    found: list[object] = []
    for event in events:
        found += visits.receive(TraceEvent(at, 1, event, fields))
    return found


def test_without_activation_speech_begins_a_visit_and_silence_ends_it() -> None:
    visits = _visits(always=True)
    assert _happens(visits, 1.0, "speech.started") == [Began("speech")]
    _happens(visits, 3.0, "turn.ended", "audio.first", "turn.completed")
    assert visits.deadline() == 48.0
    assert visits.timeout(47.9) == []
    assert visits.timeout(48.0) == [Ended("silence")]
    assert visits.deadline() is None
    assert visits.heard


def test_asleep_nobody_is_heard_until_the_wake_word() -> None:
    visits = _visits()
    assert not visits.heard
    assert _happens(visits, 1.0, "speech.started", "turn.discarded") == []
    assert visits.call("wake-word", 2.0) == [Began("wake-word"), Listened(True)]


def test_a_follow_up_needs_no_wake_word_and_after_it_the_visit_goes_on() -> None:
    visits = _visits()
    visits.call("wake-word", 0.0)
    _happens(visits, 1.0, "speech.started", "turn.ended", "audio.first")
    _happens(visits, 20.0, "turn.completed")
    assert visits.timeout(27.9) == []
    assert visits.timeout(28.0) == [Listened(False)]
    assert visits.deadline() == 65.0
    assert visits.call("button", 30.0) == [Listened(True)], "the same visit"
    assert visits.timeout(38.0) == [Listened(False)]
    assert visits.timeout(75.0) == [Ended("silence")]


def test_the_wake_word_stops_the_agent() -> None:
    visits = _visits()
    visits.call("wake-word", 0.0)
    _happens(visits, 1.0, "speech.started", "turn.ended", "audio.first")
    assert visits.call("wake-word", 2.0) == [Silenced()]


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_goodbye_ends_it_once_its_answer_was_said(interrupted: bool) -> None:
    visits = _visits()
    visits.call("wake-word", 0.0)
    _happens(visits, 1.0, "speech.started", "turn.ended", "audio.first")
    ended = _happens(visits, 2.0, "turn.completed", user_text="Goodbye.", interrupted=interrupted)
    assert ended == ([] if interrupted else [Listened(False), Ended("goodbye")])


def test_one_that_hangs_is_over_in_the_end() -> None:
    visits = _visits(always=True)
    _happens(visits, 1.0, "speech.started", "turn.ended")
    assert visits.timeout(1.0 + BUSY_SECONDS) == [Ended("silence")]


_EVENTS = st.sampled_from(
    ["listening", "speech.started", "turn.ended", "turn.discarded", "audio.first", "bargein",
     "turn.completed", "playback.ended", "call", "timeout", "fault"]
)  # fmt: skip


@given(
    st.booleans(),
    st.lists(st.tuples(st.floats(0.0, 60.0), st.integers(1, 3), _EVENTS)),
)
def test_whatever_happens_a_visit_ends_and_begins_and_ends_in_turn(
    always: bool, story: list[tuple[float, int, str]]
) -> None:
    visits, now, open_visits, heard = _visits(always=always), 0.0, 0, always
    for seconds, turn, event in story:
        now += seconds
        if event == "call":
            actions = visits.call("button", now)
        elif event == "timeout":
            actions = visits.timeout(now)
        elif event == "fault":
            actions = visits.end("fault")
        else:
            actions = visits.receive(TraceEvent(now, turn, event))
        for action in actions:
            open_visits += isinstance(action, Began) - isinstance(action, Ended)
            heard = action.on if isinstance(action, Listened) else heard
        assert open_visits == int(visits.visited)
        assert (visits.deadline() is not None) == visits.visited
        assert heard == visits.heard
        assert visits.visited or heard == always, "asleep means deaf"
