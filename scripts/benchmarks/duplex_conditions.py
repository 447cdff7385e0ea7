"""Whether the machine was steady while real-time sound was measured."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from scripts.benchmarks.figures import load
from tests.support.steadiness import Metronome

MOST_LATE_PER_MINUTE = 2.0
"""With more, a run tells about the machine and not about the program."""


class Watch(Metronome):
    """A metronome that also knows how busy the machine was."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._load = load()
        self._cpu = _busy_seconds()

    def stalled(self, since: float, until: float) -> bool:
        """Whether the machine stood still between two times."""
        return any(since <= at and at - late <= until for at, late in list(self.stalls))

    def conditions(self) -> dict[str, Any]:
        """What is known so far."""
        minutes = (time.monotonic() - self._began) / 60
        busy = (_busy_seconds() - self._cpu) / (60 * minutes * (os.cpu_count() or 1))
        return {
            "minutes": round(minutes, 2),
            "load_before": self._load,
            "load_after": load(),
            "cpu_busy_share": round(busy, 2),
            "late_ticks": len(self.stalls),
            "latest_tick_ms": round(1000 * self.worst_seconds),
            "steady": len(self.stalls) <= MOST_LATE_PER_MINUTE * max(1.0, minutes),
        }


def _busy_seconds() -> float:
    """The time that all processors have worked for anybody."""
    user, nice, system, _idle, _wait, irq, softirq, steal = (
        int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    )
    busy = user + nice + system + irq + softirq + steal
    return busy / os.sysconf("SC_CLK_TCK")
