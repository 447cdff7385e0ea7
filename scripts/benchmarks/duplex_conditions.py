"""Whether the machine was steady while real-time sound was measured."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from scripts.benchmarks.figures import load

TICK_SECONDS = 0.005

LATE_SECONDS = 0.025
"""Longer than the rig's 20 ms of buffered sound: the recordings may have a gap."""

MOST_LATE_PER_MINUTE = 2.0
"""With more, a run tells about the machine and not about the program."""


class Watch(threading.Thread):
    """Ticks while the context is open, and keeps when ticks were late."""

    def __init__(self) -> None:
        super().__init__(name="watch", daemon=True)
        self.late: list[tuple[float, float]] = []
        """When a late tick came, and how late."""
        self._over = threading.Event()
        self._began = time.monotonic()
        self._load = load()
        self._cpu = _busy_seconds()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Tick."""
        due = time.monotonic() + TICK_SECONDS
        while not self._over.wait(max(0.0, due - time.monotonic())):
            now = time.monotonic()
            if now - due > LATE_SECONDS:
                self.late.append((now, now - due))
            due = now + TICK_SECONDS

    def stalled(self, since: float, until: float) -> bool:
        """Whether the machine stood still between two times."""
        return any(since <= at and at - late <= until for at, late in list(self.late))

    def conditions(self) -> dict[str, Any]:
        """What is known so far."""
        minutes = (time.monotonic() - self._began) / 60
        busy = (_busy_seconds() - self._cpu) / (60 * minutes * (os.cpu_count() or 1))
        return {
            "minutes": round(minutes, 2),
            "load_before": self._load,
            "load_after": load(),
            "cpu_busy_share": round(busy, 2),
            "late_ticks": len(self.late),
            "latest_tick_ms": round(1000 * max((late for _, late in self.late), default=0.0)),
            "steady": len(self.late) <= MOST_LATE_PER_MINUTE * max(1.0, minutes),
        }


def _busy_seconds() -> float:
    """The time that all processors have worked for anybody."""
    user, nice, system, _idle, _wait, irq, softirq, steal = (
        int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    )
    busy = user + nice + system + irq + softirq + steal
    return busy / os.sysconf("SC_CLK_TCK")
