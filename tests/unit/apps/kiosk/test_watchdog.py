"""Which stage owes something for too long."""

from __future__ import annotations

import pytest

from voice.apps.kiosk.watchdog import Watchdog
from voice.trace import TraceEvent


def _fed(*events: tuple[float, str]) -> Watchdog:
    watchdog = Watchdog(10.0)
    for at, event in events:
        watchdog.receive(TraceEvent(at, 1, event))
    return watchdog


@pytest.mark.parametrize(
    ("event", "stage"),
    [("turn.ended", "transcriber"), ("request.sent", "agent"), ("token.first", "synthesizer")],
)
def test_a_stage_with_work_that_does_nothing_has_stalled(event: str, stage: str) -> None:
    watchdog = _fed((1.0, event))
    assert watchdog.stalled(11.0) is None
    assert watchdog.stalled(11.1) == stage


def test_a_turn_that_goes_well_leaves_nobody_owing() -> None:
    events = (
        "speech.started", "speech.ended", "turn.ended", "transcript.final", "request.sent",
        "token.first", "audio.first", "answer.written", "turn.completed",
    )  # fmt: skip
    watchdog = _fed(*((float(at), event) for at, event in enumerate(events)))
    assert watchdog.stalled(1000.0) is None


@pytest.mark.parametrize(
    "over",
    [
        ("request.sent", "eager.discarded"),
        ("request.sent", "tool.started"),
        ("request.sent", "connection.lost"),
        ("turn.ended", "speech.ignored"),
        ("token.first", "answer.failed"),
    ],
)
def test_work_that_is_given_up_or_waits_for_others_is_owed_no_more(over: tuple[str, str]) -> None:
    assert _fed((0.0, over[0]), (1.0, over[1])).stalled(100.0) is None


def test_more_of_the_same_work_does_not_put_off_the_end() -> None:
    assert _fed((0.0, "request.sent"), (9.0, "request.sent")).stalled(10.5) == "agent"


def test_a_microphone_that_goes_on_is_well_and_one_that_stops_has_stalled() -> None:
    watchdog = Watchdog(10.0)
    for at in range(100):
        watchdog.beat("input", float(at))
        assert watchdog.stalled(float(at)) is None
    assert watchdog.stalled(110.0) == "input"


def test_a_speaker_owes_only_while_there_is_something_to_play() -> None:
    watchdog = Watchdog(10.0)
    watchdog.owes("playback", 0.0)
    watchdog.owes("playback", 9.0)
    assert watchdog.stalled(10.5) == "playback"
    watchdog.rest("playback")
    assert watchdog.stalled(100.0) is None


def test_the_stage_that_owes_longest_is_named_and_all_is_forgotten_with_the_conversation() -> None:
    watchdog = _fed((2.0, "request.sent"), (1.0, "turn.ended"))
    assert watchdog.stalled(50.0) == "transcriber"
    watchdog.forget()
    assert watchdog.stalled(500.0) is None
