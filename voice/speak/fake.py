"""A synthesizer that hums, for tests and for trying other parts alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from voice.speak.synthesizer import Sound, SpokenWord

WORD_SECONDS = 0.25


class FakeSynthesizer:
    """Hums `WORD_SECONDS` for each word, at `rate` Hz."""

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def synthesize(self, text: str) -> Iterator[Sound]:
        """One tone for the whole clause."""
        length = round(WORD_SECONDS * self.rate)
        words = tuple(
            SpokenWord(found.start(), found.end(), number * length, (number + 1) * length)
            for number, found in enumerate(re.finditer(r"\S+", text))
        )
        phase = 2 * np.pi * 200 / self.rate * np.arange(len(words) * length)
        yield Sound((8000 * np.sin(phase)).astype(np.int16), words)
