"""From records of two programs to figures of each, ratios and a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmarks.figures import quantile, rounded

Record = dict[str, Any]


def samples(records: Sequence[Record], program: str) -> dict[str, list[float]]:
    """The single measurements of one program, by name."""
    own = [one for one in records if one["program"] == program and "void" not in one]

    def values(kind: str, name: str) -> list[float]:
        return [one[name] for one in own if one["kind"] == kind and one.get(name) is not None]

    spent = [one for one in own if one["kind"] == "spent" and one["minutes"] > 0]
    return {
        "voice_to_voice": values("question", "voice_to_voice"),
        "stop_ms": values("interruption", "stop_ms"),
        "missed_interruption": [float(v) for v in values("interruption", "missed")],
        "backchannel_kill": [float(not v) for v in values("backchannel", "resumed")],
        "pause_split": [float(v) for v in values("pause", "split")],
        "after_pause_voice_to_voice": values("pause", "voice_to_voice"),
        "cpu_seconds_per_minute": [one["cpu_seconds"] / one["minutes"] for one in spent],
        "peak_memory_mb": values("spent", "memory_mb"),
        "start_seconds": values("spent", "start_seconds"),
    }


def summary(measured: Mapping[str, Sequence[float]]) -> dict[str, float | None]:
    """Quantiles of times, shares of what happened or not, the most of memory."""
    found: dict[str, float | None] = {}
    for name in ("voice_to_voice", "stop_ms", "after_pause_voice_to_voice"):
        digits = 0 if name.endswith("_ms") else 3
        for label, share in (("p50", 0.5), ("p95", 0.95)):
            found[f"{name}_{label}"] = rounded(quantile(measured[name], share), digits)
    for name in ("missed_interruption", "backchannel_kill", "pause_split"):
        seen = measured[name]
        found[f"{name}_rate"] = rounded(statistics.fmean(seen)) if seen else None
    found["cpu_seconds_per_minute"] = rounded(quantile(measured["cpu_seconds_per_minute"], 0.5), 2)
    found["peak_memory_mb"] = rounded(max(measured["peak_memory_mb"], default=None), 0)
    found["start_seconds"] = rounded(quantile(measured["start_seconds"], 0.5), 2)
    return found


def figures(records: Sequence[Record], us: str, peer: str) -> dict[str, Any]:
    """Each program's figures, and ours over the peer's where that can be divided."""
    own, other = (summary(samples(records, program)) for program in (us, peer))
    found: dict[str, Any] = {}
    for name, value in own.items():
        theirs = other[name]
        found[f"{name}_{us}"], found[f"{name}_{peer}"] = value, theirs
        if value is not None and theirs and not name.endswith("_rate"):
            found[f"{name}_ratio"] = rounded(value / theirs)
    return found


def report(result: Mapping[str, Any]) -> str:
    """The programs side by side, what broke off, and under which conditions."""
    of, found = result["conditions"], result["figures"]
    us, peer = of["programs"]
    records = result["records"]
    lines = [f"{'figure':32} {us:>10} {peer:>10} {'ratio':>7} {'n':>9}"]
    counts = [samples(records, one) for one in (us, peer)]
    for name in summary(counts[0]):
        shown = [_shown(found.get(f"{name}_{end}")) for end in (us, peer, "ratio")]
        base = next(key for key in counts[0] if name.startswith(key))
        n = "/".join(str(len(one[base])) for one in counts)
        lines.append(f"{name:32} {shown[0]:>10} {shown[1]:>10} {shown[2]:>7} {n:>9}")
    if result["failures"]:
        lines += ["", "What failed:", *(f"  {line}" for line in result["failures"])]
    words = ", ".join(f"{name} {value}" for name, value in of.items())
    return "\n".join([*lines, "", f"Conditions: {words}", "", *result["fairness"]])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
