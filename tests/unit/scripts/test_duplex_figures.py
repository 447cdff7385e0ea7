"""From records of interruptions to figures, complaints and a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks.duplex_figures import failures, figures, report, verdicts
from scripts.benchmarks.duplex_records import compare_words
from scripts.benchmarks.duplex_talk import TraceTail
from scripts.benchmarks.duplex_texts import STORIES, long_reply

Record = dict[str, Any]


def _interruption(stop_ms: int | None, **fields: Any) -> Record:
    missed = stop_ms is None
    record: Record = {"kind": "interruption", "name": "a", "real": True, "missed": missed}
    return record | ({} if missed else {"stop_ms": stop_ms, "duck_ms": 80}) | fields


def _sound(resumed: bool, *, real: bool = True) -> Record:
    return {"kind": "sound", "name": "hm", "real": real, "resumed": resumed, "disturbed": True}


def _echo(gain: float, interrupted: int, minutes: float) -> Record:
    return {
        "kind": "echo",
        "gain": gain,
        "delay_ms": 60,
        "minutes": minutes,
        "interrupted": interrupted,
        "held": 0,
        "ducked": 3,
        "erle_db": 30.0,
        "half_duplex_share": 0.0,
    }


def test_a_missed_interruption_has_no_time_and_counts() -> None:
    found, n = figures([_interruption(200), _interruption(300), _interruption(None)])
    assert (found["stop_ms_p50"], n["stop_ms_p50"]) == (200, 2)
    assert (found["stop_missed"], n["stop_missed"]) == (0.333, 3)


def test_what_is_void_counts_for_nothing_but_is_listed() -> None:
    records = [_interruption(200), _interruption(None, void="the answer ended by itself")]
    found, n = figures(records)
    assert (found["stop_missed"], n["stop_missed"]) == (0, 1)
    assert failures(records) == ["interruption 'a' does not count: the answer ended by itself"]


def test_real_and_synthetic_sounds_are_told_apart() -> None:
    found, n = figures([_sound(True), _sound(True), _sound(False, real=False)])
    assert found["resume_rate"] == pytest.approx(0.667)
    assert (found["resume_rate_real"], n["resume_rate_real"]) == (1, 2)
    assert (found["resume_rate_synthetic"], n["resume_rate_synthetic"]) == (0, 1)


def test_echo_is_counted_by_the_minute_over_all_delays() -> None:
    found, _ = figures([_echo(0.3, 0, 2.0), _echo(0.3, 1, 2.0), _echo(0.6, 0, 1.0)])
    assert found["self_interruptions_per_minute_gain_0.3"] == 0.25
    assert found["self_interruptions_per_minute_gain_0.6"] == 0
    assert found["false_ducks_per_minute_gain_0.3"] == 1.5


def test_a_click_is_measured_by_the_voice_that_made_it() -> None:
    hum: Record = {"kind": "hum", "name": "a", "missed": False, "edge_step": 1000, "own_step": 600}
    records = [hum, _interruption(200, edge_step=4000, own_step=7000)]
    found, n = figures(records)
    assert (found["clicks"], n["clicks"]) == (1, 2)
    assert found["click_ratio_max"] == 1.67


def test_nothing_measured_gives_no_figure() -> None:
    assert figures([]) == ({}, {})


def test_complaints_say_what_was_decided_and_when() -> None:
    records = [
        _interruption(None, why=["ducked onset 50"], stalled=True),
        _sound(False),
        _interruption(200, heard="one two three", understood="one", word_error=2),
        _echo(0.3, 2, 1.0),
        _interruption(200, word_error=1),
    ]
    assert failures(records) == [
        "interruption 'a' did not stop the answer (ducked onset 50), while the machine stalled",
        "sound 'hm' ended or silenced the answer",
        "interruption 'a' is +2 words off: it says 'one two three', one heard 'one'",
        "echo '0.3, 60 ms' interrupted itself 2 times, was held 0 times",
    ]


def test_targets_of_the_script_are_not_those_of_the_local_model() -> None:
    found = {"voice_to_voice_p50": 0.7, "stop_missed": 0}
    assert verdicts(found, local=False) == {
        "stop_missed": "≤ 0.02: met",
        "voice_to_voice_p50": "≤ 0.5: missed",
    }
    assert verdicts(found, local=True) == {"voice_to_voice_p50": "≤ 0.8: met"}


def test_the_report_says_when_the_machine_was_not_steady() -> None:
    found, n = figures([_interruption(200)])
    result = {
        "figures": found,
        "n": n,
        "verdicts": verdicts(found, local=False),
        "failures": ["the part 'echo' broke off"],
        "conditions": {"load_before": 0.1, "steady": False},
    }
    text = report(result)
    assert "stop_ms_p50                                        200    1  ≤ 300: met" in text
    assert "  the part 'echo' broke off" in text
    assert "NOT STEADY" in text


def test_words_are_compared_with_the_whole_answer() -> None:
    record = _interruption(200, answer="A young fisherman lived ", heard="A young", played=[0])
    compare_words([record, _interruption(None)], lambda _: "a young fisherman")
    assert (record["words_understood"], record["word_error"]) == (3, -1)
    assert "played" not in record


def test_a_long_reply_is_long_enough() -> None:
    assert len(long_reply(60).split()) > 200
    assert long_reply(1) == STORIES[0]


def test_a_trace_is_read_line_by_line_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    trace = TraceTail(path)
    trace.update()
    lines = [json.dumps({"event": name, "turn": n, "at": n}) for n, name in enumerate("abc")]
    path.write_text(f"{lines[0]}\n{lines[1][:9]}")
    trace.update()
    assert [event["event"] for event in trace.events] == ["a"]
    path.write_text("\n".join(lines) + "\n")
    trace.update()
    assert [event["event"] for event in trace.named("a", "c")] == ["a", "c"]
    assert trace.between(1, 1, "b", "c") == [{"event": "b", "turn": 1, "at": 1}]
