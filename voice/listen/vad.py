"""Is there speech in this frame? WebRTC's detector, Silero's, or both, behind one seam."""

from __future__ import annotations

from typing import Protocol

import webrtcvad

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16
from voice.listen.gate import GateOptions


class Vad(Protocol):
    """Tells speech from other sound, frame by frame; may keep state between frames."""

    def is_speech(self, samples: Int16) -> bool:
        """Whether a frame of `FRAME_SAMPLES` samples holds speech."""


class WebRtcVad:
    """WebRTC's Gaussian-mixture detector; `aggressiveness` 0 (lenient) to 3 (strict)."""

    def __init__(self, aggressiveness: int) -> None:
        self._vad = webrtcvad.Vad(aggressiveness)

    def is_speech(self, samples: Int16) -> bool:
        """Whether a frame of `FRAME_SAMPLES` samples holds speech."""
        assert len(samples) == FRAME_SAMPLES
        return bool(self._vad.is_speech(samples.tobytes(), SAMPLE_RATE))


class UnanimousVad:
    """Speech is what every detector takes for speech. All of them hear every frame."""

    def __init__(self, *detectors: Vad) -> None:
        self._detectors = detectors

    def is_speech(self, samples: Int16) -> bool:
        """Whether a frame of `FRAME_SAMPLES` samples holds speech."""
        verdicts = [detector.is_speech(samples) for detector in self._detectors]
        return all(verdicts)


def choose_vad(options: GateOptions) -> Vad:
    """The detector that the options name. Raises `ModelError` if it cannot be loaded."""
    if options.detector == "webrtc":
        return WebRtcVad(options.aggressiveness)
    from voice.listen.silero import SileroVad  # noqa: PLC0415 - loads a library and weights

    silero = SileroVad.load(
        threshold=options.silero_threshold,
        release=options.silero_release,
        memory_seconds=options.silero_memory_seconds,
    )
    if options.detector == "silero":
        return silero
    return UnanimousVad(WebRtcVad(options.aggressiveness), silero)
