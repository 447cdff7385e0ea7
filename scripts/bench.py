#!/usr/bin/env python3
"""All benchmarks: each prints a table and, with --json FILE, writes its figures and conditions.

--compare OLD.json tells what has changed since, and whether that is more than noise. Quote
medians and ratios of one run, from an otherwise idle machine; its load is on record.
"""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import voice  # noqa: F401 - before numpy: it says how many threads that takes
from scripts.benchmarks.book_sink import BookError, Sink
from scripts.benchmarks.figures import Target

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures.")]
Old = Annotated[
    Path | None,
    typer.Option("--compare", metavar="OLD.json", help="Say what has changed since that run."),
]
Parts = Annotated[str, typer.Option(help="What to measure, with commas between.")]
Plots = Annotated[Path | None, typer.Option(metavar="DIR", help="Draw into DIR.")]


@app.callback()
def _common() -> None:
    """Benchmarks."""
    signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> NoReturn:
    """As an exception, so that the programs under test end, too."""
    raise SystemExit(128 + signal.SIGTERM)


@app.command()
def session(
    agent: Annotated[str, typer.Option(help="`local`, or `script` (150 ms, 60 tokens/s).")] = (
        "script"
    ),
    starts: Annotated[int, typer.Option(help="How often the program is started.")] = 3,
    turns: Annotated[int, typer.Option(help="Questions asked in each start.")] = 6,
    out: Json = None,
    old: Old = None,
) -> None:
    """Start-up time, peak memory of all processes, and voice-to-voice time, through the rig."""
    from scripts.benchmarks.session import measure_session  # noqa: PLC0415

    sink = _sink("session", out, old)
    result = measure_session(agent, starts, turns)
    for name, value in result.items():
        if name != "samples":
            print(f"{name:28} {value}")
    sink.save(result)
    sink.compare()


@app.command()
def listen(
    models: Annotated[str, typer.Option(help="Models, with commas between.")] = "tiny.en,base",
    speech: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Recordings with a manifest.jsonl.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="A few clips of each kind: does it work?")] = False,
    clips: Annotated[int, typer.Option(help="At most so many of each kind; 0: all.")] = 0,
    minutes: Annotated[float, typer.Option(help="Sound in real time, a model.")] = 5.0,
    noise_minutes: Annotated[float, typer.Option(help="Noise, a model.")] = 6.0,
    jobs: Annotated[int, typer.Option(help="Processes for what is not timed.")] = 2,
    threads: Annotated[int, typer.Option(help="Cores in real time; 0: the default.")] = 0,
    variants: Annotated[bool, typer.Option(help="Ablation and sweep of thresholds.")] = True,
    plots: Plots = None,
    out: Json = None,
    old: Old = None,
) -> None:
    """Word errors, endpoints, cut-offs and times of listening, over recordings of real speech."""
    from scripts.benchmarks.listen import Plan, measure_listen, report  # noqa: PLC0415
    from scripts.benchmarks.listen_clips import default_folder  # noqa: PLC0415

    folder = speech or default_folder()
    if not (folder / "manifest.jsonl").is_file():
        raise typer.BadParameter(f"{folder} holds no manifest.jsonl", param_hint="--speech")
    plan = Plan(
        models=tuple(name.strip() for name in models.split(",")),
        folder=folder,
        minutes=min(minutes, 0.4) if quick else minutes,
        noise_minutes=min(noise_minutes, 0.5) if quick else noise_minutes,
        most_of_category=2 if quick else clips,
        longest_seconds=12.0 if quick else math.inf,
        jobs=jobs,
        threads=threads,
        variants=variants,
    )
    sink = _sink("listen", out, old)
    result = measure_listen(plan, sink.save)
    if plots is not None and plan.variants:
        from scripts.benchmarks.listen_plots import plot_tradeoff  # noqa: PLC0415

        plot_tradeoff(result["tradeoff"], plots / "listening-tradeoff.svg")
    print(report(result, plan.models))
    sink.compare()


@app.command()
def responses(
    parts: Parts = "memory,events,bytes,bargein,rotation,recovery,ahead,eager",
    quick: Annotated[bool, typer.Option(help="A few repeats of each: does it work?")] = False,
    out: Json = None,
    old: Old = None,
) -> None:
    """The way to the server: cost of events, bytes, interruptions, lost connections, memory."""
    from scripts.benchmarks.parts import report  # noqa: PLC0415
    from scripts.benchmarks.responses import PARTS, measure_responses  # noqa: PLC0415
    from scripts.benchmarks.responses_figures import TARGETS  # noqa: PLC0415

    chosen = _chosen(parts, PARTS)
    sink = _sink("responses", out, old, TARGETS)
    print(report(measure_responses(chosen, sink.save, quick=quick), TARGETS))
    sink.compare()


