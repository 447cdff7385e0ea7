"""Did the machine itself stall while a test of real-time sound ran?

A virtual machine can stand still for a moment; sound that plays through PulseAudio then has a gap
that no program under test made. Such a run is no evidence, so it is repeated.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, Self

P = ParamSpec("P")

TICK_SECONDS = 0.005

STALL_SECONDS = 0.025
"""Longer than the rig's 20 ms of buffered sound; six busy loops on 2 cores make it 30 ms late."""

ATTEMPTS = 3


class Metronome(threading.Thread):
    """Ticks while the context is open, and keeps when the machine stalled."""

    def __init__(self) -> None:
        super().__init__(name="metronome", daemon=True)
        self.stalls: list[tuple[float, float]] = []
        """When a late tick came, and by how many seconds it was late."""
        self._over = threading.Event()

    def __enter__(self) -> Self:
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
            if now - due > STALL_SECONDS:
                self.stalls.append((now, now - due))
            due = now + TICK_SECONDS

    @property
    def worst_seconds(self) -> float:
        """How long the longest stall was; 0 if there was none."""
        return max((late for _, late in list(self.stalls)), default=0.0)


def repeated_if_stalled(test: Callable[P, None]) -> Callable[P, None]:
    """Run a test again when it failed while the machine stalled; its last failure stands."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            with Metronome() as metronome:
                try:
                    return test(*args, **kwargs)
                except (AssertionError, TimeoutError):
                    if attempt == ATTEMPTS or not metronome.stalls:
                        raise
            print(f"attempt {attempt}: the machine stalled {metronome.worst_seconds:.3f} s")
        return None

    return wrapper
