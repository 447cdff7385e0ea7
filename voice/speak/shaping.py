"""From a voice's raw sound to what is played: silence cut, rate changed, level set, in a stream."""

from __future__ import annotations

import numpy as np
import soxr

from voice.audio.frames import Int16
from voice.speak.levels import Float32, limited
from voice.speak.trim import Trim


class Shaper:
    """One sentence's sound, window by window; nothing depends on where the windows end."""

    def __init__(self, trim: Trim, from_rate: int, to_rate: int, gain: float) -> None:
        self.trim = trim
        self._from_rate = from_rate
        self._to_rate = to_rate
        self._gain = gain
        self._stream = (
            None if from_rate == to_rate else soxr.ResampleStream(from_rate, to_rate, 1, "float32")
        )

    def feed(self, sound: Float32) -> Int16:
        """More of the sentence; returns what is ready to be played."""
        return self._shaped(self.trim.feed(sound), last=False)

    def finish(self, least: int = 0) -> Int16:
        """The sentence has ended; returns the rest, so long that it reaches sample `least`."""
        return self._shaped(self.trim.finish(least), last=True)

    def place(self, sample: int) -> int:
        """Where a sample of the sentence is in what is played; one that was cut, at the start."""
        return max(0, sample - self.trim.start) * self._to_rate // self._from_rate

    def _shaped(self, sound: Float32, *, last: bool) -> Int16:
        if self._stream is not None:
            sound = np.asarray(self._stream.resample_chunk(sound, last), np.float32)
        return limited(sound, self._gain)
