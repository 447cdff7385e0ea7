"""The seam between the incremental method and a speech model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DecodedWord:
    """A word as the model wrote it, with its punctuation.

    Times are seconds from the first sample of the decoded sound; `probability` is the geometric
    mean of its tokens'; `tokens` are what the decoder must be given to have written it already.
    """

    text: str
    start_seconds: float
    end_seconds: float
    probability: float
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the model made of some sound: only the words after the given ones.

    `no_speech` is the model's own probability that nothing was said.
    """

    words: tuple[DecodedWord, ...]
    no_speech: float


class SpeechModel(Protocol):
    """Sound to words, in one go; may block."""

    def decode(self, sound: Float32, written: Sequence[int], before: Sequence[int]) -> Decoded:
        """Decode sound (mono, 16 kHz, -1 to 1) whose first words are already `written`.

        `before` are tokens of what was said before this sound. Raises `ModelError`.
        """
