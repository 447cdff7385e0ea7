"""A microphone that does not hear the speaker beside it.

The canceller hears what the speaker plays, silence and fades included, at the time at which it is
heard (`far_end`). Where there is no echo (`echo_path`) and while nothing is played (`rest`), the
microphone is passed on as it is; where the canceller fails (`convergence`), half-duplex is the way
out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import numpy as np

from voice.audio.canceller import BLOCK_SAMPLES, EchoCanceller
from voice.audio.convergence import Convergence
from voice.audio.echo_path import EchoPath
from voice.audio.far_end import LEAD_SECONDS, FarEnd
from voice.audio.frames import FRAME_SAMPLES, AudioInput, Frame, Int16, level_dbfs
from voice.audio.residual import SILENCE_DBFS, ResidualEcho
from voice.audio.rest import Rest

_BLOCKS = FRAME_SAMPLES // BLOCK_SAMPLES


class PlayingDevice(Protocol):
    """A speaker that tells what it plays."""

    rate: int
    played_blocks: deque[tuple[Int16, float]]
    """Where it puts each block, on its own thread, and when the first sample is heard."""


class EchoCancellingMicrophone:
    """Frames of a microphone with the speaker's sound taken out of them.

    Noise suppression and gain control are WebRTC's, and off. With tiny.en on 30 noisy and 18 clean
    recordings the word error rate was 23.2 and 12.6 % without, 21.4 and 16.1 % with the one, 27.4
    and 16.1 % with the other; and a gain that follows the voice moves the noise floor.
    """

    def __init__(
        self,
        microphone: AudioInput,
        speaker: PlayingDevice,
        *,
        noise_suppression: bool = False,
        gain_control: bool = False,
    ) -> None:
        self._microphone = microphone
        self._speaker = speaker
        self._far_end = FarEnd(speaker.rate)
        self._noise_suppression = noise_suppression
        self._gain_control = gain_control
        self._rest = None if noise_suppression or gain_control else Rest(speaker.rate)
        self._canceller: EchoCanceller | None = None
        self._path = EchoPath()
        self._residual = ResidualEcho()
        self._convergence = Convergence()
        self.overruns = 0

    @property
    def ended(self) -> bool:
        """Whether only silence comes from now on."""
        return self._microphone.ended

    @property
    def residual_dbfs(self) -> float:
        """The highest level that what is left of an echo may have in the latest frame."""
        return self._residual.dbfs if self._path.audible else SILENCE_DBFS

    @property
    def erle_db(self) -> float | None:
        """By how much the canceller lowers the echo, at least; None: not known (yet)."""
        return self._residual.erle_db

    @property
    def convergence(self) -> Convergence:
        """Whether the canceller works: `half_duplex` and its `reason`."""
        return self._convergence

    def load(self) -> None:
        """Load WebRTC's library; `open` does it if nobody has. Raises `AudioError`."""
        if self._canceller is None:
            self._canceller = EchoCanceller(
                self._speaker.rate,
                LEAD_SECONDS,
                noise_suppression=self._noise_suppression,
                gain_control=self._gain_control,
            )

    async def open(self) -> None:
        """Begin to capture. Raises `AudioError`."""
        await asyncio.to_thread(self.load)
        await self._microphone.open()
        self._speaker.played_blocks.clear()  # nobody captured while they were heard

    async def read(self) -> Frame | None:
        """The next frame without echo. Raises `AudioError`."""
        frame = await self._microphone.read()
        self.overruns = self._microphone.overruns
        return None if frame is None else self._cleaned(frame)

    async def close(self) -> None:
        """Stop capturing. Safe to call twice."""
        await self._microphone.close()

    def _cleaned(self, frame: Frame) -> Frame:
        assert self._canceller is not None
        far = self._played(frame.at)
        if self._rest:
            heard = self._rest.pass_over(far, len(frame.samples))
            if heard is None:
                return frame
            far = heard
        far_dbfs = [level_dbfs(block) for block in self._canceller.hear(far)]
        self._path.receive(far_dbfs, level_dbfs(frame.samples))
        cleaned = []
        for near in frame.samples.reshape(_BLOCKS, BLOCK_SAMPLES):
            clean = self._canceller.clean(near)
            self._watch(far_dbfs, near, clean)
            cleaned.append(clean)
            far_dbfs = []
        if not self._path.audible:
            self._convergence.forget()
            return frame
        return Frame(frame.start, np.concatenate(cleaned), frame.at)

    def _played(self, until: float) -> Int16:
        """What the speaker played since the last frame."""
        while self._speaker.played_blocks:
            self._far_end.play(*self._speaker.played_blocks.popleft())
        return self._far_end.take(until)

    def _watch(self, far_dbfs: list[float], near: Int16, clean: Int16) -> None:
        clean_dbfs = level_dbfs(clean)
        self._residual.receive(far_dbfs, level_dbfs(near), clean_dbfs)
        self._convergence.receive(far_dbfs, clean_dbfs)
