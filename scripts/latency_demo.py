#!/usr/bin/env python3
"""The latency demo: what WebSocket mode and this pipeline save, on your machine, in a minute.

The same chain of tool calls is held over HTTP and over a WebSocket, through a link that delays as
a network does; then with a language model that has to read what it is sent; then our client is fed
with tokens until it falls behind; then recorded questions go through the whole pipeline.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import voice  # noqa: F401 - before numpy: it says how many threads that takes
from scripts.benchmarks.figures import write
from scripts.demo.plan import (
    FULL,
    MINUTE,
    QUICK,
    Request,
    default_speech,
    read_parts,
    read_rtts,
)
from voice.errors import UsageError, VoiceError

if TYPE_CHECKING:
    from scripts.demo.results import Results

_TEXT = f"""{__doc__}
The parts of --parts:

transport: our server answers at once, so what is left is the way to it: (a) HTTP with a new
connection a call, (b) HTTP kept alive, both with the whole context; (c) HTTP kept alive with
previous_response_id; (d) WebSocket, only what is new; (e) the same, connected and warmed up before.

model: the same with the 0.5 B model. Cold: the server has nothing of the request in its cache.

rate: 65, 1,000 and 4,000 tokens a second, and as many as there are.

voice: from the last sample of a question to the first of the answer, with mechanisms on and off.

Examples:  scripts/latency_demo.py  |  scripts/latency_demo.py --parts transport --rtt 60 --repeat 5
|  OPENAI_API_KEY=… scripts/latency_demo.py --url https://api.openai.com/v1 --model M --rtt 0
"""
_HELP = "\n\n".join(" ".join(paragraph.split()) for paragraph in _TEXT.split("\n\n"))

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=_HELP)
def latency_demo(
    parts: Annotated[
        str | None,
        typer.Option(
            metavar="P,…", help="Default: transport,model,rate,voice; with --url the first."
        ),
    ] = None,
    rtt: Annotated[
        str | None,
        typer.Option(
            metavar="MS,…",
            help="Round-trip times that the link adds. Default: 0,20,60; --full also 120.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Tool calls in a chain of the transport part.")
    ] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="Rounds of the transport part.")] = None,
    url: Annotated[
        str, typer.Option(help="Ask this server instead of ours (key in OPENAI_API_KEY).")
    ] = "",
    model: Annotated[str, typer.Option(metavar="M", help="Its model, with --url.")] = "",
    tls: Annotated[
        bool, typer.Option("--tls/--no-tls", help="TLS between us and our own server.")
    ] = True,
    full: Annotated[
        bool, typer.Option("--full", help="All of it, to be quoted: half an hour.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="As little as possible: does it work?")
    ] = False,
    speech: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Recordings of the questions.")
    ] = None,
    page: Annotated[Path, typer.Option("--html", metavar="FILE", help="The page.")] = Path(
        "latency-demo.html"
    ),
    plots: Annotated[Path | None, typer.Option(metavar="DIR", help="Plots as PNGs.")] = None,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Every figure and measurement.")
    ] = None,
) -> None:
    """The command line; its help is `_HELP`."""
    if full and quick:
        raise UsageError("--full and --quick contradict each other", "leave one of them out")
    sizes = FULL if full else QUICK if quick else MINUTE
    sizes = replace(sizes, steps=steps or sizes.steps, rounds=repeat or sizes.rounds)
    request = Request(
        parts=read_parts(parts, url),
        sizes=sizes,
        rtts_ms=read_rtts(rtt) if rtt else sizes.rtts_ms,
        tls=tls,
        speech=speech or default_speech(),
        url=url,
        key=os.environ.get("OPENAI_API_KEY", ""),
        model=model,
    )
    for path in (page, out):
        if path is not None and not path.resolve().parent.is_dir():
            raise UsageError(f"{path.parent} is no folder", f"choose another place for {path.name}")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("the page's plots need matplotlib", "scripts/setup --test installs it")
    _demonstrate(request, quick, page, plots, out)


def _demonstrate(
    request: Request, quick: bool, page: Path, plots: Path | None, out: Path | None
) -> None:
    from rich.console import Console  # noqa: PLC0415 - so that --help is quick
    from rich.live import Live  # noqa: PLC0415

    from scripts.demo.live import shown  # noqa: PLC0415
    from scripts.demo.measure import measure  # noqa: PLC0415
    from scripts.demo.results import Results, as_json  # noqa: PLC0415
    from scripts.demo.words import conditions, summary  # noqa: PLC0415

    console, results = Console(highlight=False), Results()

    async def run() -> None:
        with Live(console=console, refresh_per_second=4) as live:
            async for doing in measure(request, results, quick=quick):
                live.update(shown(results, doing))
                if not console.is_terminal:  # there a live table appears only at its end
                    print(doing, file=sys.stderr, flush=True)
            live.update(shown(results, ""))

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        console.print("Broken off; this is what was measured until then.")
    write(out, as_json(results))
    for part, lines in summary(results).items():
        console.print(f"\n[bold]{part}[/bold]")
        for line in lines:
            console.print(line, markup=False)
    console.print(f"\n{conditions(results)}", style="dim", markup=False)
    _draw(results, page, plots)
    console.print(f"The page: {page}", markup=False)


def _draw(results: Results, page: Path, folder: Path | None) -> None:
    from scripts.demo.page import page as html_page  # noqa: PLC0415
    from scripts.demo.page import plots, save_pictures  # noqa: PLC0415

    page.write_text(html_page(results), encoding="utf-8")
    if folder is not None:
        save_pictures(plots(results), folder)


def _first_error(error: BaseException) -> VoiceError | None:
    """The user's error, also out of a group from several tasks."""
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_first_error, error.exceptions)), None)
    return error if isinstance(error, VoiceError) else None


def main() -> None:
    """An error is one line on stderr and an exit code, never a traceback."""
    try:
        app()
    except (VoiceError, BaseExceptionGroup) as error:
        known = _first_error(error)
        if known is None:
            raise
        print(f"latency_demo: {known}", file=sys.stderr)
        sys.exit(known.exit_code)


if __name__ == "__main__":
    main()
