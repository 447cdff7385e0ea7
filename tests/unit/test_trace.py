"""Marks to timings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voice.errors import UsageError
from voice.trace import Trace, TraceEvent, TraceFile, latencies


def _marked() -> tuple[Trace, list[TraceEvent]]:
    events: list[TraceEvent] = []
    return Trace(events.append), events


def test_a_completed_turn_carries_its_latencies() -> None:
    trace, events = _marked()
    for event, at in [
        ("speech.started", 0.5), ("speech.ended", 1.0), ("turn.ended", 1.6),
        ("transcript.final", 1.7), ("request.sent", 1.7), ("token.first", 1.9),
        ("audio.first", 2.1),
    ]:  # fmt: skip
        trace.mark(event, at, 1)
    trace.complete(1, 4.0, user_text="hello", interrupted=False)
    completed = events[-1]
    assert completed.event == "turn.completed"
    assert completed.fields["user_text"] == "hello"
    assert completed.fields["latency"] == {
        "endpoint": 0.6,
        "transcribe": 0.1,
        "first_token": 0.2,
        "first_audio": 0.2,
        "voice_to_voice": 1.1,
    }


def test_only_the_first_mark_of_a_kind_counts_and_turns_are_apart() -> None:
    trace, events = _marked()
    trace.mark("request.sent", 1.0, 1)
    trace.mark("token.first", 1.5, 1)
    trace.mark("token.first", 9.0, 1)
    trace.mark("speech.started", 2.0, 2)
    trace.complete(1, 10.0)
    assert events[-1].fields["latency"]["first_token"] == 0.5
    assert events[-1].fields["latency"]["voice_to_voice"] is None
    assert trace.marked("speech.started", 2)
    assert not trace.marked("token.first", 1)


def test_a_trace_file_has_one_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    file = TraceFile(path)
    trace = Trace(file)
    trace.mark("listening", 1.25)
    trace.mark("transcript.final", 2.0, 3, text="two\nlines “quoted”")
    file.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {"at": 1.25, "turn": 0, "event": "listening"},
        {"at": 2.0, "turn": 3, "event": "transcript.final", "text": "two\nlines “quoted”"},
    ]


def test_a_name_that_is_not_utf8_is_escaped() -> None:
    event = TraceEvent(1.0, 0, "fault.began", {"problem": "caf\udce9.db", "retry": True})
    assert json.loads(event.json())["problem"] == "caf\udce9.db"


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no/such"):
        TraceFile(tmp_path / "no/such/t.jsonl")


def test_what_is_forgotten_did_not_count_and_the_next_of_its_kind_is_the_first() -> None:
    trace, events = _marked()
    for at in (1.0, 2.0):
        trace.mark("request.sent", at, 1)
        trace.mark("token.first", at + 0.5, 1)
        trace.forget(1, "request.sent", "token.first")
        assert not trace.marked("token.first", 1)
    trace.mark("request.sent", 3.0, 1)
    trace.mark("token.first", 3.2, 1)
    trace.complete(1, 9.0)
    assert events[-1].fields["latency"]["first_token"] == 0.2
    assert len(events) == 7, "what happened stays told"


def test_what_never_happened_can_be_forgotten() -> None:
    trace, _ = _marked()
    trace.mark("speech.started", 1.0, 1)
    trace.forget(1, "token.first")
    trace.forget(2, "token.first")
    assert trace.marked("speech.started", 1)


@pytest.mark.parametrize(
    ("sent", "first", "first_token", "first_audio"),
    [
        (1.7, 1.9, 0.2, 0.4),  # asked when the words were final
        (1.2, 1.9, 0.2, 0.4),  # begun early: the model's time before that cost nothing
        (1.2, 1.5, 0.0, 0.6),  # its words were there already
    ],
)
def test_an_early_answer_costs_what_is_waited_for_after_the_words_are_final(
    sent: float, first: float, first_token: float, first_audio: float
) -> None:
    latency = latencies(
        {
            "speech.ended": 1.0,
            "turn.ended": 1.6,
            "transcript.final": 1.7,
            "request.sent": sent,
            "token.first": first,
            "audio.first": 2.3,
        }
    )
    assert latency["first_token"] == pytest.approx(first_token)
    assert latency["first_audio"] == pytest.approx(first_audio)
    assert latency["voice_to_voice"] == 1.3
    parts = ("endpoint", "transcribe", "first_token", "first_audio")
    assert sum(latency[part] or 0 for part in parts) == pytest.approx(1.3)


def test_without_final_words_the_marks_stand_as_they_are() -> None:
    assert latencies({"request.sent": 1.0, "token.first": 1.5})["first_token"] == 0.5


def test_words_that_fill_a_tools_time_end_the_wait_for_the_first_token() -> None:
    marks = {"speech.ended": 1.0, "request.sent": 1.5, "token.first": 6.0, "audio.first": 3.0}
    latency = latencies(marks)
    assert (latency["first_token"], latency["first_audio"]) == (1.5, 0.0)
    assert latency["voice_to_voice"] == 2.0
