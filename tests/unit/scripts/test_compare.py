"""Two runs, and what may be said about the difference."""

from __future__ import annotations

import random
from typing import Any

import pytest

from scripts.benchmarks.compare import changes, direction, interval_of_ratio, report, verdict


def _samples(middle: float, spread: float, count: int = 40, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [middle + spread * (chance.random() - 0.5) for _ in range(count)]


def _run(name: str, median: float, samples: list[float], **machine: Any) -> dict[str, Any]:
    row = {"figure": name, "unit": "", "median": median, "p95": None, "samples": samples}
    return {
        "benchmark": "x",
        "conditions": {"machine": machine},
        "figures": [row | {"targets": []}],
    }


def test_the_interval_holds_the_ratio_and_shrinks_with_the_spread() -> None:
    wide = interval_of_ratio(_samples(10, 8), _samples(20, 16, seed=2))
    narrow = interval_of_ratio(_samples(10, 1), _samples(20, 2, seed=2))
    assert wide and narrow
    assert wide[0] < 2 < wide[1]
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_few_samples_and_zeros_have_no_interval() -> None:
    assert interval_of_ratio([1, 2, 3], _samples(2, 1)) is None
    assert interval_of_ratio([0.0] * 10, [1.0] * 10) is None


@pytest.mark.parametrize(
    ("figure", "interval", "said"),
    [
        ("stop_ms", (0.97, 1.02), "same"),
        ("stop_ms", (0.5, 0.7), "better"),
        ("stop_ms", (1.4, 1.8), "worse"),
        ("events_per_second", (1.4, 1.8), "better"),
        ("resume_rate", (0.4, 0.8), "worse"),
        ("stop_ms", (0.8, 1.3), "too noisy to tell"),
        ("commands", (1.4, 1.8), "other"),
        ("stop_ms", (1.1, 1.2), "no more than two runs of the same code"),
    ],
)
def test_verdicts(figure: str, interval: tuple[float, float], said: str) -> None:
    new = sum(interval) / 2
    assert verdict(figure, 1.0, new, interval) == said


def test_without_samples_a_difference_is_not_called_more_than_chance() -> None:
    assert verdict("stop_ms", 100, 102, None) == "same"
    assert verdict("stop_ms", 100, 300, None) == "cannot tell: too few samples"


def test_only_shared_figures_are_compared() -> None:
    old, new = _run("stop_ms", 10, []), _run("stop_ms", 20, [])
    assert [one.ratio for one in changes(old, new)] == [2.0]
    assert not changes(_run("other", 10, []), new)


def test_nothing_is_divided_by_zero() -> None:
    [change] = changes(_run("clicks", 0, []), _run("clicks", 2, []))
    assert change.ratio is None
    assert change.verdict != "same"


def test_the_report_warns_of_another_machine() -> None:
    old = _run("stop_ms", 10, [], cpu="this")
    assert "Not the same cpu" in report(old, _run("stop_ms", 10, [], cpu="that"))
    assert "Not the same" not in report(old, old)


def test_times_go_down_and_rates_of_success_go_up() -> None:
    assert direction("voice_to_voice") == -1
    assert direction("spoken_right_share_0_5b") == 1
    assert direction("turns") == 0
