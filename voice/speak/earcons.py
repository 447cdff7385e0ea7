"""Short sounds that tell without words what the assistant does; made here, from sines.

*Listening* rises (a fourth), *error* falls (a fifth) and is lower, *thinking* is one soft low note
that may be repeated. Each note is a fundamental and two partials that fade faster, as of a wooden
bar, with raised-cosine edges, so that nothing clicks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voice.audio.frames import Int16

EarconName = Literal["listening", "thinking", "error"]

_PEAK = 10 ** (-16 / 20)
"""Under speech, which lies at -20 dBFS RMS with peaks near -3: sines sound louder than they are."""

_ATTACK_SECONDS = 0.008
_RELEASE_SECONDS = 0.03
_PARTIALS = ((1.0, 1.0, 1.0), (2.0, 0.25, 2.0), (4.0, 0.08, 4.0))
"""Of each partial: multiple of the fundamental, amplitude, how much faster it fades."""


@dataclass(frozen=True, slots=True)
class _Note:
    start_seconds: float
    seconds: float
    hertz: float
    decay_seconds: float
    """In which the fundamental falls to 1/e."""
    level: float = 1.0


_EARCONS: dict[EarconName, tuple[_Note, ...]] = {
    "listening": (_Note(0.0, 0.14, 659.3, 0.05), _Note(0.08, 0.2, 880.0, 0.06)),
    "thinking": (_Note(0.0, 0.22, 392.0, 0.06, 0.5),),
    "error": (_Note(0.0, 0.2, 440.0, 0.07), _Note(0.13, 0.3, 293.7, 0.09)),
}


def earcon(name: EarconName, rate: int) -> Int16:
    """The sound at `rate` Hz; it begins and ends with silence."""
    notes = _EARCONS[name]
    length = max(note.start_seconds + note.seconds for note in notes)
    mixed = np.zeros(round(length * rate))
    for note in notes:
        sound = _played(note, rate)
        start = round(note.start_seconds * rate)
        mixed[start : start + len(sound)] += sound[: len(mixed) - start]
    loudest = max(note.level for note in notes)
    scaled = mixed * (_PEAK * loudest / np.abs(mixed).max())
    return np.asarray(np.round(scaled * 32767), np.int16)


def _played(note: _Note, rate: int) -> NDArray[np.float64]:
    times = np.arange(round(note.seconds * rate)) / rate
    sound = sum(
        amplitude
        * np.exp(-times * faster / note.decay_seconds)
        * np.sin(2 * np.pi * note.hertz * multiple * times)
        for multiple, amplitude, faster in _PARTIALS
    )
    rise = np.minimum(1, times / _ATTACK_SECONDS)
    fall = np.minimum(1, (times[-1] - times) / _RELEASE_SECONDS)
    edges = (1 - np.cos(np.pi * np.minimum(rise, fall))) / 2
    return np.asarray(note.level * sound * edges)
