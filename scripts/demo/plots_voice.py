"""The plots of the pipeline: a waterfall a turn, mechanisms alone, and the rate of tokens."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from scripts.demo.rate import Followed, Through
from scripts.demo.results import followed_at, stage_medians
from scripts.demo.spoken import Turn
from scripts.demo.stages import Stage
from scripts.demo.theme import Theme

_WIDTH = 9.0
_SEGMENTS = (
    ("turn.ended", "until the turn counts as over", "stream"),
    ("transcript.final", "until the words are final", "upload"),
    ("token.first", "until a first token is there", "first"),
    ("audio.first", "until the first sound", "connect"),
)
"""A waterfall's parts: the mark at which each ends, what it is, and whose colour it has."""

_THROUGH: tuple[tuple[Through, str], ...] = (
    ("text", "text alone"),
    ("speech", "through the chunker, while the voice speaks"),
)


def plot_waterfalls(turns: Sequence[Turn], theme: Theme) -> Figure:
    """A bar a turn, from the last sample of speech to the first of the answer."""
    figure = Figure(figsize=(_WIDTH, 1.5 + 0.36 * len(turns)), layout="constrained")
    axes = figure.subplots()
    for n, turn in enumerate(turns):
        _waterfall(axes, n, turn, theme)
    names = [f"{turn.variant}\n“{textwrap.shorten(turn.heard, 34)}”" for turn in turns]
    axes.set_yticks(range(len(turns)), names, fontsize=8)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, max(turn.seconds for turn in turns) * 1.12e3)
    axes.set_xlabel("after the last sample of speech (ms)")
    axes.grid(axis="x")
    patches: list[Any] = [Patch(color=theme.parts[c], label=name) for _, name, c in _SEGMENTS]
    patches.append(Line2D([], [], color=theme.ink, marker="v", linestyle="", label="request sent"))
    figure.legend(handles=patches, loc="outside upper center", ncols=3, fontsize=9)
    return figure


def _waterfall(axes: Any, n: int, turn: Turn, theme: Theme) -> None:
    at = 0.0
    for mark, _, colour in _SEGMENTS:
        until = max(at, turn.at.get(mark, at))
        axes.barh(n, (until - at) * 1e3, 0.6, at * 1e3, color=theme.parts[colour])
        at = until
    axes.annotate(f" {turn.seconds * 1e3:,.0f} ms", (at * 1e3, n), va="center", fontsize=9)
    sent = turn.at.get("request.sent")
    if sent is not None and sent >= 0:
        axes.plot([sent * 1e3], [n - 0.38], "v", color=theme.ink, markersize=4)


def plot_stages(stages: Sequence[Stage], theme: Theme) -> Figure:
    """Mechanisms by themselves, ours above the usual way."""
    medians = stage_medians(stages)
    figure = Figure(figsize=(_WIDTH, 0.9 + 0.75 * len(medians)), layout="constrained")
    axes = figure.subplots()
    for n, (_, ours, usual) in enumerate(medians.values()):
        for offset, seconds, colour in ((-0.2, ours, theme.ours), (0.2, usual, theme.usual)):
            axes.barh(n + offset, seconds * 1e3, 0.36, color=colour)
            label = f" {seconds * 1e3:,.0f} ms"
            axes.annotate(label, (seconds * 1e3, n + offset), va="center", fontsize=9)
    names = [f"{name}\n{textwrap.fill(what, 46)}" for name, (what, _, _) in medians.items()]
    axes.set_yticks(range(len(medians)), names, fontsize=9)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, max(usual for _, _, usual in medians.values()) * 1.12e3)
    axes.set_xlabel("ms")
    axes.grid(axis="x")
    patches = [Patch(color=theme.ours, label="ours"), Patch(color=theme.usual, label="usual way")]
    axes.legend(handles=patches, loc="lower right", fontsize=9)
    return figure


def plot_rate(followed: Sequence[Followed], theme: Theme) -> Figure:
    """Tokens a second that arrived, by the pace at which they were written."""
    figure = Figure(figsize=(_WIDTH, 3.8), layout="constrained")
    axes = figure.subplots()
    paces = sorted({one.offered for one in followed if one.offered})
    axes.plot(paces, paces, ":", color=theme.ink, linewidth=1, label="as written")
    colours = (theme.ours, theme.ways["a"])
    for (through, name), colour in zip(_THROUGH, colours, strict=True):
        _followed(axes, followed_at(followed, through), paces, name, colour)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(top=2 * max(one.per_second for one in followed))
    axes.set_xticks(paces, [f"{pace:,.0f}" for pace in paces])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("tokens a second, written")
    axes.set_ylabel("tokens a second, arrived")
    axes.grid()
    axes.legend(loc="lower right", fontsize=9)
    return figure


def _followed(
    axes: Any, rates: Mapping[float, float], paces: Sequence[float], name: str, colour: str
) -> None:
    """One way's curve, and its limit as a line; the text's lies around and above the other's."""
    above = name == _THROUGH[0][1]
    known = [pace for pace in paces if pace in rates]
    axes.plot(
        known, [rates[pace] for pace in known], marker="o" if above else "s", color=colour,
        markersize=9 if above else 5, linewidth=1.4, label=name,
    )  # fmt: skip
    if limit := rates.get(0.0):
        axes.axhline(limit, color=colour, linewidth=1, linestyle="--")
        axes.annotate(
            f"limit, {name}: {limit:,.0f}", (paces[0], limit), (0, 4 if above else -4),
            textcoords="offset points", color=colour, fontsize=9, va="bottom" if above else "top",
        )  # fmt: skip
