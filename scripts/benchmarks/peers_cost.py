"""What a process and its children cost: processor time and memory, from /proc."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor seconds so far, of all that have ended as well; memory (RSS) in MB."""

    cpu_seconds: float
    memory_mb: float


def cost(pid: int) -> Cost:
    """Of a process with all its children, now."""
    seconds = memory = 0.0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        ticks = sum(map(int, fields[11:15]))  # its own and its ended children's
        seconds += ticks / os.sysconf("SC_CLK_TCK")
        memory += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return Cost(seconds, memory)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: list[str] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += tasks.read_text().split()
        except OSError:
            continue
    return [pid, *(one for child in children for one in family(int(child)))]


class PeakMemory:
    """The most memory that a process and its children have had while this was entered."""

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            self.megabytes = max(self.megabytes, cost(self._pid).memory_mb)
