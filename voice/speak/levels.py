"""From a synthesizer's floating-point sound to int16: gain and limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voice.audio.frames import Int16

Float32 = NDArray[np.float32]

GAIN = 1.3
"""Factor on Piper's output, the same for every clause, so that none is louder than the last.

Measured on 20 sentences of en_US-joe-medium without normalisation: active RMS -22.4 dBFS (median),
peaks -5.1 dBFS (median) and -3.0 dBFS (highest). With it speech lies at -20 dBFS.
"""

_KNEE = 10 ** (-3 / 20)
"""Amplitude (-3 dBFS) from which peaks are bent softly below full scale."""


def limited(sound: Float32, gain: float) -> Int16:
    """The sound times `gain` as int16; what exceeds -3 dBFS bends towards full scale."""
    louder = np.asarray(sound * np.float32(gain), dtype=np.float32)
    over = np.abs(louder) - np.float32(_KNEE)
    bent = _KNEE + (1 - _KNEE) * np.tanh(np.maximum(over, 0) / (1 - _KNEE))
    shaped = np.where(over > 0, np.sign(louder) * bent, louder)
    return np.asarray(np.round(shaped * 32767), dtype=np.int16)
