"""The benchmark of the way to the server: events, bytes, interruptions, connections, memory.

Everything goes over real sockets on loopback, to servers in processes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scripts.benchmarks.parts import Part, measure_parts
from scripts.benchmarks.responses_ahead import measure_ahead, measure_eager
from scripts.benchmarks.responses_events import measure_events
from scripts.benchmarks.responses_figures import TARGETS
from scripts.benchmarks.responses_turns import (
    measure_bargein,
    measure_bytes,
    measure_memory,
    measure_recovery,
    measure_rotation,
)

_PART_SECONDS = 600.0
"""What takes longer hangs."""

PARTS: Mapping[str, Part] = {
    # First, while no other part has left freed memory behind that growth could go into.
    "memory": Part(lambda: measure_memory(10_000, 500), lambda: measure_memory(200, 50)),
    "events": Part(lambda: measure_events(5, 5, 2), lambda: measure_events(1, 2, 1)),
    "bytes": Part(lambda: measure_bytes(50), lambda: measure_bytes(10)),
    "bargein": Part(lambda: measure_bargein(200), lambda: measure_bargein(15)),
    "rotation": Part(lambda: measure_rotation(60), lambda: measure_rotation(12)),
    "recovery": Part(lambda: measure_recovery(30), lambda: measure_recovery(3)),
    "ahead": Part(lambda: measure_ahead(8, 2), lambda: measure_ahead(1, 1)),
    "eager": Part(lambda: measure_eager(5), lambda: measure_eager(1)),
}


def measure_responses(
    parts: Sequence[str], save: Callable[[dict[str, Any]], None], *, quick: bool
) -> dict[str, Any]:
    """The figures, verdicts and conditions of these parts, as `measure_parts` tells them."""
    chosen = {name: PARTS[name] for name in parts}
    return measure_parts(chosen, TARGETS, save, quick=quick, limit_seconds=_PART_SECONDS)
