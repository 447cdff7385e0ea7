#!/usr/bin/env python3
"""Throws malformed and reordered messages at the server, and looks whether it minds.

What must hold is in `tests/support/fuzzing/oracle.py`: every request gets one answer, lanes keep
their order, and nobody hears of what another said. A run follows from its seed.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.fuzzing import machine as fuzzing_machine
from tests.support.fuzzing import server as fuzzing_server

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)

BATCH_MESSAGES: Final = 6000
"""Messages to the real server between two looks at its health."""

_LEAK_MB: Final = 60.0
"""Caches and the allocator's own holes; a connection that is kept costs a tenth of a megabyte."""
_REPORT_SECONDS: Final = 10.0

Messages = Annotated[int, typer.Option(help="How many messages, at least.")]
Seed = Annotated[str, typer.Option(help="What the messages follow from.")]


@app.command()
def machine(
    messages: Messages = 100_000,
    seed: Seed = "1",
    first: Annotated[int, typer.Option(help="Episode to begin with.")] = 0,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Play an episode that was written.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where an episode that fails is written.")
    ] = Path("fuzz-replay.jsonl"),
) -> None:
    """The protocol machine by itself, in simulated time: many connections with one store."""
    if replay:
        world = fuzzing_machine.play(fuzzing_machine.read(replay.read_bytes()))
        _report(world.ledger.counts, 0.0)
        return
    counts: Counter[str] = Counter()
    progress = _Progress(messages)
    episode = first
    while counts["messages"] < messages:
        steps = list(fuzzing_machine.steps(f"{seed}:{episode}"))
        try:
            counts += fuzzing_machine.play(steps).ledger.counts
        except Exception as error:
            print(f"seed {seed}, episode {episode}: {error!r}", file=sys.stderr)
            shortest = fuzzing_machine.minimal(steps)
            out.write_bytes(fuzzing_machine.written(shortest))
            print(f"{len(shortest)} steps do: scripts/fuzz.py machine --replay {out}")
            raise
        episode += 1
        progress.show(counts)
    _report(counts, progress.seconds)
    print(f"{_own_rss_mb():9.1f} MB at most")


@app.command()
def server(
    messages: Messages = 50_000,
    seed: Seed = "1",
    first: Annotated[int, typer.Option(help="Batch to begin with, after a failure.")] = 0,
) -> None:
    """The real server in a process of its own: WebSockets, HTTP, and what is neither."""
    asyncio.run(_serve(messages, seed, first))


async def _serve(messages: int, seed: str, first: int) -> None:
    counts: Counter[str] = Counter()
    progress = _Progress(messages)
    async with fuzzing_server.running() as server:
        await fuzzing_server.healthy(server)
        before: fuzzing_server.Remains | None = None
        number = first
        while counts["messages"] < messages:
            try:
                counts += await fuzzing_server.batch(
                    server, f"{seed}:{number}", min(BATCH_MESSAGES, messages)
                )
                remains = await fuzzing_server.calm(server)
            except BaseException:
                _report(counts, progress.seconds)
                print(f"in this batch: --seed {seed} --first {number} --messages 1")
                print("\n".join(server.said[-60:]), file=sys.stderr)
                raise
            before = before or remains  # the first batch loads and caches all sorts of things
            number += 1
            progress.show(counts, remains.rss_mb)
        goodbye = await fuzzing_server.ended(server)
    assert before is not None
    _report(counts, progress.seconds)
    print(f"{before.rss_mb:9.1f} MB after the first batch, {remains.rss_mb:.1f} MB after the last")
    print(f"{before.open_files:9} open files after the first, {remains.open_files} after the last")
    print(f"{goodbye:9.2f} s from SIGTERM to the end, with 8 responses under way")
    fuzzing_server.expect(remains.open_files <= before.open_files, "files are left open")
    fuzzing_server.expect(remains.rss_mb <= before.rss_mb + _LEAK_MB, "memory is not given back")


class _Progress:
    """A line now and then."""

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._began = self._shown = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def show(self, counts: Counter[str], rss_mb: float | None = None) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if now - self._shown < _REPORT_SECONDS:
            return
        self._shown = now
        memory = "" if rss_mb is None else f", server {rss_mb:.0f} MB"
        rate = counts["messages"] / self.seconds
        print(f"{counts['messages']:9} of {self._messages}, {rate:.0f}/s{memory}", flush=True)


def _report(counts: Counter[str], seconds: float) -> None:
    for name, count in counts.most_common():
        print(f"{count:9} {name}")
    print(f"{seconds:9.1f} s")


def _own_rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    app()
