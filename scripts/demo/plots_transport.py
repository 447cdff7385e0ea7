"""The plots of the ways to ask: whole chains, parts of a call, bytes, and a model at work."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scripts.demo.chains import Chain, Way
from scripts.demo.results import (
    PARTS,
    Spread,
    chain_bytes,
    headline_rtt,
    held,
    mean_parts,
    rtts_of,
    spread,
    ways_of,
)
from scripts.demo.theme import Theme

_WIDTH = 9.0
_COLD_HATCH = "///"
_PART_NAMES = {
    "connect": "connect: TCP, TLS, upgrade",
    "upload": "upload, half a round trip",
    "first": "to the first event",
    "stream": "stream",
}


def plot_totals(chains: Sequence[Chain], theme: Theme) -> Figure:
    """Whole chains: a group of bars a round-trip time, whiskers for the spread of the calls."""
    figure = Figure(figsize=(_WIDTH, 4.4), layout="constrained")
    axes = figure.subplots()
    ways, rtts = ways_of(chains), rtts_of(chains)
    width = 0.84 / len(ways)
    for n, way in enumerate(ways):
        of = [spread(held(chains, way.letter, rtt)) for rtt in rtts]
        at = [group + (n - (len(ways) - 1) / 2) * width for group in range(len(rtts))]
        bars = axes.bar(at, [one.median for one in of], width * 0.9, **_looks(way, theme))
        _whiskers(axes, at, of, theme)
        labels = [f"{one.median:.2f}" for one in of]
        axes.bar_label(bars, labels, padding=_label_padding(of, axes), fontsize=7)
    axes.set_xticks(range(len(rtts)), [f"{rtt:g} ms" for rtt in rtts])
    axes.set_xlabel("round-trip time of the link")
    axes.set_ylabel(f"{len(chains[0].calls)} tool calls (s)")
    axes.margins(y=0.08)
    axes.grid(axis="y")
    axes.legend(loc="upper left", fontsize=9)
    return figure


def plot_parts(chains: Sequence[Chain], theme: Theme) -> Figure:
    """A call's parts, stacked, on average over the chain."""
    rtt = headline_rtt(chains)
    ways = ways_of(chains)
    figure = Figure(figsize=(_WIDTH, 1.3 + 0.42 * len(ways)), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(ways)
    parts = [mean_parts(held(chains, way.letter, rtt)) for way in ways]
    for part in PARTS:
        widths = [of[part] * 1e3 for of in parts]
        axes.barh(range(len(ways)), widths, 0.62, left, color=theme.parts[part])
        left = [before + more for before, more in zip(left, widths, strict=True)]
    for n, total in enumerate(left):
        axes.annotate(f" {total:,.0f} ms", (total, n), va="center", fontsize=9)
    _name_ways(axes, ways)
    axes.set_xlim(0, max(left) * 1.1)
    axes.set_xlabel(f"a call on average at a round trip of {rtt:g} ms (ms)")
    axes.grid(axis="x")
    patches = [Patch(color=theme.parts[part], label=_PART_NAMES[part]) for part in PARTS]
    figure.legend(handles=patches, loc="outside upper center", ncols=4, fontsize=9)
    return figure


def plot_bytes(chains: Sequence[Chain], theme: Theme) -> Figure:
    """What a whole chain puts on the wire, there and back."""
    rtt, ways = headline_rtt(chains), ways_of(chains)
    figure = Figure(figsize=(_WIDTH, 1.0 + 0.42 * len(ways)), layout="constrained")
    sizes = [chain_bytes(held(chains, way.letter, rtt)) for way in ways]
    panels: Any = figure.subplots(1, 2, sharey=True)
    for n, (axes, title) in enumerate(zip(panels, ("sent", "received"), strict=True)):
        values = [size[n] / 1e3 for size in sizes]
        bars = axes.barh(
            range(len(ways)), values, 0.62, color=[theme.way(way.letter) for way in ways]
        )
        axes.bar_label(bars, [f"{value:,.0f} kB" for value in values], padding=3, fontsize=9)
        axes.set_xlim(0, max(values) * 1.2)
        axes.set_title(f"{title}, {len(chains[0].calls)} calls")
        axes.set_xlabel("kB on the wire, TLS included")
        axes.grid(axis="x")
    _name_ways(panels[0], ways)
    return figure


def plot_model(chains: Sequence[Chain], theme: Theme) -> Figure:
    """With a model: whole chains, and every call by its place in the chain."""
    rtt, ways = headline_rtt(chains), ways_of(chains)
    figure = Figure(figsize=(_WIDTH, 1.4 + 0.42 * len(ways)), layout="constrained")
    panels: Any = figure.subplots(1, 2, width_ratios=[1.25, 1])
    whole, single = panels
    of = [spread(held(chains, way.letter, rtt)) for way in ways]
    for n, (way, one) in enumerate(zip(ways, of, strict=True)):
        whole.barh(n, one.median, 0.62, **(_looks(way, theme) | {"label": None}))
        whole.annotate(f" {one.median:,.1f} s", (one.median, n), va="center", fontsize=9)
    whole.set_xlim(0, max(one.median for one in of) * 1.2)
    whole.set_xlabel(f"{len(chains[0].calls)} tool calls (s)")
    whole.grid(axis="x")
    _name_ways(whole, ways)
    _each_call(single, chains, ways, rtt, theme)
    return figure


def _each_call(
    axes: Any, chains: Sequence[Chain], ways: Sequence[Way], rtt: float, theme: Theme
) -> None:
    for way in ways:
        of = held(chains, way.letter, rtt)
        calls = zip(*[[call.seconds for call in chain.calls] for chain in of], strict=True)
        times = [statistics.median(call) for call in calls]
        dashes = "--" if way.prefix == "cold" else "-"
        steps = range(1, len(times) + 1)
        axes.plot(steps, times, dashes, color=theme.way(way.letter), marker=".", linewidth=1.4)
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("call of the chain")
    axes.set_ylabel("time of the call (s)")
    axes.grid()


def _looks(way: Way, theme: Theme) -> dict[str, Any]:
    hatch = _COLD_HATCH if way.prefix == "cold" else None
    return {"color": theme.way(way.letter), "hatch": hatch, "label": way.title}


def _whiskers(axes: Any, at: Sequence[float], of: Sequence[Spread], theme: Theme) -> None:
    errors = [[one.median - one.low for one in of], [one.high - one.median for one in of]]
    axes.errorbar(
        at, [one.median for one in of], errors, fmt="none", ecolor=theme.ink, elinewidth=1,
        capsize=2.5,
    )  # fmt: skip


def _label_padding(of: Sequence[Spread], axes: Any) -> float:
    """Points above the bars, so that labels clear the whiskers."""
    top = max(one.high for one in of)
    points = float(axes.get_window_extent().height / axes.figure.dpi * 72)
    return 3 + max(one.high - one.median for one in of) / max(top, 1e-9) * points * 0.5


def _name_ways(axes: Any, ways: Sequence[Way]) -> None:
    axes.set_yticks(range(len(ways)), [_short(way) for way in ways])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)


def _short(way: Way) -> str:
    """A way's title on two lines at most."""
    name = way.name.replace(", cold prefix", "")
    head, _, rest = name.partition(", ")
    return f"({way.letter}) {head}\n{rest}" if rest else f"({way.letter}) {head}"
