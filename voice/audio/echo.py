"""A microphone that does not hear the speaker beside it: WebRTC's echo canceller (AEC3).

It needs what the speaker plays, in the order in which it plays it, silence included, and before
the microphone hears it; how much later that is it finds out by itself. Where there is no echo
(`echo_path`), the microphone is passed on as it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

import numpy as np

from voice.audio.echo_path import EchoPath
from voice.audio.frames import SAMPLE_RATE, AudioInput, Frame, Int16, level_dbfs
from voice.audio.resample import StreamResampler

_BLOCK_SAMPLES = SAMPLE_RATE // 100
"""WebRTC's audio processing takes 10 ms at a time."""


class FarEnd(Protocol):
    """A speaker that tells what it plays."""

    rate: int
    played_blocks: deque[Int16]


class EchoCancellingMicrophone:
    """Frames of a microphone with the speaker's sound taken out of them."""

    def __init__(self, microphone: AudioInput, speaker: FarEnd) -> None:
        self._microphone = microphone
        self._speaker = speaker
        self._resampler = StreamResampler(speaker.rate, SAMPLE_RATE)
        self._path = EchoPath()
        self._far: Int16 = np.zeros(0, np.int16)
        self._processing: Any = None
        self.overruns = 0

    @property
    def ended(self) -> bool:
        """Whether only silence comes from now on."""
        return self._microphone.ended

    def load(self) -> None:
        """Load WebRTC's library, which takes half a second; `open` does it if nobody has."""
        if self._processing is None:
            from livekit.rtc.apm import AudioProcessingModule  # noqa: PLC0415

            self._processing = AudioProcessingModule(echo_cancellation=True, high_pass_filter=True)

    async def open(self) -> None:
        """Begin to capture. Raises `AudioError`."""
        await asyncio.to_thread(self.load)
        await self._microphone.open()
        self._speaker.played_blocks.clear()

    async def read(self) -> Frame | None:
        """The next frame without echo. Raises `AudioError`."""
        frame = await self._microphone.read()
        self.overruns = self._microphone.overruns
        if frame is None:
            return None
        self._path.receive(self._hear_speaker(), level_dbfs(frame.samples))
        cleaned = np.concatenate([self._clean(block) for block in np.split(frame.samples, 2)])
        return Frame(frame.start, cleaned, frame.at) if self._path.audible else frame

    async def close(self) -> None:
        """Stop capturing. Safe to call twice."""
        await self._microphone.close()

    def _hear_speaker(self) -> list[float]:
        """Let the canceller hear what was played since the last frame; returns its levels."""
        levels_dbfs = []
        blocks = self._speaker.played_blocks
        while blocks:
            ready = self._resampler.feed(blocks.popleft())
            self._far = np.concatenate([self._far, ready])
        while len(self._far) >= _BLOCK_SAMPLES:
            block, self._far = self._far[:_BLOCK_SAMPLES], self._far[_BLOCK_SAMPLES:]
            self._processing.process_reverse_stream(_frame(block))
            levels_dbfs.append(level_dbfs(block))
        return levels_dbfs

    def _clean(self, block: Int16) -> Int16:
        near = _frame(block)
        self._processing.process_stream(near)
        return np.frombuffer(near.data, np.int16).copy()


def _frame(block: Int16) -> Any:
    from livekit.rtc import AudioFrame  # noqa: PLC0415

    return AudioFrame(block.tobytes(), SAMPLE_RATE, 1, len(block))
