"""What this process takes of the machine."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")
_WINDOW_SECONDS: Final = 2.0
"""A share of the processor is measured over at least so long."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory that is in use, and the share of one core since some seconds."""

    rss_bytes: int
    cpu_percent: float


class Meter:
    """Measures from one look to the next."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._cpu_seconds = time.process_time()
        self._percent = 0.0

    def look(self) -> Usage:
        """What is used now."""
        now, cpu_seconds = time.monotonic(), time.process_time()
        if (passed := now - self._since) >= _WINDOW_SECONDS:
            self._percent = 100 * (cpu_seconds - self._cpu_seconds) / passed
            self._since, self._cpu_seconds = now, cpu_seconds
        return Usage(_rss_bytes(), round(self._percent, 1))


def _rss_bytes() -> int:
    """The memory in use; where the system does not tell, the most that ever was (kB on Linux)."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
