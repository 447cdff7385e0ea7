"""A factor on sound that changes without a click."""

from __future__ import annotations

import numpy as np

from voice.audio.frames import Int16


class Gain:
    """Goes from one value to the next along a straight line, sample by sample."""

    def __init__(self) -> None:
        self.value = 1.0
        self.left = 0
        """Samples until the value is the one that it goes to."""

        self._target = 1.0

    @property
    def silent(self) -> bool:
        """Whether nothing gets through, and nothing will."""
        return self.value == 0.0 and not self.left

    def go(self, target: float, samples: int) -> None:
        """Be at `target` after the next `samples`."""
        self._target, self.left = target, samples
        if not samples:
            self.value = target

    def apply(self, samples: Int16) -> None:
        """Scale the next samples, in place."""
        count = min(self.left, len(samples))
        if count:
            step = (self._target - self.value) / self.left
            samples[:count] = samples[:count] * (self.value + step * np.arange(1, count + 1))
            self.left -= count
            self.value = self.value + step * count if self.left else self._target
        if self.value != 1.0 and count < len(samples):
            samples[count:] = samples[count:] * self.value
