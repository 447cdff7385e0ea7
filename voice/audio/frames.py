"""What sound is here: int16 mono, counted in samples from the moment a device was opened."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Int16 = NDArray[np.int16]

SAMPLE_RATE = 16_000
"""Hz of everything that is listened to: what Whisper and WebRTC's VAD take."""

FRAME_SAMPLES = 320
"""One frame of the microphone, 20 ms: the middle one of the lengths that WebRTC's VAD takes."""

FADE_SECONDS = 0.015
"""A change of volume this long does not click, and nobody hears it as a delay."""

DUCK_GAIN = 0.1
"""Quieter by 20 dB: below somebody who speaks, and still there."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Sound from the microphone: `samples` (int16, mono, 16 kHz), the first one at `start`.

    `at` is the clock's time, in seconds, of the end of the frame.
    """

    start: int
    samples: Int16
    at: float

    @property
    def end(self) -> int:
        """Position of the sample after the last one."""
        return self.start + len(self.samples)

    def time_of(self, position: int) -> float:
        """The clock's time at which the sample at `position` was captured."""
        return self.at - (self.end - position) / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class OutputPosition:
    """How far a speaker has come, in samples written to it since it was opened.

    `played` have been heard (consumed by the device, its latency taken off), and `sounding` is the
    next one to be: less than `played` while something is heard again. `written` were handed over
    and not discarded. `started_index` and `started_at` tell when sound last began after silence:
    the sample's number and the clock's time when it reached the device (-1: never yet).
    """

    played: int
    written: int
    sounding: int
    started_index: int = -1
    started_at: float = 0.0


class AudioInput(Protocol):
    """A microphone, or something that stands for one."""

    overruns: int
    """How often sound was lost because nobody took it in time."""

    @property
    def ended(self) -> bool:
        """Whether only silence comes from now on: never so for a microphone."""

    async def open(self) -> None:
        """Begin to capture. Raises `AudioError`."""

    async def read(self) -> Frame | None:
        """The next `FRAME_SAMPLES`; None when the source has ended. Raises `AudioError`."""

    async def close(self) -> None:
        """Stop capturing. Safe to call twice."""


class AudioOutput(Protocol):
    """A speaker, or something that stands for one."""

    rate: int
    """Hz of the samples it takes; known before `open`."""

    underruns: int
    """How often the device wanted more sound in the middle of an answer and had none."""

    async def open(self) -> None:
        """Be ready to play. Raises `AudioError`."""

    def write(self, samples: Int16) -> int:
        """Append sound (int16 mono at `rate`), to be played at once after what is there.

        Never blocks. Returns the number of its first sample, counted since `open`. Raises
        `AudioError` when the device is gone.
        """

    def position(self) -> OutputPosition:
        """How far it has come."""

    def duck(self, gain: float = DUCK_GAIN, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on, but with all samples times `gain`."""

    def unduck(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on as loud as it was written."""

    def hold(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fade out and stay silent until `resume`; nothing is dropped, and more may be written."""

    def resume(self, index: int, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on after a hold, at full volume, from the sample `index`.

        It may lie up to 3 s behind what has been played, which is then heard again.
        """

    def discard(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fall silent: fade out what comes next, drop the rest; `written` shrinks accordingly.

        What was held or ducked is so no more.
        """

    async def close(self) -> None:
        """Stop; a file is complete afterwards. Safe to call twice. Raises `AudioError`."""


def level_dbfs(samples: Int16) -> float:
    """Root-mean-square level relative to full scale, at least -96 dB (one bit of 16)."""
    wide = samples.astype(np.float32)
    mean_square = float(np.dot(wide, wide)) / max(1, len(wide))
    return max(-96.0, 10 * log10(max(mean_square, 1e-3) / 32768.0**2))
