"""The picture for docs/server.md."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

_WAYS: Mapping[str, Mapping[str, Any]] = {
    "cold": {"label": "HTTP, whole context, cold prefix", "color": "#c2410c", "marker": "^"},
    "previous_id": {"label": "HTTP, previous_response_id", "color": "#7c3aed", "marker": "s"},
    "warm": {"label": "HTTP, whole context, warm prefix", "color": "#8a8f98", "marker": "D"},
    "websocket": {"label": "WebSocket continuation", "color": "#0b6bcb", "marker": "o"},
}


def plot_first_token(figures: Mapping[str, Any], path: Path) -> None:
    """Time to the first token over the conversation's turns, one curve a way.

    On the right all but the cold one on a scale of their own; the thin line is the conversation
    itself over its WebSocket, each of its turns once.
    """
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    every, near = figure.subplots(1, 2)
    _draw(every, figures, list(_WAYS))
    every.set_yscale("log")
    every.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    every.yaxis.set_minor_formatter(NullFormatter())
    every.set_ylabel("from the request to the first token (ms)")
    every.legend(frameon=False, loc="center right")
    each = figures["first_token_ms_of_each_turn"]
    near.plot(range(1, len(each) + 1), each, color="#0b6bcb", linewidth=0.8, alpha=0.4)
    _draw(near, figures, [way for way in _WAYS if way != "cold"])
    near.set_ylim(bottom=0)
    figure.savefig(path, dpi=150)


def _draw(axes: Any, figures: Mapping[str, Any], ways: Sequence[str]) -> None:
    """The medians of some ways."""
    for way in ways:
        by_turn = figures["first_token_by_way"][way]
        medians = [statistics.median(detail["ms"]) for detail in by_turn.values()]
        axes.plot(list(by_turn), medians, linewidth=1.5, markersize=5, **_WAYS[way])
        axes.set_xticks(list(by_turn))
    axes.set_xlabel("turn of the conversation")
    axes.spines[["top", "right"]].set_visible(False)
