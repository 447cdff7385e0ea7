"""What counts as a fault, what is said of it, and when it is over."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from voice.apps.kiosk.faults import (
    PHRASES,
    SAY_AGAIN_SECONDS,
    UNREACHABLE_SECONDS,
    Action,
    Faults,
    Said,
    Told,
    name_of,
)
from voice.errors import (
    AgentError,
    AudioError,
    JournalError,
    MicrophoneError,
    ModelError,
    RefusedError,
    ServerError,
    SpeakerError,
    VoiceError,
)
from voice.trace import TraceEvent

GONE = MicrophoneError("the microphone is gone", "connect it")


def _told(actions: Iterable[Action]) -> list[tuple[str, str]]:
    return [(a.event, a.fields["fault"]) for a in actions if isinstance(a, Told)]


def _said(actions: Iterable[Action]) -> list[str]:
    return [action.phrase for action in actions if isinstance(action, Said)]


def _lost(at: float) -> TraceEvent:
    return TraceEvent(at, 0, "connection.lost", {"reason": "the connection was lost"})


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (MicrophoneError("x"), "microphone"),
        (SpeakerError("x"), "speaker"),
        (AudioError("x"), "sound-server"),
        (RefusedError("x"), "server"),
        (AgentError("x"), "network"),
        (ServerError("x"), "server"),
        (ModelError("x"), "model"),
        (JournalError("x"), "disk"),
        (VoiceError("x"), "server"),
    ],
)
def test_each_error_is_a_fault_with_a_name(error: VoiceError, name: str) -> None:
    assert name_of(error) == name


def test_a_fault_begins_once_with_its_problem_and_cure() -> None:
    faults = Faults()
    (told, said) = faults.began("microphone", GONE, 1.0)
    assert isinstance(told, Told)
    assert told.fields == {
        "fault": "microphone", "problem": "the microphone is gone", "cure": "connect it",
    }  # fmt: skip
    assert isinstance(said, Said)
    assert said.phrase in PHRASES
    assert faults.began("microphone", GONE, 2.0) == []


def test_a_fault_ends_once_and_tells_how_long_it_was() -> None:
    faults = Faults()
    faults.began("microphone", GONE, 1.0)
    assert faults.heard(4.5, answered=True) == [
        Told("fault.ended", {"fault": "microphone", "seconds": 3.5})
    ]
    assert faults.heard(5.0, answered=True) == []
    assert faults.names == frozenset()


def test_the_same_is_not_said_again_within_minutes() -> None:
    faults = Faults()
    said = []
    for at in (0.0, 10.0, SAY_AGAIN_SECONDS - 1, SAY_AGAIN_SECONDS):
        said.append(bool(_said(faults.began("microphone", GONE, at))))
        faults.heard(at, answered=True)
    assert said == [True, False, False, True]


def test_without_a_speaker_nothing_is_to_be_said() -> None:
    faults = Faults()
    assert not _said(faults.began("speaker", SpeakerError("x"), 0.0))
    assert not _said(faults.began("sound-server", AudioError("x"), 0.0))


def test_devices_are_tried_again_within_a_second_and_servers_within_two_for_a_minute() -> None:
    faults = Faults()
    faults.began("microphone", GONE, 0.0)
    assert max(faults.retry_seconds("microphone") for _ in range(1000)) <= 1.0
    faults.began("network", AgentError("x"), 0.0)
    assert max(faults.retry_seconds("network") for _ in range(1000)) <= 2.0
    faults.began("server", RefusedError("x"), 0.0)
    waits = [faults.retry_seconds("server") for _ in range(40)]
    assert waits[0] <= 2.0
    assert sum(waits[:30]) == pytest.approx(60.0)
    assert waits[-1] >= 30.0, "a server that refuses is not asked all the time"


def test_a_model_is_tried_at_once_and_later_rarely() -> None:
    faults = Faults()
    faults.began("model", ModelError("x"), 0.0)
    waits = [faults.retry_seconds("model") for _ in range(31)]
    assert max(waits[:30]) <= 0.5
    assert waits[30] >= 10.0


def test_a_stalled_stage_is_begun_anew_at_once_and_then_less_often() -> None:
    faults = Faults()
    faults.began("stalled:agent", VoiceError("x"), 0.0)
    assert faults.stalled
    assert faults.retry_seconds("stalled:agent") == 0.0
    assert faults.retry_seconds("stalled:agent") > 1.0


def test_a_lost_connection_that_comes_back_is_no_fault() -> None:
    faults = Faults()
    faults.receive(_lost(1.0))
    assert faults.timeout(1.0 + UNREACHABLE_SECONDS - 0.1) == []
    faults.receive(TraceEvent(2.0, 0, "connection.recovered", {"seconds": 1.0}))
    assert faults.timeout(60.0) == []
    assert not faults.away


def test_a_connection_that_stays_lost_is_a_fault_until_the_server_is_there_again() -> None:
    faults = Faults()
    faults.receive(_lost(1.0))
    assert _told(faults.timeout(1.0 + UNREACHABLE_SECONDS)) == [("fault.began", "network")]
    assert faults.away
    assert faults.cut
    assert _told(faults.ended(20.0, "network", "server")) == [("fault.ended", "network")]
    assert faults.timeout(21.0) == [], "the conversation has not noticed yet"
    faults.reconnect()
    assert not faults.cut


def test_a_conversation_with_somebody_else_does_not_end_the_servers_fault() -> None:
    faults = Faults()
    faults.began("network", AgentError("x"), 0.0)
    faults.began("microphone", GONE, 0.0)
    assert _told(faults.heard(1.0, answered=False)) == [("fault.ended", "microphone")]
    assert _told(faults.heard(2.0, answered=True)) == [("fault.ended", "network")]


def test_what_cannot_be_kept_is_a_fault_that_a_conversation_does_not_end() -> None:
    faults = Faults()
    failed = TraceEvent(3.0, 1, "journal.failed", {"reason": "the disk is full"})
    assert _told(faults.receive(failed)) == [("fault.began", "disk")]
    assert faults.receive(failed) == []
    assert faults.heard(4.0, answered=True) == []
    assert _told(faults.ended(5.0, "disk")) == [("fault.ended", "disk")]
