#!/usr/bin/env python3
"""All benchmarks: each prints a table and, with --json FILE, writes its figures and conditions.

Quote medians and ratios of one run, from an otherwise idle machine; its load is on record.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import voice  # noqa: F401 - before numpy: it says how many threads that takes
from scripts.benchmarks.figures import write

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures.")]
Parts = Annotated[str, typer.Option(help="What to measure, with commas between.")]
Plots = Annotated[Path | None, typer.Option(metavar="DIR", help="Draw into DIR.")]


@app.callback()
def _common() -> None:
    """Benchmarks."""


@app.command()
def session(
    agent: Annotated[str, typer.Option(help="`local`, or `script` (150 ms, 60 tokens/s).")] = (
        "script"
    ),
    starts: Annotated[int, typer.Option(help="How often the program is started.")] = 3,
    turns: Annotated[int, typer.Option(help="Questions asked in each start.")] = 6,
    out: Json = None,
) -> None:
    """Start-up time, peak memory of all processes, and voice-to-voice time, through the rig."""
    from scripts.benchmarks.session import measure_session  # noqa: PLC0415

    result = measure_session(agent, starts, turns)
    for name, value in result.items():
        print(f"{name:28} {value}")
    write(out, result)


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
    result = measure_listen(plan, lambda figures: write(out, figures))
    if plots is not None and plan.variants:
        from scripts.benchmarks.listen_plots import plot_tradeoff  # noqa: PLC0415

        plot_tradeoff(result["tradeoff"], plots / "listening-tradeoff.svg")
    print(report(result, plan.models))


@app.command()
def responses(
    parts: Parts = "memory,events,bytes,bargein,rotation,recovery,ahead,eager",
    quick: Annotated[bool, typer.Option(help="A few repeats of each: does it work?")] = False,
    out: Json = None,
) -> None:
    """The way to the server: cost of events, bytes, interruptions, lost connections, memory."""
    from scripts.benchmarks.parts import report  # noqa: PLC0415
    from scripts.benchmarks.responses import PARTS, measure_responses  # noqa: PLC0415
    from scripts.benchmarks.responses_figures import TARGETS  # noqa: PLC0415

    chosen = _chosen(parts, PARTS)
    result = measure_responses(chosen, lambda figures: write(out, figures), quick=quick)
    print(report(result, TARGETS))


@app.command()
def speak(
    name: Annotated[str, typer.Option("--voice", help="A voice's name or .onnx file.")] = (
        "en_US-joe-medium"
    ),
    rounds: Annotated[int, typer.Option(help="How often each clause is spoken.")] = 5,
    threads: Annotated[str, typer.Option(help="Numbers of cores, with commas between.")] = "1,2",
    out: Json = None,
) -> None:
    """Time to the first sound of clauses, work for a second of sound, and whether it is right."""
    from scripts.benchmarks.speak import measure_speak, report  # noqa: PLC0415

    result = measure_speak(name, rounds, [int(count) for count in threads.split(",")])
    write(out, result)
    print(report(result))


@app.command()
def commands(
    model: Annotated[str, typer.Option(help="A model's name or .gguf file.")] = (
        "qwen2.5-coder-0.5b"
    ),
    out: Json = None,
) -> None:
    """Spoken commands: whether the right tools are called, and none where none is due."""
    from scripts.benchmarks.commands import measure_commands, report  # noqa: PLC0415
    from voice.models.resolve import weights  # noqa: PLC0415

    result = measure_commands(weights(model, ".gguf"))
    write(out, result)
    print(report(result))


@app.command()
def server(
    parts: Parts = "talk,events,connections,stop",
    quick: Annotated[bool, typer.Option(help="A few repeats, without a model.")] = False,
    plots: Plots = None,
    out: Json = None,
) -> None:
    """The local server: first words by way and turn, relaying, connections, stopping."""
    from scripts.benchmarks.parts import report  # noqa: PLC0415
    from scripts.benchmarks.server import PARTS, measure_server  # noqa: PLC0415
    from scripts.benchmarks.server_figures import TARGETS  # noqa: PLC0415

    chosen = _chosen(parts, PARTS)
    result = measure_server(chosen, lambda figures: write(out, figures), quick=quick)
    if plots is not None and "first_token_by_way" in result["figures"]:
        from scripts.benchmarks.server_plot import plot_first_token  # noqa: PLC0415

        plot_first_token(result["figures"], plots / "server-first-token.png")
    print(report(result, {} if quick else TARGETS))


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
    quick: Annotated[bool, typer.Option(help="A few of each: does it work?")] = False,
    out: Json = None,
) -> None:
    """How the agent gives way to recordings of people, and not to its echo, through the rig."""
    from scripts.benchmarks.duplex import Plan, measure_duplex  # noqa: PLC0415
    from scripts.benchmarks.duplex import quick as quick_plan  # noqa: PLC0415
    from scripts.benchmarks.duplex_figures import report  # noqa: PLC0415

    if agent not in ("script", "local"):
        raise typer.BadParameter("it is script or local", param_hint="--agent")
    plan = (
        quick_plan(agent, minutes)
        if quick
        else (Plan(agent, interruptions, minutes=minutes, conversation_minutes=conversation))
    )
    print(report(measure_duplex(plan, lambda figures: write(out, figures))))


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
) -> None:
    """Tools: what a call costs beside the tool, calls at once, MCP, and spoken commands."""
    from scripts.benchmarks.tools import PARTS, measure_tools, report  # noqa: PLC0415

    chosen = _chosen(parts, PARTS) if parts else []
    spoken_to = [name.strip() for name in models.split(",")] if spoken else []
    save = partial(write, out)
    print(report(measure_tools(chosen, spoken_to, save, quick=quick)))


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
