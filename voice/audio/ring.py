"""What lies between a sound device's callback and the event loop: no devices, no clock.

A device's driver shares a buffer between two threads and holds a lock during each call; they only
copy and count, so the callback never waits for more than that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from voice.audio.frames import Int16, OutputPosition

FADE_SECONDS = 0.015
"""A stop this long does not click, and nobody hears it as a delay."""

UNDERRUN_SECONDS = 0.5
"""A silence shorter than this between two sounds was not meant: the writer came too late. The
pauses between answers are longer, and those inside one (0.2–0.4 s) are written as sound."""

LONGEST_LATENCY_SECONDS = 5.0
"""Beyond any device's; a Bluetooth speaker has 0.3 s."""

CLOCK_BLOCKS = 32
"""Over so many blocks the time of a microphone's samples is averaged: what PortAudio tells of one
block was up to 15 ms off, while the samples themselves come evenly (measured)."""

CLOCK_JUMP_SECONDS = 0.2
"""More than jitter: the device has paused, or lost samples that it does not tell of."""


@dataclass(frozen=True, slots=True)
class _Run:
    """`count` samples from `index` on, the first of them audible at `at`."""

    index: int
    count: int
    at: float

    def end(self, rate: int) -> float:
        return self.at + self.count / rate


class OutputQueue:
    """Sound on its way to a speaker at `rate` Hz; the device pulls, and gets silence for the rest.

    Positions count the samples written and not discarded, so they run on without a gap over
    silences and discards. Times are those at which a sample is heard, told by the one who pulls.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.underruns = 0
        self._blocks: deque[Int16] = deque()
        self._written = 0
        self._pulled = 0
        self._runs: deque[_Run] = deque()  # the ones that may not have been heard to their end
        self._starts: deque[_Run] = deque()  # of which those that began after silence
        self._silent = True  # the last pull ended in silence
        self._discarded = False  # what is still to be pulled fades out, and that is meant
        self._ran_dry_at: float | None = None

    def write(self, samples: Int16) -> int:
        """Append sound; returns the position of its first sample."""
        first = self._written
        if len(samples):
            self._blocks.append(np.array(samples, np.int16))
            self._written += len(samples)
            self._discarded = False
        return first

    def pull(self, count: int, at: float) -> Int16:
        """The next `count` samples, the first of them to be heard at `at`; zeros where none are."""
        out = np.zeros(count, np.int16)
        self._forget_heard(at - LONGEST_LATENCY_SECONDS)
        taken = self._take(out)
        if taken:
            self._note(_Run(self._pulled, taken, at))
            self._pulled += taken
        if taken < count and (taken or not self._silent):
            self._ran_dry_at = None if self._discarded else at + taken / self.rate
        self._silent = taken < count
        return out

    def discard(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Keep the next `fade_seconds`, fading to nothing, and drop what follows."""
        tail = np.zeros(round(fade_seconds * self.rate), np.int16)
        tail = tail[: self._take(tail)]
        self._blocks.clear()
        if len(tail):
            ramp = np.linspace(1.0, 0.0, len(tail), endpoint=True)
            self._blocks.append((tail * ramp).astype(np.int16))
        self._written = self._pulled + len(tail)
        self._ran_dry_at = None
        self._discarded = True

    def position(self, now: float) -> OutputPosition:
        """How far it has been heard at `now`. Asked with times that never go back."""
        self._forget_heard(now)
        played = self._pulled
        if self._runs:
            run = self._runs[0]
            heard = int((now - run.at) * self.rate)
            played = run.index + min(max(heard, 0), run.count)
        begun = bool(self._starts) and self._starts[0].at <= now
        index, at = (self._starts[0].index, self._starts[0].at) if begun else (-1, 0.0)
        return OutputPosition(played, self._written, index, at)

    @property
    def waiting(self) -> int:
        """Samples that were written and not yet pulled."""
        return self._written - self._pulled

    def _take(self, out: Int16) -> int:
        """Move samples from the blocks into `out`; how many there were."""
        done = 0
        while done < len(out) and self._blocks:
            block = self._blocks.popleft()
            part = block[: len(out) - done]
            out[done : done + len(part)] = part
            done += len(part)
            if len(part) < len(block):
                self._blocks.appendleft(block[len(part) :])
        return done

    def _note(self, run: _Run) -> None:
        self._runs.append(run)
        if self._silent:
            self._starts.append(run)
            if self._ran_dry_at is not None and run.at - self._ran_dry_at < UNDERRUN_SECONDS:
                self.underruns += 1
            self._ran_dry_at = None

    def _forget_heard(self, now: float) -> None:
        while self._runs and (self._runs[0].end(self.rate) <= now):
            self._runs.popleft()
        while len(self._starts) > 1 and self._starts[1].at <= now:
            self._starts.popleft()


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
