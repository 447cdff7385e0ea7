"""The pictures for docs/listening.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

_STYLES: tuple[dict[str, Any], ...] = (
    {"color": "#8a8f98", "marker": "o"},
    {"color": "#0b6bcb", "marker": "s"},
    {"color": "#c2410c", "marker": "^"},
)

# Text stays text, and the same figures give the same file.
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "voice", "font.family": "sans-serif"}


def plot_tradeoff(tradeoff: Mapping[str, Any], path: Path) -> None:
    """Cut-offs against delay: one curve a method, one point a threshold, ringed as shipped."""
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        for (name, points), style in zip(tradeoff["curves"].items(), _STYLES, strict=False):
            known = [point for point in points if _known(point)]
            if not known:
                continue
            delays = [1000 * point["endpoint_delay_mean"] for point in known]
            rates = [point["cut_off_rate"] for point in known]
            axes.plot(delays, rates, label=name, linewidth=1.5, markersize=5, **style)
            _label_ends(axes, known, delays, rates)
        shipped = tradeoff["as_shipped"]
        if _known(shipped):
            at = 1000 * shipped["endpoint_delay_mean"], shipped["cut_off_rate"]
            axes.plot(*at, "o", ms=13, mfc="none", mec="black", mew=1.2, label="as shipped")
        axes.axhline(0.03, color="#cbd0d8", linewidth=1, linestyle="--", zorder=0)
        axes.set_xlabel("mean delay of the decision after a finished command (ms)")
        axes.set_ylabel("utterances cut off at a pause ≤ 1 s")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=-0.02)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})


def _known(point: Mapping[str, Any]) -> bool:
    return point["endpoint_delay_mean"] is not None and point["cut_off_rate"] is not None


def _label_ends(axes: Any, points: Sequence[Any], x: list[float], y: list[float]) -> None:
    """Write the pause beside a curve's first and last point."""
    for index in {0, len(points) - 1}:
        if (pause := points[index]["pause_seconds"]) is not None:
            axes.annotate(
                f"{pause:g} s", (x[index], y[index]), (6, 6), textcoords="offset points", size=8
            )
