"""Figures of benchmarks of several shapes, in the one shape."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from scripts.benchmarks.book_shape import Figure, figures, shaped, unit
from scripts.benchmarks.figures import Target, kept, quantile

Found = dict[str, Figure]


def _found(result: dict[str, Any], benchmark: str = "x", **targets: Target) -> Found:
    return {figure.name: figure for figure in figures(benchmark, result, targets)}


def test_a_median_and_a_95th_percentile_are_one_figure() -> None:
    found = _found({"figures": {"stop_ms_p50": 280, "stop_ms_p95": 410}})
    assert list(found) == ["stop_ms"]
    assert (found["stop_ms"].median, found["stop_ms"].p95) == (280, 410)
    assert found["stop_ms"].unit == "ms"


def test_a_percentile_in_the_middle_of_a_name_is_found() -> None:
    found = _found({"threads": {"2": {"first_sound_ms_p50_4_words": 50}}})
    assert found["threads.2.first_sound_ms_4_words"].median == 50


def test_a_list_of_numbers_is_samples() -> None:
    figure = _found({"figures": {"ms": [3, 1, 2]}})["ms"]
    assert figure.samples == [3, 1, 2]
    assert (figure.median, figure.p95) == (2, 3)


def test_conditions_texts_and_truths_are_no_figures() -> None:
    result = {"conditions": {"minutes": 3}, "code": 7, "figures": {"said": "no", "ok": True}}
    assert not _found(result)


@pytest.mark.parametrize(("value", "verdict"), [(300, "met"), (301, "missed")])
def test_a_target_is_judged(value: int, verdict: str) -> None:
    found = _found({"figures": {"stop_ms_p95": value}}, stop_ms_p95=Target(300))
    assert found["stop_ms"].targets == [{"of": "p95", "limit": "≤ 300", "verdict": verdict}]


def test_targets_that_come_with_the_result_count() -> None:
    listened = {
        "wer_full": {"tiny.en": 0.2},
        "targets": [{"figure": "wer_full", "model": "tiny.en", "limit": 0.1, "verdict": "missed"}],
    }
    [row] = shaped("listen", listened, {}, {})["figures"]
    assert row["targets"] == [{"of": "median", "limit": "≤ 0.1", "verdict": "missed"}]
    spoken = {"threads": {"2": {"a_ms_p50_4": 50}}, "targets_ms": {"a_ms_p50_4": 60}}
    [row] = shaped("speak", spoken, {}, {})["figures"]
    assert row["targets"][0]["verdict"] == "met"


def test_samples_come_from_the_records_that_count() -> None:
    records = [
        {"kind": "interruption", "stop_ms": 200},
        {"kind": "interruption", "stop_ms": 900, "void": "the answer ended by itself"},
        {"kind": "stop word", "stop_ms": 100},
        {"kind": "interruption", "missed": True},
    ]
    found = _found({"figures": {"stop_ms_p50": 200}, "records": records}, "duplex")
    assert found["stop_ms"].samples == [200]


def test_samples_are_assigned_by_figure_and_are_none_themselves() -> None:
    samples = {"stop_ms": [270.5, 280, 300], "threads.2.a_ms_4": [5, 6]}
    of = {"figures": {"stop_ms_p50": 280}, "threads": {"2": {"a_ms_p50_4": 5}}, "samples": samples}
    found = _found(of)
    assert {name: figure.samples for name, figure in found.items()} == samples
    assert found["stop_ms"].median == 280
    assert "samples" not in shaped("x", of, {}, {})["details"]


def test_samples_of_no_figure_are_a_bug_but_those_of_nothing_are_not() -> None:
    with pytest.raises(AssertionError, match="stop_ms_p50"):
        _found({"figures": {"stop_ms_p50": 280}, "samples": {"stop_ms_p50": [280]}})
    assert not _found({"figures": {"gap_ms_p50": None}, "samples": {"gap_ms": []}})


def test_of_many_samples_those_are_kept_that_tell_the_same() -> None:
    values = [((7 * n) % 1201) / 1000 for n in range(1201)]
    samples = kept(values, 1e3)
    assert len(samples) == 500
    assert statistics.median(samples) == pytest.approx(600, abs=2)
    assert quantile(samples, 0.95) == pytest.approx(1140, abs=3)
    assert kept([0.3, 0.1], 1e3) == [300, 100]


def test_the_machine_stands_in_the_conditions_and_the_rest_is_kept() -> None:
    result = {"code": "abc", "load_before": 0.1, "x_seconds": 2}
    written = shaped("session", result, {}, {"cores": 2})
    assert written["benchmark"] == "session"
    assert written["conditions"] == {"code": "abc", "load_before": 0.1, "machine": {"cores": 2}}
    assert written["details"] == result


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relayed_events_per_second", "1/s"),
        ("self_interruptions_per_minute_gain_0.3", "1/min"),
        ("peak_memory_mb_voice", "MB"),
        ("voice_to_voice", "s"),
        ("clicks", ""),
    ],
)
def test_a_name_tells_the_unit(name: str, expected: str) -> None:
    assert unit(name) == expected
