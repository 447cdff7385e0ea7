"""Sound on its way from a microphone: no device, no clock.

A device's driver shares the ring between two threads and holds a lock during each call; a call
only copies and counts, so the callback never waits for more than that.
"""

from __future__ import annotations

import numpy as np

from voice.audio.frames import Int16

CLOCK_BLOCKS = 32
"""Over so many blocks the time of a microphone's samples is averaged: what PortAudio tells of one
block was up to 15 ms off, while the samples themselves come evenly (measured)."""

CLOCK_JUMP_SECONDS = 0.2
"""More than jitter: the device has paused, or lost samples that it does not tell of."""


class InputRing:
    """The last `capacity` samples of a microphone with `channels`; too late means lost.

    Positions count every sample that was pushed, the lost ones too.
    """

    def __init__(self, capacity: int, rate: int, channels: int = 1) -> None:
        self.overruns = 0
        self._rate = rate
        self._ring = np.zeros((capacity, channels), np.int16)
        self._start = 0
        self._end = 0
        self._losing = False
        self._blocks = 0  # that the average of `_origin_at` counts
        self._origin_at = 0.0  # when position 0 was captured, were all samples captured evenly

    def push(self, block: Int16, at: float) -> None:
        """Append samples (n, channels), the last of which was captured at `at`.

        Drops the oldest when full, and counts that as one overrun until sound is taken again.
        """
        capacity = len(self._ring)
        places = np.arange(self._end, self._end + len(block)) % capacity
        self._ring[places[-capacity:]] = block[-capacity:]
        self._end += len(block)
        self._set_clock(at - self._end / self._rate)
        if self._end - self._start > capacity:
            self._start = self._end - capacity
            self.overruns += not self._losing
            self._losing = True

    def take(self, count: int) -> tuple[int, Int16, float] | None:
        """The next `count` samples as (position, samples (count, channels), time of their end).

        None: there are not that many yet.
        """
        if self._end - self._start < count:
            return None
        start = self._start
        places = np.arange(start, start + count) % len(self._ring)
        self._start += count
        self._losing = False
        return start, self._ring[places], self._origin_at + self._start / self._rate

    def _set_clock(self, origin_at: float) -> None:
        error = origin_at - self._origin_at
        if abs(error) > CLOCK_JUMP_SECONDS:
            self._blocks = 0
        self._blocks = min(self._blocks + 1, CLOCK_BLOCKS)
        self._origin_at += error / self._blocks
