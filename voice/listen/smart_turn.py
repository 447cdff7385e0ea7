"""Has the user finished? Smart Turn v3 hears it from the melody of the voice.

A Whisper tiny encoder with a small head (8 MB, int8, 23 languages). It takes the last 8 seconds
of the turn, sound at the end, silence before it, and gives the probability that the turn is over.
What it takes and gives is documented by its authors (github.com/pipecat-ai/smart-turn).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

WINDOW_SAMPLES = 8 * SAMPLE_RATE
"""What the model hears at once; earlier sound is left out."""

# Whisper's features: windows of 25 ms every 10 ms, 80 mel bands, a range of 80 dB.
_FFT_SAMPLES = 400
_HOP_SAMPLES = 160
_MELS = 80
_FLOOR = 1e-10
_RANGE_BELS = 8.0

Float32 = NDArray[np.float32]


class EndOfTurnModel(Protocol):
    """Tells a finished turn from a pause within one; called from one worker thread, may block."""

    def probability(self, samples: Int16) -> float:
        """How likely the turn (int16, mono, 16 kHz) is over: 0 to 1. Raises `ModelError`."""


class SmartTurn:
    """The model in its ONNX file, on one thread."""

    def __init__(self, session: InferenceSession, filters: Float32) -> None:
        self._session = session
        self._filters = filters

    @classmethod
    def load(cls, model: Path) -> SmartTurn:
        """The model in the file `model`. Raises `ModelError`."""
        # Imported late: both cost time, and only this adapter needs them.
        import onnxruntime  # noqa: PLC0415
        from faster_whisper.feature_extractor import FeatureExtractor  # noqa: PLC0415

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                str(model), settings, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common base of their own
            raise ModelError(
                f"the end-of-turn model {model} cannot be loaded: {error}",
                "fetch it anew: `voice models fetch smart-turn-v3`",
            ) from error
        filters = FeatureExtractor.get_mel_filters(SAMPLE_RATE, _FFT_SAMPLES, _MELS)
        return cls(session, filters.astype(np.float32))

    def probability(self, samples: Int16) -> float:
        """How likely the turn is over. Raises `ModelError`."""
        heard = features(samples, self._filters)[np.newaxis]
        try:
            (output,) = self._session.run(None, {"input_features": heard})
        except Exception as error:  # as above
            raise ModelError(
                f"the end-of-turn model failed: {error}",
                "check it with `voice models verify smart-turn-v3`",
            ) from error
        return float(np.asarray(output).reshape(-1)[0])


def features(samples: Int16, filters: Float32) -> Float32:
    """Log-mel features of the last 8 s, shape (80, 800), about -1 to 1.

    `filters` are the mel bands, shape (80, 201). The sound, with the silence put before it, is
    brought to mean 0 and variance 1 first.
    """
    heard = np.zeros(WINDOW_SAMPLES, np.float32)
    samples = samples[-WINDOW_SAMPLES:]
    heard[WINDOW_SAMPLES - len(samples) :] = samples / np.float32(32768)
    heard = (heard - heard.mean()) / np.sqrt(heard.var() + np.float32(1e-7))
    padded = np.pad(heard, _FFT_SAMPLES // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[::_HOP_SAMPLES]
    window = np.hanning(_FFT_SAMPLES + 1)[:-1].astype(np.float32)
    spectrum = np.fft.rfft(windows[:-1] * window, axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    bels = np.log10(np.maximum(filters @ power.T, _FLOOR))
    scaled: Float32 = (np.maximum(bels, bels.max() - _RANGE_BELS) + 4.0) / 4.0
    return scaled.astype(np.float32)
