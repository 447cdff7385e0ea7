"""Is there speech in this frame? WebRTC's detector, Silero's, or both, behind one seam."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import webrtcvad

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16
from voice.listen.gate import GateOptions

REST_SECONDS = 1.0
"""A pause in which the costly detector goes on: those between words and sentences are shorter."""

CATCH_UP_SECONDS = 1.0
"""Sound that the costly detector hears at once where it goes on, in some 15 ms. On 309 recordings
in 12 s of their own noise each, speech began when it does for a detector that never rests (median
0, p5 and p95 40 ms earlier and later); one beginning of 318 was missed (far from the microphone),
and two came with it. With half of it a hum that sets in was taken for speech more often."""

_FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
_REST_FRAMES = round(REST_SECONDS / _FRAME_SECONDS)
_CATCH_UP_FRAMES = round(CATCH_UP_SECONDS / _FRAME_SECONDS)


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


class RecurrentVad(Vad, Protocol):
    """A detector that goes by what it has heard before."""

    def forget(self) -> None:
        """What comes next is the beginning."""


class CascadedVad:
    """Speech is what a cheap detector and a costly one both take for speech.

    The costly one rests while the cheap one has long heard none, and then hears what it was not
    given. Where that is more than `CATCH_UP_SECONDS`, it begins anew with the last of it.
    """

    def __init__(self, cheap: Vad, costly: RecurrentVad) -> None:
        self._cheap = cheap
        self._costly = costly
        self._unheard: deque[Int16] = deque(maxlen=_CATCH_UP_FRAMES)
        self._silent_frames = 0
        self._missed = False

    def is_speech(self, samples: Int16) -> bool:
        """Whether a frame of `FRAME_SAMPLES` samples holds speech."""
        speech = self._cheap.is_speech(samples)
        self._silent_frames = 0 if speech else self._silent_frames + 1
        self._missed |= len(self._unheard) == _CATCH_UP_FRAMES
        self._unheard.append(samples)
        if self._silent_frames > _REST_FRAMES:
            return False
        if self._missed:
            self._missed = False
            self._costly.forget()
        agreed = False
        while self._unheard:
            agreed = self._costly.is_speech(self._unheard.popleft())
        return speech and agreed


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
    return CascadedVad(WebRtcVad(options.aggressiveness), silero)
