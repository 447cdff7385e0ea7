"""The one shape in which the figures of all benchmarks are written.

    {"benchmark": name, "conditions": {…}, "figures": [{"figure", "unit", "conditions", "samples",
     "median", "p95", "targets": [{"of", "limit", "verdict"}]}, …], "details": what it measured}

Benchmarks hand over what they have, in shapes of their own: nested numbers, names that end in
`_p50` and `_p95`, records. A single number is the median of nothing else; `samples` are there
where the benchmark keeps them: in its records, or as `{"samples": {figure: values}}`, by the name
that the figure has here (`stop_ms`, for `stop_ms_p50`) and in its unit.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.benchmarks import peers_figures
from scripts.benchmarks.figures import Target, quantile, rounded

Result = Mapping[str, Any]

_NOT_FIGURES = frozenset(
    (
        *("ablation", "clips", "code", "conditions", "failures", "fairness", "false_turns"),
        *("load_after", "load_before", "machine", "n", "output_rate", "records", "rounds"),
        *("samples", "targets", "targets_ms", "tradeoff", "units", "verdicts", "worst_clips"),
    )
)

_SPEAK_THREADS = 2
"""The number of cores for which the targets of speaking hold."""

_UNITS = (
    ("delayed_turns", ""),
    ("erle_db", "dB"),
    ("ratio", "ratio"),
    ("seconds_per_minute", "s/min"),
    ("per_minute", "1/min"),
    ("per_second", "1/s"),
    ("_ms", "ms"),
    ("_mb", "MB"),
    ("_db", "dB"),
    ("bytes", "bytes"),
    ("share", "share"),
    ("rate", "share"),
    ("percent", "%"),
    ("recovery_s", "s"),
    ("listening_s", "s"),
    ("wer", "share"),
    ("voice_to_voice", "s"),
    ("seconds", "s"),
    ("delay", "s"),
    ("minutes", "min"),
    ("tokens", "tokens"),
)
"""A figure's unit, by the first of these that its name holds."""

_ENDINGS = {"p50": "median", "p95": "p95"}


@dataclass(slots=True)
class Figure:
    """One figure of a run; `samples` are the single measurements behind it, if they were kept."""

    name: str
    unit: str
    median: float | None = None
    p95: float | None = None
    samples: list[float] = field(default_factory=list)
    targets: list[dict[str, str]] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "figure": self.name,
            "unit": self.unit,
            "samples": self.samples,
            "median": self.median,
            "p95": self.p95,
            "targets": self.targets,
        }


def shaped(
    benchmark: str, result: Result, targets: Mapping[str, Target], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """The result of a benchmark in the one shape."""
    conditions = {
        name: result[name] for name in ("load_before", "load_after", "code") if name in result
    }
    conditions |= result.get("conditions", {})
    found = figures(benchmark, result, {**targets, **_own_targets(result)})
    return {
        "benchmark": benchmark,
        "conditions": {**conditions, "machine": machine},
        "figures": [figure.row() for figure in found],
        "details": {name: value for name, value in result.items() if name != "samples"},
    }


def figures(benchmark: str, result: Result, targets: Mapping[str, Target]) -> list[Figure]:
    """All figures of a result, medians and 95th percentiles of one thing together."""
    found: dict[str, Figure] = {}
    for name, value in _leaves(result):
        stem, what = _split(name)
        figure = found.setdefault(stem, Figure(stem, unit(stem)))
        if isinstance(value, list):
            figure.samples = value
            figure.median = rounded(statistics.median(value), 4)
            figure.p95 = quantile(value, 0.95)
        elif what == "p95":
            figure.p95 = value
        else:
            figure.median = value
        if (target := targets.get(name)) is not None and not isinstance(value, list):
            verdict = target.verdict(value)
            figure.targets.append({"of": what, "limit": str(target), "verdict": verdict})
    for stem, samples in _SAMPLES.get(benchmark, _no_samples)(result):
        if stem in found:
            found[stem].samples = list(samples)
    for stem, samples in result.get("samples", {}).items():
        if samples:  # of nothing there is no figure
            assert stem in found, f"samples of no figure: {stem}"
            found[stem].samples = list(samples)
    return list(found.values())


def _own_targets(result: Result) -> dict[str, Target]:
    """Those that a benchmark hands over with its figures."""
    limits = {
        f"threads.{_SPEAK_THREADS}.{name}": limit
        for name, limit in result.get("targets_ms", {}).items()
    }
    if isinstance(rows := result.get("targets"), list):
        limits |= {f"{row['figure']}.{row['model']}": row["limit"] for row in rows}
    return {name: Target(limit) for name, limit in limits.items()}


def unit(name: str) -> str:
    """By the words in a figure's name; nothing of a count."""
    return next((unit for word, unit in _UNITS if word in name), "")


def _split(name: str) -> tuple[str, str]:
    """`stop_ms_p95` is the 95th percentile of `stop_ms`; `p50_4_words` may go on."""
    for ending, what in _ENDINGS.items():
        before, found, after = name.rpartition(f"_{ending}")
        if found and (not after or after[0] in "_."):
            return before + after, what
    return name, "median"


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every number and list of numbers in it, named by the way there."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield name, value
    elif isinstance(value, list | tuple) and value and all(map(_is_number, value)):
        yield name, list(value)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if not name and key in _NOT_FIGURES:
                continue
            inner = "" if not name and key == "figures" else f"{name}.{key}".lstrip(".")
            yield from _leaves(one, inner)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# ── samples that lie in records ──────────────────────────────────────────────────────────────

Samples = Iterator[tuple[str, Sequence[float]]]

_DUPLEX = (
    ("duck_ms", "hum", "duck_ms"),
    ("hold_ms", "hum", "hold_ms"),
    ("duck_speech_ms", "interruption", "duck_ms"),
    ("stop_ms", "interruption", "stop_ms"),
    ("stop_word_ms", "stop word", "stop_ms"),
    ("voice_to_voice", "question", "voice_to_voice"),
)
"""A figure, the kind of the records behind it, and their field."""


def _no_samples(_: Result) -> Samples:
    return iter(())


def _duplex_samples(result: Result) -> Samples:
    valid = [record for record in result["records"] if "void" not in record]
    for figure, kind, name in _DUPLEX:
        of_kind = [record for record in valid if record["kind"] == kind]
        yield figure, [record[name] for record in of_kind if record.get(name) is not None]


def _peers_samples(result: Result) -> Samples:
    for program in result["conditions"]["programs"]:
        for name, values in peers_figures.samples(result["records"], program).items():
            rate = name in ("missed_interruption", "backchannel_kill", "pause_split")
            yield f"{name}_rate_{program}" if rate else f"{name}_{program}", values


_SAMPLES: Mapping[str, Callable[[Result], Samples]] = {
    "duplex": _duplex_samples,
    "peers": _peers_samples,
}
