"""From measured times to figures, targets and a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmarks.figures import Target, kept, quantile, rounded

DELAYED_SECONDS = 0.02
"""A turn that waits so much longer than the median of undisturbed ones counts as delayed."""

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
    undisturbed, gaps = _apart(times, rotated)
    median = statistics.median(undisturbed)
    return {
        "delayed_turns": sum(one - median > DELAYED_SECONDS for one in times),
        "rotation_gap_ms_p50": _ms(quantile(gaps, 0.5)),
        "rotation_gap_ms_max": _ms(max(gaps, default=None)),
        "rotations": sum(rotated),
        "rotation_turns": len(times),
        "undisturbed_first_token_ms_p50": _ms(median),
    }


def rotation_samples(times: Sequence[float], rotated: Sequence[bool]) -> dict[str, list[float]]:
    """What lies behind these figures, in ms; of the same times."""
    undisturbed, gaps = _apart(times, rotated)
    return {
        "rotation_gap_ms": kept(gaps, 1e3),
        "undisturbed_first_token_ms": kept(undisturbed, 1e3),
    }


def _apart(times: Sequence[float], rotated: Sequence[bool]) -> tuple[Sequence[float], list[float]]:
    """Undisturbed turns (all, if there are none), and how far the others exceed their median."""
    undisturbed = [one for one, after in zip(times, rotated, strict=True) if not after] or times
    median = statistics.median(undisturbed)
    return undisturbed, [one - median for one, after in zip(times, rotated, strict=True) if after]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else rounded(seconds * 1e3, 2)
