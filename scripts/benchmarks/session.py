"""The session benchmark: start-up, memory and voice-to-voice time, through the audio rig.

The program under test opens an ordinary microphone and speaker (tests/support/rig.py).
"""

from __future__ import annotations

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
from typing import Any

from scripts.benchmarks.figures import ROOT, kept, load, quantile, rounded
from tests.support.programs import Running, running, script_server, speech_samples
from tests.support.rig import AudioRig, available

QUESTIONS = ["what_time_is_it", "turn_on_the_living_room_lamp", "how_old_is_the_brooklyn_bridge"]
SPEECH = ROOT / "tests" / "data" / "speech"


def measure_session(agent: str, starts: int, turns: int) -> dict[str, Any]:
    """The figures of `starts` starts of the program with `turns` questions each."""
    if reason := available():
        raise SystemExit(reason)
    figures: dict[str, list[float]] = {"start": [], "memory": [], "v2v": [], "traced_v2v": []}
    load_before = load()
    with ExitStack() as stack:
        url = "local"
        if agent == "script":
            url = stack.enter_context(script_server("--ttft", "0.15", "--tokens-per-second", "60"))
        for number in range(starts):
            print(f"start {number + 1} of {starts}", file=sys.stderr)
            _measure(url, turns, figures)
    return {
        "agent": agent,
        "turns": len(figures["v2v"]),
        "start_seconds_p50": round(statistics.median(figures["start"]), 2),
        "peak_memory_mb": round(max(figures["memory"])),
        "voice_to_voice_p50": rounded(quantile(figures["v2v"], 0.5)),
        "voice_to_voice_p95": rounded(quantile(figures["v2v"], 0.95)),
        "traced_voice_to_voice_p50": rounded(quantile(figures["traced_v2v"], 0.5)),
        "speech": "tests/data/speech",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load_before": load_before,
        "load_after": load(),
        "samples": {
            "start_seconds": kept(figures["start"]),
            "voice_to_voice": kept(figures["v2v"]),
            "traced_voice_to_voice": kept(figures["traced_v2v"]),
        },
    }


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
    return float(sounds[0] - end_of_speech)


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
