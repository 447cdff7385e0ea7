#!/usr/bin/env python3
"""All benchmarks: each prints a table and, with --json FILE, writes its figures and conditions.

Sound goes through the audio rig (tests/support/rig.py): the program under test opens an ordinary
microphone and speaker. Quote medians and ratios of one run; the machine's load is on record.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.programs import Running, running, script_server, speech_samples  # noqa: E402
from tests.support.rig import AudioRig, available  # noqa: E402

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures.")]

QUESTIONS = ["what_time_is_it", "turn_on_the_living_room_lamp", "how_old_is_the_brooklyn_bridge"]
SPEECH = ROOT / "tests" / "data" / "speech"


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
    if reason := available():
        raise SystemExit(reason)
    figures: dict[str, list[float]] = {"start": [], "memory": [], "v2v": [], "traced_v2v": []}
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        url = "local"
        if agent == "script":
            url = stack.enter_context(script_server("--ttft", "0.15", "--tokens-per-second", "60"))
        for number in range(starts):
            print(f"start {number + 1} of {starts}", file=sys.stderr)
            _measure(url, turns, figures)
    result = {
        "agent": agent,
        "turns": len(figures["v2v"]),
        "start_seconds_p50": round(statistics.median(figures["start"]), 2),
        "peak_memory_mb": round(max(figures["memory"])),
        "voice_to_voice_p50": _quantile(figures["v2v"], 0.5),
        "voice_to_voice_p95": _quantile(figures["v2v"], 0.95),
        "traced_voice_to_voice_p50": _quantile(figures["traced_v2v"], 0.5),
        "speech": "tests/data/speech",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load_before": round(load_before, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    for name, value in result.items():
        print(f"{name:28} {value}")
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n")


def _measure(url: str, turns: int, figures: dict[str, list[float]]) -> None:
    """One start of the program, and some questions."""
    with AudioRig() as rig, tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "t.jsonl"
        began = time.monotonic()
        with (
            running("run", "--agent", url, trace=trace, env=rig.env) as program,
            _peak_memory(program.process.pid, figures["memory"]),
        ):
            listening = program.wait_for("listening")["at"]
            figures["start"].append(listening - began)
            time.sleep(1.0 if url != "local" else 6.0)  # the server reads its instructions
            for turn in range(turns):
                clip = speech_samples(SPEECH / f"{QUESTIONS[turn % len(QUESTIONS)]}.flac")
                figures["v2v"].append(_ask(rig, program, clip, turn))
                done = program.events("turn.completed")[turn]
                figures["traced_v2v"].append(done["latency"]["voice_to_voice"])
                time.sleep(0.7)


def _ask(rig: AudioRig, program: Running, clip: Any, turn: int) -> float:
    """Seconds from the last sample of speech to the first audible sound of the answer."""
    rig.say(clip)
    program.wait_for("turn.completed", count=turn + 1)
    end_of_speech = program.events("speech.ended")[-1]["at"]
    sounds = rig.speaker.sounds(end_of_speech)
    return sounds[0] - end_of_speech


@contextmanager
def _peak_memory(pid: int, peaks: list[float]) -> Iterator[None]:
    """Watch the memory (RSS, MB) of a process with all its children, and note the peak."""
    stop, peak = threading.Event(), [0.0]

    def watch() -> None:
        while not stop.wait(0.1):
            peak[0] = max(peak[0], sum(_rss_mb(one) for one in _family(pid)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield
    stop.set()
    watcher.join()
    peaks.append(peak[0])


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in children for member in _family(int(child)))]


def _rss_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


if __name__ == "__main__":
    app()
