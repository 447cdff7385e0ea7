"""Two programs side by side, and the clips that both hear."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from scripts.benchmarks.duplex_hearing import true_speech
from scripts.benchmarks.peers_clips import with_pause
from scripts.benchmarks.peers_cost import cost, family
from scripts.benchmarks.peers_environment import versions
from scripts.benchmarks.peers_figures import figures, report, samples

Record = dict[str, Any]


def _records(program: str, seconds: float) -> list[Record]:
    return [
        {"program": program, "kind": "question", "voice_to_voice": seconds},
        {"program": program, "kind": "question", "void": "nothing was audible"},
        {"program": program, "kind": "interruption", "missed": False, "stop_ms": 300},
        {"program": program, "kind": "interruption", "missed": True},
        {"program": program, "kind": "backchannel", "resumed": program == "a"},
        {"program": program, "kind": "pause", "split": True, "voice_to_voice": 1.0},
        {"program": program, "kind": "spent", "minutes": 2.0, "cpu_seconds": 10 * seconds}
        | {"memory_mb": 100, "start_seconds": 1.0},
    ]


def test_each_program_has_its_own_figures_and_times_are_divided() -> None:
    found = figures([*_records("a", 0.5), *_records("b", 2.0)], "a", "b")
    assert (found["voice_to_voice_p50_a"], found["voice_to_voice_p50_b"]) == (0.5, 2.0)
    assert found["voice_to_voice_p50_ratio"] == 0.25
    assert found["missed_interruption_rate_a"] == 0.5
    assert (found["backchannel_kill_rate_a"], found["backchannel_kill_rate_b"]) == (0, 1)
    assert found["cpu_seconds_per_minute_b"] == 10.0
    assert "backchannel_kill_rate_ratio" not in found


def test_a_program_that_was_not_heard_has_no_ratio() -> None:
    found = figures(_records("a", 0.5), "a", "b")
    assert found["voice_to_voice_p50_b"] is None
    assert "voice_to_voice_p50_ratio" not in found


def test_void_records_do_not_count() -> None:
    assert samples(_records("a", 0.5), "a")["voice_to_voice"] == [0.5]


def test_the_report_tells_how_many_of_each() -> None:
    records = [*_records("a", 0.5), *_records("b", 2.0), *_records("b", 2.0)]
    result = {
        "figures": figures(records, "a", "b"),
        "conditions": {"programs": ["a", "b"]},
        "records": records,
        "failures": ["b, turns, broke off"],
        "fairness": ["Fair."],
    }
    [line] = [one for one in report(result).splitlines() if one.startswith("voice_to_voice_p50")]
    assert line.split()[1:] == ["0.5", "2", "0.25", "1/2"]
    assert "b, turns, broke off" in report(result)


def test_a_pause_is_put_where_the_speech_is_quietest() -> None:
    rng = np.random.default_rng(1)
    loud = np.ones(16000)
    loud[7000:8000] = 0.1
    speech = (rng.standard_normal(16000) * 3000 * loud).astype(np.int16)
    clip = np.concatenate([np.zeros(4000, np.int16), speech, np.zeros(4000, np.int16)])
    paused = with_pause(clip, 0.7)
    assert len(paused) == len(clip) + 11200
    silent = np.flatnonzero(paused[4000:-4000] == 0)
    assert 7000 <= silent[len(silent) // 2] - 5600 <= 8000
    begins, ends = true_speech(paused)
    assert ends - begins == pytest.approx(1.7, abs=0.03)


def test_the_lock_names_the_peer_and_pins_everything() -> None:
    pinned = versions()
    assert {"pipecat-ai", "faster-whisper", "piper-tts", "sounddevice"} <= pinned.keys()
    assert all(" " not in version for version in pinned.values())


def test_a_process_costs_memory_and_is_of_its_own_family() -> None:
    own = os.getpid()
    assert family(own)[0] == own
    assert cost(own).memory_mb > 1
