"""WebRTC's audio processing (the echo canceller is AEC3), 10 ms at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.audio.resample import StreamResampler
from voice.errors import AudioError

BLOCK_SAMPLES = SAMPLE_RATE // 100
"""Of the microphone's sound."""


class EchoCanceller:
    """Takes what the speaker plays out of what the microphone hears.

    The library is loaded with the first object, which takes half a second. Raises `AudioError`.
    """

    def __init__(
        self,
        far_rate: int,
        delay_seconds: float,
        *,
        noise_suppression: bool,
        gain_control: bool,
    ) -> None:
        """What is played has `far_rate`; its echo comes at least `delay_seconds` after `hear`.

        How late it really comes the canceller finds out by itself, up to half a second.
        """
        try:
            from livekit.rtc import AudioFrame  # noqa: PLC0415
            from livekit.rtc.apm import AudioProcessingModule  # noqa: PLC0415
        except (ImportError, OSError) as error:
            raise AudioError(
                f"the echo canceller cannot be loaded: {error}",
                "reinstall livekit, or set echo_cancellation = false in [audio]",
            ) from error
        self._frame: Any = AudioFrame
        self._processing: Any = AudioProcessingModule(
            echo_cancellation=True,
            high_pass_filter=True,
            noise_suppression=noise_suppression,
            auto_gain_control=gain_control,
        )
        # WebRTC takes any rate with whole blocks, and is faster: a resampler of ours holds 21 ms
        # back, and what is played must be known before it is heard.
        self._far_rate = SAMPLE_RATE if far_rate % 100 else far_rate
        self._resampler = StreamResampler(far_rate, self._far_rate)
        self._far: Int16 = np.zeros(0, np.int16)
        self._processing.set_stream_delay_ms(round(1000 * delay_seconds))

    def hear(self, played: Int16) -> list[Int16]:
        """The next of what is played, (n,); returns what is whole of it, in blocks of 10 ms."""
        self._far = np.concatenate([self._far, self._resampler.feed(played)])
        length = self._far_rate // 100
        whole = len(self._far) // length
        blocks = np.split(self._far[: whole * length], whole) if whole else []
        self._far = self._far[whole * length :]
        for block in blocks:
            self._processing.process_reverse_stream(self._framed(block, self._far_rate))
        return blocks

    def clean(self, block: Int16) -> Int16:
        """`BLOCK_SAMPLES` of the microphone without the echo."""
        framed = self._framed(block, SAMPLE_RATE)
        self._processing.process_stream(framed)
        return np.frombuffer(framed.data, np.int16).copy()

    def _framed(self, block: Int16, rate: int) -> Any:
        return self._frame(block.tobytes(), rate, 1, len(block))
