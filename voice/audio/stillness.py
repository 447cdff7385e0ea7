"""Whether sound may wait, so that a machine that hears nothing sleeps longer.

Each block that is handed over wakes a processor, and that costs more than to look at the block.
While it has long been quiet, some blocks are handed over together; a louder one takes those that
wait with it at once. So the beginning of speech is heard as soon as ever, and its end, too: nobody
waits for the end of what was said for as long as `STILL_SECONDS`.
"""

from __future__ import annotations

QUIET_PEAK = 100
"""Of int16, -50 dBFS: a quiet room's noise stays below, whoever speaks to us does not."""

STILL_SECONDS = 3.0
"""Longer than any wait for the end of a turn (`turns.options`)."""

TOGETHER = 3
"""Blocks of 20 ms."""


class Stillness:
    """Follows the blocks of a microphone."""

    def __init__(self) -> None:
        self._quiet_seconds = 0.0
        self._waiting = 0

    def may_wait(self, peak: int, seconds: float) -> bool:
        """Whether a block of so many seconds, with this highest sample, may wait for the next."""
        if peak > QUIET_PEAK:
            self._quiet_seconds, self._waiting = 0.0, 0
            return False
        self._quiet_seconds += seconds
        if self._quiet_seconds < STILL_SECONDS:
            return False
        self._waiting = (self._waiting + 1) % TOGETHER
        return self._waiting > 0
