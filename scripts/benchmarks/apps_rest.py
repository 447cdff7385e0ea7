"""Programs that wait for somebody to speak: how soon they do, and what that costs."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scripts.benchmarks.figures import kept, quantile, rounded
from scripts.benchmarks.peers_cost import cost
from tests.support.programs import running, script_server
from tests.support.rig import AudioRig

PROGRAMS = {"desktop": ("run", "--plain"), "kiosk": ("kiosk",)}
AGENTS = {"": "script", "_local": "local"}
"""The ending of a figure's name, and who answers."""

_SETTLE_SECONDS = {"script": 20.0, "local": 25.0}
"""After `listening` models are warmed up, phrases kept, and the local model reads its instructions:
after 8 s a kiosk took 6.7 % of a core, after 20 s 4.8 % (measured)."""


def measure_rest(quick: bool) -> dict[str, Any]:
    """For desktop and kiosk, with a script and with the local model as `…_local`:

    `start_to_listening_s` (median, from a warm cache of files), `idle_cpu_percent` of one core
    while the microphone hears silence, and `rss_mb`, of all processes together.
    """
    starts, seconds = (1, 5.0) if quick else (5, 20.0)
    figures: dict[str, Any] = {}
    samples: dict[str, list[float]] = {}
    for program, arguments in PROGRAMS.items():
        for ending, agent in AGENTS.items():
            began, cpu, rss = _measure(arguments, agent, starts, seconds)
            figures[f"{program}_start_to_listening_s{ending}"] = rounded(quantile(began, 0.5))
            samples[f"{program}_start_to_listening_s{ending}"] = kept(began)
            figures[f"{program}_idle_cpu_percent{ending}"] = rounded(100 * cpu, 1)
            figures[f"{program}_rss_mb{ending}"] = rounded(rss, 0)
    counts = {"rest_starts": starts, "rest_idle_seconds": seconds}
    return figures | counts | {"samples": samples}


def _measure(
    arguments: tuple[str, ...], agent: str, starts: int, idle_seconds: float
) -> tuple[list[float], float, float]:
    """Seconds to `listening` of each start; cores used at rest, and MB, after the last."""
    began: list[float] = []
    with ExitStack() as stack:
        rig = stack.enter_context(AudioRig())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(script_server()) if agent == "script" else "local"
        env = {**rig.env, "VOICE_KIOSK_STATUS_PORT": "0"}
        for number in range(starts):
            trace = folder / f"{number}.jsonl"
            start = time.monotonic()
            with running(*arguments, "--agent", url, trace=trace, env=env) as program:
                began.append(program.wait_for("listening")["at"] - start)
                if number < starts - 1:
                    continue
                time.sleep(_SETTLE_SECONDS[agent])
                before = cost(program.process.pid)
                time.sleep(idle_seconds)
                after = cost(program.process.pid)
    return began, (after.cpu_seconds - before.cpu_seconds) / idle_seconds, after.memory_mb
