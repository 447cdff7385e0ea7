"""All benchmarks one after the other, each in a process of its own, within a number of minutes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.figures import ROOT

_BENCH = ROOT / "scripts" / "bench.py"

_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Run:
    """A benchmark with sizes for `all`, and its share of the time."""

    name: str
    share: float
    arguments: tuple[str, ...] = ()


RUNS = (
    Run("tools", 0.4),
    Run("speak", 1.5, ("--rounds", "3", "--threads", "2")),
    Run("server", 2.4, ("--parts", "events,connections,stop")),
    Run("responses", 3.0, ("--parts", "events,bytes,bargein,rotation,recovery,memory")),
    Run("apps", 5.8, ("--parts", "rest,faults")),
    Run("duplex", 4.8, ("--short",)),
    Run(
        "listen",
        2.4,
        (
            *("--models", "tiny.en", "--clips", "3", "--no-variants"),
            *("--minutes", "0.5", "--noise-minutes", "0.5"),
        ),
    ),
)
"""The quick ones first: what is over its time takes from nobody."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its seconds, and what went wrong, if anything did."""

    name: str
    seconds: float
    problem: str = ""


def planned(names: Sequence[str] | None = None) -> list[Run]:
    """The runs there are, or those of them that are named."""

    return [run for run in RUNS if names is None or run.name in names]


def limits(runs: Sequence[Run], minutes: float) -> dict[str, float]:
    """The seconds that each run may take, by its share."""
    whole = sum(run.share for run in runs)
    return {run.name: 60 * minutes * run.share / whole for run in runs}


def run_all(
    folder: Path, minutes: float, tell: Callable[[str], None], *, quick: bool = False
) -> list[Outcome]:
    """Run all, each with `FOLDER/NAME.json`; one that fails does not stop the others."""
    folder.mkdir(parents=True, exist_ok=True)
    runs, outcomes = planned(), []
    seconds = limits(runs, minutes)
    for number, run in enumerate(runs, 1):
        tell(f"[{number}/{len(runs)}] {run.name}, at most {seconds[run.name]:.0f} s")
        outcome = _run(run, folder, seconds[run.name], quick=quick)
        tell(f"[{number}/{len(runs)}] {run.name}: {_said(outcome)}")
        outcomes.append(outcome)
    return outcomes


def summary(outcomes: Sequence[Outcome]) -> str:
    """A line for each run, and how long all took."""
    lines = [f"{one.name:12} {_said(one)}" for one in outcomes]
    return "\n".join([*lines, f"{'all':12} {sum(one.seconds for one in outcomes):.0f} s"])


def _said(outcome: Outcome) -> str:
    how = f"FAILED: {outcome.problem}" if outcome.problem else "done"
    return f"{how}, {outcome.seconds:.0f} s"


def _run(run: Run, folder: Path, seconds: float, *, quick: bool) -> Outcome:
    out = folder / f"{run.name}.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, str(_BENCH), run.name, *run.arguments, "--json", str(out)]
    command += ["--quick"] if quick and run.name != "speak" else []
    began = time.monotonic()
    with (folder / f"{run.name}.txt").open("w") as report:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=report)
        problem = _wait(process, seconds)
    kept = " (what it had measured is kept)" if problem and out.exists() else ""
    return Outcome(run.name, time.monotonic() - began, problem + kept)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> str:
    """What went wrong; nothing if it ended well and in time."""
    try:
        code = process.wait(seconds)
        return f"it ended with {code}" if code else ""
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return f"not done after {seconds:.0f} s"
