"""From measured times to figures, targets and a table."""

from __future__ import annotations

import json
import statistics

import pytest

from scripts.benchmarks.figures import table, verdicts
from scripts.benchmarks.responses_figures import TARGETS, rotation_figures, rotation_samples
from scripts.benchmarks.responses_sender import _delta_frames, _frames_around, _wanted
from scripts.benchmarks.responses_turns import sentence
from voice.responses.events import Completed, OutputTextDelta, decode_server_event


def test_a_rotation_that_costs_nothing_delays_no_turn() -> None:
    figures = rotation_figures([0.002, 0.003, 0.002, 0.002], [False, True, False, False])
    assert figures["delayed_turns"] == 0
    assert (figures["rotations"], figures["rotation_turns"]) == (1, 4)
    assert figures["rotation_gap_ms_max"] == pytest.approx(1.0)


def test_the_gap_counts_from_the_turns_that_nothing_disturbed() -> None:
    figures = rotation_figures([0.1, 0.15, 0.1, 0.15], [False, True, False, True])
    assert figures["delayed_turns"] == 2
    assert figures["rotation_gap_ms_p50"] == pytest.approx(50.0)


def test_samples_have_the_medians_of_their_figures() -> None:
    times, rotated = [0.1, 0.15, 0.11, 0.17, 0.12, 0.18], [False, True] * 3
    figures, samples = rotation_figures(times, rotated), rotation_samples(times, rotated)
    for name, values in samples.items():
        assert statistics.median(values) == pytest.approx(figures[f"{name}_p50"])
    assert len(samples["rotation_gap_ms"]) == 3


def test_a_turn_late_without_a_rotation_counts_as_delayed_but_makes_no_gap() -> None:
    """A connection that is opened meanwhile may delay the turn before it takes over."""
    figures = rotation_figures([0.1, 0.2, 0.1, 0.1], [False, False, False, True])
    assert figures["delayed_turns"] == 1
    assert figures["rotation_gap_ms_max"] == pytest.approx(0.0)


def test_without_a_rotation_there_is_no_gap() -> None:
    figures = rotation_figures([0.1, 0.1], [False, False])
    assert figures["rotation_gap_ms_p50"] is None
    assert figures["rotation_gap_ms_max"] is None


def test_verdicts_know_both_directions() -> None:
    figures = {"events_per_second": 3999, "core_share_at_4000": 0.25, "memory_growth_mb": 20.1}
    assert verdicts(figures, TARGETS) == {
        "events_per_second": "missed",
        "core_share_at_4000": "met",
        "memory_growth_mb": "missed",
    }


def test_what_was_not_measured_has_no_verdict() -> None:
    assert verdicts({"delayed_turns": None}, TARGETS) == {}


def test_the_table_shows_single_figures_with_their_targets() -> None:
    figures = {"delayed_turns": 0, "samples": [1, 2], "recovery_idle_ms_p50": 3.25}
    lines = table(figures, TARGETS).split("\n")
    assert len(lines) == 4
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        "delayed_turns",
        "0",
        str(TARGETS["delayed_turns"]),
        "met",
    ]
    assert "3.25" in lines[3]
    assert len({len(line) for line in lines}) == 1


def test_every_turn_has_its_own_sentence() -> None:
    sentences = {sentence(12, seed) for seed in range(500)}
    assert len(sentences) == 500
    assert all(len(one.split()) == 12 for one in sentences)


# ── the sender ───────────────────────────────────────────────────────────────────────────────


def _decoded(frame: bytes) -> object:
    """The event in an unmasked frame of 126 to 65535 bytes."""
    assert frame[1] == 126
    assert int.from_bytes(frame[2:4]) == len(frame) - 4
    return decode_server_event(frame[4:])


def test_the_sender_says_what_it_is_asked_for() -> None:
    assert _wanted({"input": "2000 at 0"}) == (2000, 0)
    assert _wanted({"input": [{"content": "Hm"}, {"content": "50 at 4000"}]}) == (50, 4000)


def test_its_deltas_are_a_real_servers() -> None:
    deltas = _delta_frames("voice-3", 20)
    events = [_decoded(frame) for frame in deltas]
    assert all(isinstance(event, OutputTextDelta) for event in events)
    assert [event.sequence_number for event in events] == list(range(4, 24))  # type: ignore[attr-defined]
    assert {event.stream_id for event in events} == {"voice-3"}  # type: ignore[attr-defined]
    assert {len(event.delta) for event in events} == {4, 5, 6}  # type: ignore[attr-defined]
    raw = json.loads(deltas[0][4:])
    assert raw["logprobs"] == []
    assert len(raw["delta"]) + len(raw["obfuscation"]) == 16


def test_its_responses_end_with_the_whole_text() -> None:
    text = "".join(json.loads(frame[4:])["delta"] for frame in _delta_frames(None, 5))
    _, after = _frames_around(1, None, 5)
    last = json.loads(after[after.rindex(b'{"type":"response.completed"') :])
    assert last["response"]["output"][0]["content"][0]["text"] == text
    assert last["sequence_number"] == 4 + 5 + 3
    assert "stream_id" not in last
    assert Completed.__struct_config__.tag == last["type"]
