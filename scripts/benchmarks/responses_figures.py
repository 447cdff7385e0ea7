"""From measured times to figures, targets and a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks.figures import quantile, rounded

DELAYED_SECONDS = 0.02
"""A turn that waits so much longer than the median of undisturbed ones counts as delayed."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be: at most, or at least, `limit`."""

    limit: float
    least: bool = False

    def verdict(self, value: float) -> str:
        """`met` or `missed`."""
        met = value >= self.limit if self.least else value <= self.limit
        return "met" if met else "missed"

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.limit:g}"


TARGETS: Mapping[str, Target] = {
    "events_per_second": Target(4000, least=True),
    "core_share_at_4000": Target(0.25),
    "cpu_per_event_to_sdk": Target(0.2),
    "bargein_to_next_request_ms_p95": Target(5.0),
    "delayed_turns": Target(0),
    "memory_growth_mb": Target(20.0),
}


def rotation_figures(times: Sequence[float], rotated: Sequence[bool]) -> dict[str, Any]:
    """How much later (seconds to the first token) turns are for which a connection was replaced.

    `rotated` tells for each turn whether that happened since the turn before.
    """
    undisturbed = [one for one, after in zip(times, rotated, strict=True) if not after]
    median = statistics.median(undisturbed or times)
    gaps = [one - median for one, after in zip(times, rotated, strict=True) if after]
    return {
        "delayed_turns": sum(one - median > DELAYED_SECONDS for one in times),
        "rotation_gap_ms_p50": _ms(quantile(gaps, 0.5)),
        "rotation_gap_ms_max": _ms(max(gaps, default=None)),
        "rotations": sum(rotated),
        "rotation_turns": len(times),
        "undisturbed_first_token_ms_p50": _ms(median),
    }


def verdicts(figures: Mapping[str, Any]) -> dict[str, str]:
    """What became of each target for which there is a figure."""
    return {
        name: target.verdict(figures[name])
        for name, target in TARGETS.items()
        if figures.get(name) is not None
    }


def table(figures: Mapping[str, Any]) -> str:
    """All single figures, as a table that Markdown shows as one, too."""
    cells = [("figure", "value", "target", "")]
    for name, value in figures.items():
        if not isinstance(value, int | float):
            continue
        target = TARGETS.get(name)
        cells.append(
            (
                name,
                f"{value:g}" if isinstance(value, float) else str(value),
                str(target or ""),
                target.verdict(value) if target else "",
            )
        )
    widths = [max(len(cell[column]) for cell in cells) for column in range(4)]
    lines = ["| " + " | ".join(map(str.ljust, cell, widths)) + " |" for cell in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (n + 2) for n in widths) + "|", *lines[1:]])


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else rounded(seconds * 1e3, 2)