@app.command()
def speak(
    name: Annotated[str, typer.Option("--voice", help="A voice's name or .onnx file.")] = (
        "en_US-joe-medium"
    ),
    rounds: Annotated[int, typer.Option(help="How often each clause is spoken.")] = 5,
    threads: Annotated[str, typer.Option(help="Numbers of cores, with commas between.")] = "1,2",
    out: Json = None,
    old: Old = None,
) -> None:
    """Time to the first sound of clauses, work for a second of sound, and whether it is right."""
    from scripts.benchmarks.speak import measure_speak, report  # noqa: PLC0415

    sink = _sink("speak", out, old)
    result = measure_speak(name, rounds, [int(count) for count in threads.split(",")])
    sink.save(result)
    print(report(result))
    sink.compare()


@app.command()
def commands(
    model: Annotated[str, typer.Option(help="A model's name or .gguf file.")] = (
        "qwen2.5-coder-0.5b"
    ),
    out: Json = None,
    old: Old = None,
) -> None:
    """Spoken commands: whether the right tools are called, and none where none is due."""
    from scripts.benchmarks.commands import measure_commands, report  # noqa: PLC0415
    from voice.models.resolve import weights  # noqa: PLC0415

    sink = _sink("commands", out, old)
    result = measure_commands(weights(model, ".gguf"))
    sink.save(result)
    print(report(result))
    sink.compare()


@app.command()
def server(
    parts: Parts = "talk,events,connections,stop",
    quick: Annotated[bool, typer.Option(help="A few repeats, without a model.")] = False,
    plots: Plots = None,
    out: Json = None,
    old: Old = None,
) -> None:
    """The local server: first words by way and turn, relaying, connections, stopping."""
    from scripts.benchmarks.parts import report  # noqa: PLC0415
    from scripts.benchmarks.server import PARTS, measure_server  # noqa: PLC0415
    from scripts.benchmarks.server_figures import TARGETS  # noqa: PLC0415

    chosen = _chosen(parts, PARTS)
    sink = _sink("server", out, old, {} if quick else TARGETS)
    result = measure_server(chosen, sink.save, quick=quick)
    if plots is not None and "first_token_by_way" in result["figures"]:
        from scripts.benchmarks.server_plot import plot_first_token  # noqa: PLC0415

        plot_first_token(result["figures"], plots / "server-first-token.png")
    print(report(result, {} if quick else TARGETS))
    sink.compare()


@app.command()
def duplex(
    agent: Annotated[
        str, typer.Option(help="`script` (150 ms, 60 tokens/s); `local`: voice-to-voice alone.")
    ] = "script",
    minutes: Annotated[float, typer.Option(help="The agent's speech on each echo path.")] = 0.4,
    interruptions: Annotated[int, typer.Option(help="By as many recordings of people.")] = 20,
    conversation: Annotated[
        float, typer.Option(help="Only this: minutes of talk with echo, sounds, interruptions.")
    ] = 0.0,
    short: Annotated[bool, typer.Option(help="As in `all`: some of each, one echo path.")] = False,
    quick: Annotated[bool, typer.Option(help="A few of each: does it work?")] = False,
    out: Json = None,
    old: Old = None,
) -> None:
    """How the agent gives way to recordings of people, and not to its echo, through the rig."""
    from scripts.benchmarks.duplex import SHORT, Plan, measure_duplex  # noqa: PLC0415
    from scripts.benchmarks.duplex import quick as quick_plan  # noqa: PLC0415
    from scripts.benchmarks.duplex_figures import (  # noqa: PLC0415
        LOCAL_TARGETS,
        TARGETS,
        report,
    )

    if agent not in ("script", "local"):
        raise typer.BadParameter("it is script or local", param_hint="--agent")
    plan = Plan(agent, interruptions, minutes=minutes, conversation_minutes=conversation)
    plan = quick_plan(agent, minutes) if quick else SHORT if short else plan
    sink = _sink("duplex", out, old, TARGETS if agent == "script" else LOCAL_TARGETS)
    print(report(measure_duplex(plan, sink.save)))
    sink.compare()


