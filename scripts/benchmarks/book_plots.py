"""The plots of docs/benchmarks.md: SVG without a ground of their own, for light and dark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

Run = Mapping[str, Any]
Row = Mapping[str, Any]

_INK = "#7d8590"
_FAINT = "#9198a155"
_OURS = "#2f81f7"
_PEER = "#d9822b"
_MISSED = "#e5534b"

# Text stays text, and the same figures give the same file.
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "voice",
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), _INK
    ),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}

_DUPLEX = ("duck_ms", "stop_ms", "stop_word_ms", "voice_to_voice")
_PEERS = ("voice_to_voice", "after_pause_voice_to_voice", "stop_ms")
_COSTS = ("cpu_seconds_per_minute", "peak_memory_mb", "start_seconds")

_FARTHEST = 3.0
"""Times its target: what is farther off is drawn here and told in figures."""


def draw(known: Sequence[Run], images: Path) -> dict[str, str]:
    """Draw what there are figures for; file names by benchmark, `targets` is of all of them."""
    by_name = {run["benchmark"]: run for run in known}
    drawn = {}
    with mpl.rc_context(_SETTINGS):
        for name, figure in (
            ("targets", _targets(known)),
            ("duplex", _duplex(by_name["duplex"]) if "duplex" in by_name else None),
            ("peers", _peers(by_name["peers"]) if "peers" in by_name else None),
        ):
            if figure is not None:
                drawn[name] = f"bench-{name}.svg"
                figure.savefig(images / drawn[name], transparent=True, metadata={"Date": None})
    return drawn


def _targets(known: Sequence[Run]) -> Figure | None:
    """A line for each target: how far the figure is from it, on the good side or the other."""
    lines = [
        (f"{run['benchmark']}: {_short(row['figure'], one['of'])}", *_relation(row, one))
        for run in known
        for row in run["figures"]
        for one in row["targets"]
    ]
    lines = [line for line in lines if line[1] is not None]
    if not lines:
        return None
    figure = Figure(figsize=(7.6, 0.5 + 0.23 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for place, (_, relation, words, met) in enumerate(reversed(lines)):
        at = min(relation, _FARTHEST)
        color = _OURS if met else _MISSED
        axes.plot([0, at], [place, place], color=color, linewidth=2.5, solid_capstyle="butt")
        axes.plot([at], [place], "o" if met else "X", color=color, markersize=5)
        axes.annotate(
            words, (max(at, 1.0), place), (7, 0), textcoords="offset points", va="center", size=8
        )
    axes.axvline(1.0, color=_INK, linewidth=1, linestyle="--", zorder=0)
    axes.set_yticks(range(len(lines)), [line[0] for line in reversed(lines)])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, _FARTHEST + 0.6)
    axes.set_ylim(-0.7, len(lines) - 0.3)
    axes.set_xlabel("over the target (1: just met; left of it is better)")
    return figure


def _relation(row: Row, one: Mapping[str, str]) -> tuple[float | None, str, bool]:
    """Value over limit, turned over where more is better; in words; and whether it is met.

    None where the limit is 0 and so nothing can be divided by it, or there is no value.
    """
    value = row[one["of"]]
    limit = float(re.sub(r"[^\d.e+-]", "", one["limit"]))
    met = one["verdict"] == "met"
    words = f"{value:g} {row['unit']} ({one['limit']})" if value is not None else ""
    if value is None:
        return None, words, met
    if limit == 0:
        return (0.0 if met else _FARTHEST), words, met
    if "≥" in one["limit"]:
        return (limit / value if value else _FARTHEST), words, met
    return max(0.0, value / limit), words, met


def _duplex(run: Run) -> Figure | None:
    """Each measurement as a dot, the median as a line, targets as triangles."""
    rows = [row for row in _rows(run, _DUPLEX) if row["samples"]]
    if not rows:
        return None
    figure = Figure(figsize=(7.2, 0.7 + 0.55 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(reversed(rows)):
        scale = 1000 if row["unit"] == "s" else 1
        _dots(axes, place, row, scale, _OURS)
        for one in row["targets"]:
            limit = scale * float(re.sub(r"[^\d.]", "", one["limit"]))
            axes.plot([limit], [place - 0.34], "^", color=_INK, markersize=5)
            label, side, away = (
                ("p50", "right", -5) if one["of"] == "median" else ("p95", "left", 5)
            )
            axes.annotate(
                f"{label} ≤ {limit:g}", (limit, place - 0.34), (away, 0),
                textcoords="offset points", va="center", ha=side, size=7,
            )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row["figure"] for row in reversed(rows)])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(rows) - 0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("ms (dots: single measurements; bar: median; triangle: target)")
    return figure


def _peers(run: Run) -> Figure | None:
    """On the left the times of both, each measurement a dot; on the right what they cost."""
    us, peer = run["conditions"]["programs"]
    figure = Figure(figsize=(7.6, 3.0), layout="constrained")
    times, costs = figure.subplots(1, 2, width_ratios=(3, 2))
    for place, name in enumerate(reversed(_PEERS)):
        for shift, program, color in ((0.18, us, _OURS), (-0.18, peer, _PEER)):
            for row in _rows(run, (f"{name}_{program}",)):
                scale = 1000 if row["unit"] == "s" else 1
                _dots(times, place + shift, row, scale, color, height=0.14)
    times.set_yticks(range(len(_PEERS)), [_words(name) for name in reversed(_PEERS)])
    times.set_xlim(left=0)
    times.set_xlabel("ms (dots: single measurements; bar: median)")
    _cost_bars(costs, run, us, peer)
    for axes in (times, costs):
        axes.tick_params(axis="y", length=0)
    return figure


def _cost_bars(axes: Any, run: Run, us: str, peer: str) -> None:
    for place, name in enumerate(reversed(_COSTS)):
        values = [next(iter(_rows(run, (f"{name}_{one}",))), None) for one in (us, peer)]
        if None in values or not values[1]["median"]:
            continue
        whole = values[1]["median"]
        for shift, row, color in zip((0.18, -0.18), values, (_OURS, _PEER), strict=True):
            share = row["median"] / whole
            axes.barh(place + shift, share, 0.3, color=color)
            axes.annotate(
                f"{row['median']:.3g}", (share, place + shift), (4, 0),
                textcoords="offset points", va="center", size=8,
            )  # fmt: skip
    axes.set_yticks(range(len(_COSTS)), [_words(name) for name in reversed(_COSTS)])
    axes.set_xlabel(f"as a share of {peer}'s")
    axes.set_xlim(0, axes.get_xlim()[1] * 1.15)
    for name, color in ((us, _OURS), (peer, _PEER)):
        axes.plot([], [], "s", color=color, label=name)
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1.0, 1.14), ncols=2)


def _dots(
    axes: Any, place: float, row: Row, scale: float, color: str, height: float = 0.22
) -> None:
    """Single measurements, spread a little so that each can be seen, and the figure's median."""
    values = scale * np.array(row["samples"])
    if not len(values):
        return
    spread = np.linspace(-0.5, 0.5, len(values)) * height
    axes.plot(values, place + spread, "o", color=color, alpha=0.55, markersize=3.5, mew=0)
    middle = scale * row["median"]
    axes.plot([middle, middle], [place - height, place + height], color=color, linewidth=2)


def _rows(run: Run, names: Sequence[str]) -> list[Row]:
    by_name = {row["figure"]: row for row in run["figures"]}
    return [by_name[name] for name in names if name in by_name]


def _short(figure: str, of: str) -> str:
    return figure if of == "median" else f"{figure} p95"


def _words(name: str) -> str:
    return name.removesuffix("_ms").removesuffix("_mb").replace("_", " ")
