"""The kiosk as a whole: how soon it listens, what it costs at rest, and what it gets over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scripts.benchmarks.apps_faults import measure_faults, soak
from scripts.benchmarks.apps_rest import measure_rest
from scripts.benchmarks.apps_visits import measure_visits
from scripts.benchmarks.apps_wake import measure_wake
from scripts.benchmarks.figures import Target, code_version, load, machine, verdicts

_SOAK_MINUTES, _SOAK_ROUNDS = 60.0, 2

TARGETS = {
    "kiosk_start_to_listening_s": Target(3.0),
    "kiosk_idle_cpu_percent": Target(5.0),
    "rss_growth_mb": Target(20.0),
    "context_leaks": Target(0.0),
}


def measure_apps(parts: Sequence[str], quick: bool) -> dict[str, Any]:
    """The figures of these parts of `PARTS`, and the verdicts on their targets."""
    figures: dict[str, Any] = {}
    samples: dict[str, list[float]] = {}
    conditions = {
        "machine": machine(), "code": code_version(), "quick": quick, "load_before": load(),
    }  # fmt: skip
    for name in parts:
        found = PARTS[name](quick)
        samples |= found.pop("samples", {})
        figures |= found
    figures.pop("conditions", None)
    conditions["load_after"] = load()
    return {
        "conditions": conditions,
        "targets": verdicts(figures, TARGETS),
        "figures": figures,
        "samples": samples,
    }


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