@app.command()
def apps(
    parts: Parts = "rest,faults,visits,wake",
    quick: Annotated[bool, typer.Option(help="A little of each: does it work?")] = False,
    out: Json = None,
    old: Old = None,
) -> None:
    """The applications: start, cost at rest, faults, visits, wake word; `soak`: an hour."""
    from scripts.benchmarks.apps import PARTS, TARGETS, measure_apps  # noqa: PLC0415
    from scripts.benchmarks.figures import table  # noqa: PLC0415

    chosen = _chosen(parts, PARTS)
    sink = _sink("soak" if chosen == ["soak"] else "apps", out, old, TARGETS)
    result = measure_apps(chosen, quick, sink.save)
    print(table(result["figures"], TARGETS))
    sink.compare()


@app.command()
def tools(
    parts: Parts = "overhead,parallel,mcp",
    spoken: Annotated[bool, typer.Option(help="Also speak forty commands, through the rig.")] = (
        False
    ),
    models: Annotated[str, typer.Option(help="To whom, with commas between.")] = (
        "qwen2.5-coder-0.5b,qwen2.5-coder-1.5b"
    ),
    quick: Annotated[bool, typer.Option(help="A few of each: does it work?")] = False,
    out: Json = None,
    old: Old = None,
) -> None:
    """Tools: what a call costs beside the tool, calls at once, MCP, and spoken commands."""
    from scripts.benchmarks.tools import (  # noqa: PLC0415
        PARTS,
        TARGETS,
        measure_tools,
        report,
    )

    chosen = _chosen(parts, PARTS) if parts else []
    spoken_to = [name.strip() for name in models.split(",")] if spoken else []
    sink = _sink("tools", out, old, TARGETS)
    print(report(measure_tools(chosen, spoken_to, sink.save, quick=quick)))
    sink.compare()


@app.command()
def peers(
    turns: Annotated[int, typer.Option(help="Questions asked of each program.")] = 24,
    quick: Annotated[bool, typer.Option(help="One or two of each: does it work?")] = False,
    out: Json = None,
    old: Old = None,
) -> None:
    """pipecat beside our program: times, interruptions, processor and memory, as ratios."""
    from scripts.benchmarks.peers import QUICK, Plan, measure_peers  # noqa: PLC0415
    from scripts.benchmarks.peers_environment import PeerError  # noqa: PLC0415
    from scripts.benchmarks.peers_figures import report  # noqa: PLC0415

    plan = QUICK if quick else Plan(turns=turns)
    sink = _sink("peers", out, old)
    try:
        print(report(measure_peers(plan, sink.save)))
    except PeerError as error:
        raise SystemExit(str(error)) from None
    sink.compare()


@app.command(name="all")
def run_everything(
    folder: Annotated[
        Path, typer.Option("--json", metavar="DIR", help="Where figures and reports go.")
    ] = Path("benchmarks"),
    minutes: Annotated[float, typer.Option(help="What is not done by then is broken off.")] = 20.0,
    quick: Annotated[bool, typer.Option(help="A little of each: does it work?")] = False,
) -> None:
    """All benchmarks but `peers`, one after the other, with sizes for two cores."""
    from scripts.benchmarks.all_runs import run_all, summary  # noqa: PLC0415

    outcomes = run_all(folder, minutes, lambda line: print(line, file=sys.stderr), quick=quick)
    print(summary(outcomes))
    raise typer.Exit(int(any(one.problem for one in outcomes)))


@app.command()
def book(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `all --json DIR` wrote.")],
    page: Annotated[Path, typer.Option(metavar="FILE.md", help="Plots go beside it.")] = Path(
        "docs/benchmarks.md"
    ),
) -> None:
    """The page of figures, targets and plots, from the files of a folder."""
    from scripts.benchmarks.book import write_book  # noqa: PLC0415

    try:
        write_book(folder, page)
    except BookError as error:
        raise typer.BadParameter(str(error), param_hint="DIR") from None
    print(f"wrote {page}")


def _sink(
    benchmark: str,
    out: Path | None,
    old: Path | None,
    targets: Mapping[str, Target] | None = None,
) -> Sink:
    """Before anything is measured: a file that cannot be read must not cost minutes."""
    try:
        return Sink(benchmark, out, old, targets)
    except BookError as error:
        raise typer.BadParameter(str(error), param_hint="--compare") from None


def _chosen(parts: str, known: Collection[str]) -> list[str]:
    """The parts that are asked for. Raises `BadParameter`."""
    chosen = [name.strip() for name in parts.split(",")]
    for name in chosen:
        if name not in known:
            names = ", ".join(known)
            raise typer.BadParameter(f"{name}: the parts are {names}", param_hint="--parts")
    return chosen


if __name__ == "__main__":
    app()
