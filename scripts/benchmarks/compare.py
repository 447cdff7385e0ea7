"""Two runs of one benchmark: ratios, and whether they are more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = Mapping[str, Any]

FEWEST_SAMPLES = 5
"""With fewer nothing can be said about noise."""

SAME_SHARE = 0.05
"""Medians that differ by no more are the same to anybody."""

DRIFT_RATIO = 1.3
"""Two runs of the same code on a machine that was not quiet differed so much (0.91 and 1.19 ms of a
tool's overhead, 120 samples each), which samples of one run cannot show."""

_RESAMPLES = 2000
_INTERVAL = (2.5, 97.5)

_MORE_IS_BETTER = ("per_second", "resume", "right", "erle", "within", "recall")
_LESS_IS_BETTER = (
    *("_ms", "seconds", "voice_to_voice", "_mb", "bytes", "wer", "cut_off", "missed", "error"),
    *("kill", "split", "delay", "self_interruptions", "false_", "cpu", "underruns", "clicks"),
    *("delayed", "disturbed", "lost", "first_token", "misheard"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a figure: new over old, 95 % interval if there are samples, a verdict."""

    figure: str
    old: float
    new: float
    ratio: float | None
    interval: tuple[float, float] | None
    verdict: str


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Of every figure that two runs in the one shape share."""
    before = {row["figure"]: row for row in old["figures"] if row["median"] is not None}
    shared = [row for row in new["figures"] if row["median"] is not None]
    return [_change(before[row["figure"]], row) for row in shared if row["figure"] in before]


def interval_of_ratio(
    old: Sequence[float], new: Sequence[float], seed: int = 1
) -> tuple[float, float] | None:
    """95 % bootstrap interval of the ratio of the medians; None where it would say nothing."""
    if min(len(old), len(new)) < FEWEST_SAMPLES:
        return None
    random = np.random.default_rng(seed)
    medians = [
        np.median(random.choice(values, (_RESAMPLES, len(values))), axis=1) for values in (old, new)
    ]
    if (medians[0] <= 0).any():
        return None
    low, high = np.percentile(medians[1] / medians[0], _INTERVAL)
    return float(low), float(high)


def direction(figure: str) -> int:
    """1: more is better, -1: less is, 0: nobody can say."""
    if any(word in figure for word in _MORE_IS_BETTER):
        return 1
    return -1 if any(word in figure for word in _LESS_IS_BETTER) else 0


def verdict(figure: str, old: float, new: float, interval: tuple[float, float] | None) -> str:
    """`same`, `better`, `worse`, `other`, or that it cannot be told.

    Without an interval only equal values are the same, and no difference is called more than
    chance; nor is one that two runs of the same code may have.
    """
    if interval is None:
        same = abs(new - old) <= SAME_SHARE * abs(old)
        return "same" if same else "cannot tell: too few samples"
    low, high = interval
    if low >= 1 - SAME_SHARE and high <= 1 + SAME_SHARE:
        return "same"
    if low <= 1 <= high:
        return "too noisy to tell"
    if 1 / DRIFT_RATIO < new / old < DRIFT_RATIO:
        return "no more than two runs of the same code"
    better = direction(figure) * (1 if low > 1 else -1)
    return {1: "better", -1: "worse", 0: "other"}[better]


def report(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The changes as a table, those that are more than noise first."""
    found = sorted(changes(old, new), key=lambda one: one.verdict not in ("better", "worse"))
    head = ("figure", "old", "new", "new/old", "95 %", "verdict")
    rows = [head, *map(_cells, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*_warnings(old, new), *lines])


def _change(old: Row, new: Row) -> Change:
    name, before, after = new["figure"], old["median"], new["median"]
    interval = interval_of_ratio(old["samples"], new["samples"])
    ratio = after / before if before else None
    return Change(name, before, after, ratio, interval, verdict(name, before, after, interval))


def _cells(one: Change) -> tuple[str, ...]:
    interval = "{:.2f}-{:.2f}".format(*one.interval) if one.interval else ""
    ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
    return one.figure, f"{one.old:g}", f"{one.new:g}", ratio, interval, one.verdict


def _warnings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What makes the two runs hard to compare."""
    was, now = old["conditions"], new["conditions"]
    lines = []
    for name in ("cpu", "cores", "python", "packages"):
        before, after = was["machine"].get(name), now["machine"].get(name)
        if before != after:
            lines.append(f"Not the same {name}: {before} then, {after} now.")
    if was.get("quick") or now.get("quick"):
        lines.append("One of them is a quick run: it shows that things work, not how well.")
    return lines
