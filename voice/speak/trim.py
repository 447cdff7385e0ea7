"""Silence at the edges of a sentence, cut while the sentence is still being made."""

from __future__ import annotations

import numpy as np

from voice.speak.levels import Float32

_SILENCE = 10 ** (-55 / 20)
"""RMS under which a block counts as silent; Piper's pauses lie near -97 dBFS."""

_BLOCKS_A_SECOND = 200


class Trim:
    """One sentence's sound without its own silence before and after.

    A little is left before (`lead` samples) and as much after as asked for (`pause` samples): of
    the sentence's own, then zeros. `start` and `end` are the samples of the sentence between which
    it is audible, as far as is known.
    """

    def __init__(self, rate: int, lead: int, pause: int) -> None:
        self.start = 0
        self.end = 0
        self._block = max(1, rate // _BLOCKS_A_SECOND)
        self._lead = lead
        self._pause = pause
        self._held: Float32 = np.zeros(0, np.float32)
        self._first = 0  # the sample of the sentence with which what is held begins
        self._judged = 0  # up to which sample blocks were found loud or silent

    @property
    def begun(self) -> bool:
        """Whether anything audible has come."""
        return self.end > 0

    def feed(self, sound: Float32) -> Float32:
        """More of the sentence; returns what of it is now known to be kept."""
        self._held = np.concatenate([self._held, sound])
        self._judge()
        if self.begun:
            return self._take(min(self.end + self._pause, self._judged))
        self._take(self._judged - self._lead)
        return self._held[:0]

    def finish(self, least: int = 0) -> Float32:
        """The sentence has ended; returns the rest, so long that it reaches sample `least`."""
        if not self.begun:
            self.start = self._first
        end = max(max(self.start, self.end) + self._pause, least)
        rest = self._take(end)
        return np.concatenate([rest, np.zeros(max(0, end - self._first), np.float32)])

    def _judge(self) -> None:
        """Find out which blocks are loud, of those that are complete and were not judged yet."""
        fresh = self._held[self._judged - self._first :]
        blocks = fresh[: len(fresh) // self._block * self._block].reshape(-1, self._block)
        loud = np.flatnonzero(np.sqrt(np.mean(np.square(blocks), axis=1)) > _SILENCE)
        if len(loud):
            if not self.begun:
                onset = self._judged + int(loud[0]) * self._block
                self.start = max(0, onset - self._lead)
                self._take(self.start)
            self.end = self._judged + (int(loud[-1]) + 1) * self._block
        self._judged += blocks.size

    def _take(self, end: int) -> Float32:
        """What is held of the samples before `end`."""
        count = max(0, min(len(self._held), end - self._first))
        taken, self._held = self._held[:count], self._held[count:]
        self._first += count
        return taken
