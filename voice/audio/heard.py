"""How far a speaker has been heard, from what was handed to its device and when that sounds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voice.audio.frames import OutputPosition

LONGEST_LATENCY_SECONDS = 5.0
"""Beyond any device's; a Bluetooth speaker has 0.3 s."""


@dataclass(frozen=True, slots=True)
class _Run:
    """`count` samples from `index` on, the first of them audible at `at`."""

    index: int
    count: int
    at: float

    @property
    def end(self) -> int:
        return self.index + self.count


class Heard:
    """Runs of samples in, positions out; a run may begin before the end of the one before."""

    def __init__(self, rate: int) -> None:
        self.pulled = 0
        """The end of the run that reaches furthest."""

        self._rate = rate
        self._furthest = 0  # the same, of the runs that were heard and forgotten
        self._runs: deque[_Run] = deque()  # the ones that may not have been heard to their end
        self._starts: deque[_Run] = deque()  # of which those that began after silence

    def note(self, index: int, count: int, at: float, *, begins: bool) -> None:
        """`count` samples from `index` on will be heard at `at`; whether after silence."""
        run = _Run(index, count, at)
        self._runs.append(run)
        if begins:
            self._starts.append(run)
        self.pulled = max(self.pulled, run.end)
        self._forget(at - LONGEST_LATENCY_SECONDS)

    def position(self, now: float, following: int, written: int) -> OutputPosition:
        """How far it has been heard at `now`, which never goes back.

        `following` is the sample that follows what was noted, `written` how many there are.
        """
        self._forget(now)
        sounding = following
        if self._runs:
            run = self._runs[0]
            heard = int((now - run.at) * self._rate)
            sounding = run.index + min(max(heard, 0), run.count)
        played = max(self._furthest, sounding)
        begun = bool(self._starts) and self._starts[0].at <= now
        index, at = (self._starts[0].index, self._starts[0].at) if begun else (-1, 0.0)
        return OutputPosition(played, written, sounding, index, at)

    def _forget(self, now: float) -> None:
        while self._runs and self._runs[0].at + self._runs[0].count / self._rate <= now:
            self._furthest = max(self._furthest, self._runs.popleft().end)
        while len(self._starts) > 1 and self._starts[1].at <= now:
            self._starts.popleft()
