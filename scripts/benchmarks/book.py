"""docs/benchmarks.md, written from the JSON files of one folder: figures, targets, conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks import book_plots
from scripts.benchmarks.book_sink import BookError, read

Run = Mapping[str, Any]
Row = Mapping[str, Any]

ABOUT: Mapping[str, str] = {
    "peers": "pipecat beside our program, on one virtual sound card, in turn.",
    "duplex": "How the agent gives way to people and not to its echo, through a virtual sound "
    "card, with a server that takes 150 ms to the first of 60 tokens/s.",
    "session": "Start-up, memory and the time from voice to voice.",
    "listen": "From sound to words, over a few recordings of each kind: "
    "[listening.md](listening.md) has the figures over all of them.",
    "speak": "From a clause to sound.",
    "responses": "The way to the server: events, interruptions, lost connections.",
    "server": "The local server: relaying, connections, stopping.",
    "tools": "What a call costs beside the tool.",
    "apps": "The applications.",
    "soak": "An hour of questions to a kiosk, in which every fault comes and goes twice.",
    "commands": "Spoken commands: the right calls, and no wrong ones.",
}
"""In this order."""

_MOST_ROWS = 24
"""More figures than these are folded away."""

_MANY = 1000
"""From here on without decimals."""

_HEAD = """# Benchmarks

Written by `scripts/bench.py book` from the figures of `make bench`; do not edit it. Medians unless
it says otherwise; times in the units named. n: how many measurements a figure is of, where the
benchmark keeps them; without them nothing is known about its spread from this run alone.

    make bench                                      # all, under 20 minutes on two idle cores
    scripts/bench.py peers --json benchmarks/peers.json
    scripts/bench.py book benchmarks                # this page and its plots
    scripts/bench.py duplex --compare benchmarks/duplex.json
"""


def runs(folder: Path) -> list[dict[str, Any]]:
    """The runs whose files are in the folder, in the book's order. Raises `BookError`."""
    found = [read(path) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise BookError(f"{folder} holds no figures; make them with scripts/bench.py all --json")
    order = list(ABOUT)
    return sorted(found, key=lambda run: _place(order, run["benchmark"]))


def write_book(folder: Path, page: Path) -> None:
    """Write the page, and its plots beside it into `images/`. Raises `BookError`."""
    known = runs(folder)
    images = page.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    drawn = book_plots.draw(known, images)
    page.write_text(text(known, drawn), encoding="utf-8")


def text(known: Sequence[Run], plots: Mapping[str, str] | None = None) -> str:
    """The page; `plots` are file names by benchmark, `targets` stands for the overview."""
    plots = plots or {}
    lines = [_HEAD, *_verdicts(known)]
    if "targets" in plots:
        lines += ["", _image("Every figure with a target, over its target", plots["targets"])]
    for run in known:
        lines += ["", *_section(run, plots)]
    return "\n".join(lines).rstrip() + "\n"


def _verdicts(known: Sequence[Run]) -> Iterator[str]:
    """What is met, and plainly what is missed."""
    judged = [(run, row, one) for run in known for row in run["figures"] for one in row["targets"]]
    missed = [(run, row, one) for run, row, one in judged if one["verdict"] == "missed"]
    yield "## Targets\n"
    yield f"{len(judged) - len(missed)} of {len(judged)} targets are met."
    if missed:
        yield "\nMissed:\n"
    for run, row, one in missed:
        value = _number(row[one["of"]])
        what = "" if one["of"] == "median" else " (p95)"
        yield (
            f"- {run['benchmark']}: `{row['figure']}`{what} is {value} {row['unit']}".rstrip()
            + f", the target is {one['limit']}."
        )


def _section(run: Run, plots: Mapping[str, str]) -> Iterator[str]:
    name = run["benchmark"]
    yield f"## {name}\n"
    yield ABOUT.get(name, "") + "\n"
    yield _conditions(run["conditions"]) + "\n"
    yield from _broken(run)
    if name in plots:
        yield _image(f"Figures of {name}", plots[name]) + "\n"
    rows = sorted(run["figures"], key=lambda row: not row["targets"])
    first = [row for row in rows if row["targets"]] or rows[:_MOST_ROWS]
    yield from _table(first)
    rest = [row for row in rows if row not in first]
    if rest:
        yield f"\n<details><summary>{len(rest)} more figures</summary>\n"
        yield from _table(rest)
        yield "\n</details>"
    yield from (f"\n{line}" for line in run["details"].get("fairness", ()))


def _broken(run: Run) -> Iterator[str]:
    """What did not go as it should in this run."""
    failures = run["details"].get("failures", [])
    if failures:
        yield f"What failed in this run ({len(failures)}):\n"
        yield from (f"- {line}" for line in failures)
        yield ""


def _conditions(of: Mapping[str, Any]) -> str:
    """The machine and the run in a paragraph."""
    machine = of["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    words = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']} ({packages}); "
        f"load {of.get('load_before', '?')} before, {of.get('load_after', '?')} after; "
        f"code {of.get('code', 'unknown')}."
    ]
    if of.get("quick"):
        words.append("**A quick run: it shows that things work, not how well.**")
    if of.get("steady") is False:
        words.append(
            f"**The machine was not steady** ({of['late_ticks']} late ticks, the latest "
            f"{of['latest_tick_ms']} ms): repeat the run on an idle one."
        )
    if of.get("peer_versions"):
        versions = ", ".join(f"{name} {one}" for name, one in of["peer_versions"].items())
        words.append(f"The peer: {versions}; {of['rounds']} rounds in turn; {of['server']}.")
    words += [f"Left out: {name}: {why}." for name, why in of.get("left_out", {}).items()]
    return "\n".join(words)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield "| figure | unit | median | p95 | n | target | |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        limits = "; ".join(_limit(one) for one in row["targets"])
        verdict = "; ".join(one["verdict"] for one in row["targets"])
        count = len(row["samples"]) or ""
        yield (
            f"| `{row['figure']}` | {row['unit']} | {_number(row['median'])} | "
            f"{_number(row['p95'])} | {count} | {limits} | {verdict} |"
        )


def _limit(one: Mapping[str, str]) -> str:
    return one["limit"] if one["of"] == "median" else f"{one['of']} {one['limit']}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= _MANY else f"{value:.4g}"


def _image(words: str, name: str) -> str:
    return f"![{words}](images/{name})"


def _place(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
