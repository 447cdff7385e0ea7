"""Sample rates changed with soxr, channels mixed down: int16 in, int16 out."""

from __future__ import annotations

import numpy as np
import soxr

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Int16

QUALITY = "HQ"
"""soxr's own default: flat to 7.5 kHz at 16 kHz. A stream holds 21 ms back with it (from 48 or
44.1 kHz, measured); "MQ" 15 and 30 ms, "LQ" 6 and 20 ms, but that one loses all above 6.5 kHz."""


def resample(samples: Int16, from_rate: int, to_rate: int) -> Int16:
    """A whole sound, (n,) or (n, channels), at another rate."""
    if from_rate == to_rate or not len(samples):
        return samples
    return np.asarray(soxr.resample(samples, from_rate, to_rate, QUALITY), np.int16)


def mix_down(samples: Int16) -> Int16:
    """The mean of the channels: (n, channels) to (n,)."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    mixed: Int16 = np.rint(samples.mean(axis=1)).astype(np.int16)
    return mixed


class StreamResampler:
    """A sound at another rate, piece by piece."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._stream = (
            None
            if from_rate == to_rate
            else soxr.ResampleStream(from_rate, to_rate, 1, "int16", QUALITY)
        )

    def feed(self, samples: Int16, *, last: bool = False) -> Int16:
        """The next piece, (n,); returns what is ready at the new rate, with `last` all the rest."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last), np.int16)

    @property
    def delay_samples(self) -> float:
        """How many samples at the new rate the filter holds back now."""
        return 0.0 if self._stream is None else float(self._stream.delay())


class Framer:
    """Cuts what a microphone delivers, at its own rate and channels, into frames."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = StreamResampler(rate, SAMPLE_RATE)
        self._expected = 0
        self._position = 0.0  # of the first sample in `_rest`, at 16 kHz; lost samples count
        self._rest: Int16 = np.zeros(0, np.int16)

    def feed(self, start: int, samples: Int16, end_at: float) -> list[Frame]:
        """The next samples (n, channels), the first at device position `start`.

        `end_at` is the clock's time of their end. A start beyond the one expected tells of lost
        samples; a frame begun before them is given up.
        """
        if lost := start - self._expected:
            self._position += len(self._rest) + lost * SAMPLE_RATE / self._rate
            self._rest = self._rest[:0]
        self._expected = start + len(samples)
        ready = self._resampler.feed(mix_down(samples))
        self._rest = np.concatenate([self._rest, ready])
        end_at -= self._resampler.delay_samples / SAMPLE_RATE
        frames = []
        while len(self._rest) >= FRAME_SAMPLES:
            cut, self._rest = self._rest[:FRAME_SAMPLES], self._rest[FRAME_SAMPLES:]
            frames.append(Frame(round(self._position), cut, end_at - len(self._rest) / SAMPLE_RATE))
            self._position += FRAME_SAMPLES
        return frames
