"""The benchmark of the way to the server: events, bytes, interruptions, connections, memory.

Everything goes over real sockets on loopback, to servers in processes of their own.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks.figures import code_version, load, machine, rounded
from scripts.benchmarks.responses_ahead import measure_ahead, measure_eager
from scripts.benchmarks.responses_events import measure_events
from scripts.benchmarks.responses_figures import table, verdicts
from scripts.benchmarks.responses_turns import (
    measure_bargein,
    measure_bytes,
    measure_memory,
    measure_recovery,
    measure_rotation,
)
from voice.errors import ModelError

_PART_SECONDS = 600.0
"""What takes longer hangs."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Something that is measured by itself, thoroughly or just to see that it works."""

    full: Callable[[], Awaitable[dict[str, Any]]]
    quick: Callable[[], Awaitable[dict[str, Any]]]


PARTS: Mapping[str, _Part] = {
    # First, while no other part has left freed memory behind that growth could go into.
    "memory": _Part(lambda: measure_memory(10_000, 500), lambda: measure_memory(200, 50)),
    "events": _Part(lambda: measure_events(5, 5, 2), lambda: measure_events(1, 2, 1)),
    "bytes": _Part(lambda: measure_bytes(50), lambda: measure_bytes(10)),
    "bargein": _Part(lambda: measure_bargein(200), lambda: measure_bargein(15)),
    "rotation": _Part(lambda: measure_rotation(60), lambda: measure_rotation(12)),
    "recovery": _Part(lambda: measure_recovery(30), lambda: measure_recovery(3)),
    "ahead": _Part(lambda: measure_ahead(8, 2), lambda: measure_ahead(1, 1)),
    "eager": _Part(lambda: measure_eager(5), lambda: measure_eager(1)),
}


def measure_responses(
    parts: Sequence[str], save: Callable[[dict[str, Any]], None], *, quick: bool
) -> dict[str, Any]:
    """The figures of these parts, the verdicts on their targets, and the conditions.

    `save` is given what is known after each part. A part whose model is missing is left out.
    """
    conditions: dict[str, Any] = {
        "machine": machine(),
        "code": code_version(),
        "quick": quick,
        "load_before": load(),
        "seconds_of_parts": {},
        "left_out": {},
    }
    figures: dict[str, Any] = {}
    result = {"conditions": conditions, "targets": {}, "figures": figures}
    for name in parts:
        print(f"{name} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            figures |= asyncio.run(_within_limit(PARTS[name], quick=quick))
        except ModelError as error:
            conditions["left_out"][name] = str(error)
        conditions["seconds_of_parts"][name] = rounded(time.monotonic() - began, 1)
        conditions["load_after"] = load()
        result["targets"] = verdicts(figures)
        save(result)
    return result


async def _within_limit(part: _Part, *, quick: bool) -> dict[str, Any]:
    async with asyncio.timeout(_PART_SECONDS):
        return await (part.quick() if quick else part.full())


def report(result: Mapping[str, Any]) -> str:
    """The figures for people."""
    of = result["conditions"]
    lines = [
        f"{of['machine']}; load {of['load_before']} before, {of['load_after']} after; "
        f"code {of['code']}",
        *(f"{name} was left out: {reason}" for name, reason in of["left_out"].items()),
    ]
    return "\n".join([*lines, "", table(result["figures"])])
