"""What the terminal shows: a table that fills while it is measured."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from scripts.demo.chains import Chain
from scripts.demo.results import (
    Results,
    held,
    keeps_up,
    rtts_of,
    spread,
    stage_medians,
    voice_to_voice,
    ways_of,
)


def shown(results: Results, doing: str) -> Group:
    """All results so far, and what is being done."""
    tables = [
        _ways(results.chains, "Whole chains (s), by round-trip time"),
        _ways(results.model_chains, "With a model (s)"),
        _pipeline(results),
    ]
    return Group(*(table for table in tables if table.row_count), Text(doing, style="dim"))


def _ways(chains: list[Chain], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("way")
    rtts = rtts_of(chains)
    for rtt in rtts:
        table.add_column(f"{rtt:g} ms", justify="right")
    for way in ways_of(chains):
        cells = []
        for rtt in rtts:
            of = held(chains, way.letter, rtt)
            cells.append(f"{spread(of).median:.2f}" if of else "")
        table.add_row(way.title, *cells)
    return table


def _pipeline(results: Results) -> Table:
    table = Table(title="Pipeline", title_justify="left", title_style="bold")
    table.add_column("what")
    table.add_column("", justify="right")
    if (rate := keeps_up(results.followed)) is not None:
        table.add_row("tokens a second that the client follows", f"{rate:,.0f}")
    for variant, seconds in voice_to_voice(results.turns).items():
        table.add_row(f"voice to voice, {variant}", f"{seconds * 1e3:,.0f} ms")
    for mechanism, (_, ours, usual) in stage_medians(results.stages).items():
        table.add_row(f"{mechanism}, without it {usual * 1e3:,.0f} ms", f"{ours * 1e3:,.0f} ms")
    return table
