"""A benchmark of several parts: they are measured one after the other, and reported together."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks.figures import (
    Target,
    code_version,
    load,
    machine,
    rounded,
    table,
    verdicts,
)
from voice.errors import ModelError


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is measured by itself, thoroughly or just to see that it works."""

    full: Callable[[], Awaitable[dict[str, Any]]]
    quick: Callable[[], Awaitable[dict[str, Any]]]


def measure_parts(
    parts: Mapping[str, Part],
    targets: Mapping[str, Target],
    save: Callable[[dict[str, Any]], None],
    *,
    quick: bool,
    limit_seconds: float | None = None,
) -> dict[str, Any]:
    """The figures of these parts, the verdicts on their targets, and the conditions.

    What a part hands over as `samples` (by figure, in its unit) stands beside the figures.
    `save` is given what is known after each part. A part whose model is missing is left out.
    Raises `TimeoutError` when a part takes longer than `limit_seconds`.
    """
    conditions: dict[str, Any] = {
        "machine": machine(),
        "code": code_version(),
        "quick": quick,
        "load_before": load(),
        "load_before_parts": {},
        "seconds_of_parts": {},
        "left_out": {},
    }
    figures: dict[str, Any] = {}
    samples: dict[str, list[float]] = {}
    result = {"conditions": conditions, "targets": {}, "figures": figures, "samples": samples}
    for name, part in parts.items():
        print(f"{name} …", file=sys.stderr, flush=True)
        conditions["load_before_parts"][name] = load()
        began = time.monotonic()
        try:
            found = asyncio.run(_within(limit_seconds, part.quick if quick else part.full))
            samples |= found.pop("samples", {})
            figures |= found
        except ModelError as error:
            conditions["left_out"][name] = str(error)
        conditions["seconds_of_parts"][name] = rounded(time.monotonic() - began, 1)
        conditions["load_after"] = load()
        result["targets"] = verdicts(figures, targets)
        save(result)
    return result


async def _within(
    seconds: float | None, measure: Callable[[], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        return await measure()


def report(result: Mapping[str, Any], targets: Mapping[str, Target]) -> str:
    """The conditions and figures of what was measured in parts, for people."""
    of = result["conditions"]
    lines = [
        f"{of['machine']}; load {of['load_before']} before, {of['load_after']} after; "
        f"code {of['code']}",
        *(f"{name} was left out: {reason}" for name, reason in of["left_out"].items()),
    ]
    return "\n".join([*lines, "", table(result["figures"], targets)])
