"""Is there speech in this frame? WebRTC's detector behind a seam."""

from __future__ import annotations

from typing import Protocol

import webrtcvad

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16


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
