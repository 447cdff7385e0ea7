"""The kiosk as a whole: how soon it listens, what it costs at rest, and what it gets over."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from scripts.benchmarks.apps_faults import FAULTS, measure_faults, soak
from scripts.benchmarks.apps_rest import AGENTS, PROGRAMS, measure_rest
from scripts.benchmarks.apps_visits import measure_visits
from scripts.benchmarks.apps_wake import measure_wake
from scripts.benchmarks.figures import Target, code_version, load, machine, rounded, verdicts

_SOAK_MINUTES, _SOAK_ROUNDS = 60.0, 2

_WAYS = list(product(PROGRAMS, AGENTS))

TARGETS = {
    **{f"{name}_start_to_listening_s{ending}": Target(3.0) for name, ending in _WAYS},
    **{f"{name}_idle_cpu_percent{ending}": Target(5.0) for name, ending in _WAYS},
    **{f"recovery_s.{name}": Target(3.0) for name in FAULTS},
    "rss_growth_mb": Target(20.0),
    "context_leaks": Target(0.0),
}


def measure_apps(
    parts: Sequence[str], quick: bool, save: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """The figures of these parts of `PARTS`, and the verdicts on their targets.

    `save` is given what is known after each part.
    """
    figures: dict[str, Any] = {}
    samples: dict[str, list[float]] = {}
    conditions: dict[str, Any] = {
        "machine": machine(), "code": code_version(), "quick": quick, "load_before": load(),
        "seconds_of_parts": {},
    }  # fmt: skip
    result = {"conditions": conditions, "targets": {}, "figures": figures, "samples": samples}
    for name in parts:
        print(f"{name} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        found = PARTS[name](quick)
        found.pop("conditions", None)
        samples |= found.pop("samples", {})
        figures |= found
        conditions["seconds_of_parts"][name] = rounded(time.monotonic() - began, 1)
        conditions["load_after"] = load()
        result["targets"] = verdicts(figures, TARGETS)
        save(result)
    return result


def _soak(quick: bool) -> dict[str, Any]:
    found = soak(3.0, 1) if quick else soak(_SOAK_MINUTES, _SOAK_ROUNDS)
    return {f"soak_{name}": value for name, value in found.items()}


PARTS: dict[str, Callable[[bool], dict[str, Any]]] = {
    "rest": measure_rest,
    "faults": lambda quick: measure_faults(["microphone", "network"] if quick else ()),
    "visits": lambda quick: measure_visits(50, 3) if quick else measure_visits(),
    "wake": measure_wake,
    "soak": _soak,
}
