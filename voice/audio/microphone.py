"""A live microphone through PortAudio."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from threading import Lock
from typing import Any

import numpy as np

from voice.audio.catalogue import Device
from voice.audio.frames import SAMPLE_RATE, Frame
from voice.audio.portaudio import (
    device_delay,
    end_stream,
    is_alive,
    portaudio,
    reason,
    start_stream,
)
from voice.audio.resample import Framer
from voice.audio.ring import InputRing
from voice.audio.stillness import Stillness
from voice.errors import MicrophoneError

KEPT_SECONDS = 10.0
"""How much waits for a reader that is late, before the oldest is lost."""

LATENCY_SECONDS = 0.02
"""The device's buffer that we ask for."""

BLOCK_SECONDS = 0.02
"""One call of the callback: the length of a frame, so that a frame waits for nothing else."""

SILENT_SECONDS = 5.0
"""A device that has delivered nothing for so long is gone; a suspended one wakes up faster."""

_LOOK_SECONDS = 0.5
"""Between two looks at whether a stream that delivers nothing still runs."""


class Microphone:
    """Captures int16 mono at 16 kHz; a device that refuses that is resampled and mixed down."""

    def __init__(self, device: Device, *, latency_seconds: float = LATENCY_SECONDS) -> None:
        self.overruns = 0
        self.delay_seconds = 0.0  # from the end of a block's sound to its arrival here
        self.device = device
        self._latency_seconds = latency_seconds
        self._overflows = 0
        self._stream: Any = None
        self._sharing = Lock()  # of the ring, with the callback
        self._frames: deque[Frame] = deque()
        self._arrived = asyncio.Event()
        self._called_at = 0.0
        self._stillness = Stillness()

    @property
    def ended(self) -> bool:
        """Never: a microphone goes on."""
        return False

    async def open(self) -> None:
        """Begin to capture. Raises `MicrophoneError`."""
        self._loop = asyncio.get_running_loop()
        self._called_at = time.monotonic()
        await asyncio.to_thread(self._start)

    async def read(self) -> Frame | None:
        """The next frame; None after `close`. Raises `MicrophoneError` when the device is gone."""
        while not self._frames:
            if self._stream is None:
                return None
            with self._sharing:
                taken = self._ring.take(self._block_samples)
            if taken is not None:
                self._frames.extend(self._framer.feed(*taken))
            elif not await self._wait() and not self._alive():
                problem = f"the microphone {self.device.name!r} delivers no sound any more"
                raise MicrophoneError(problem, "connect it again, or choose another: voice devices")
        return self._frames.popleft()

    async def close(self) -> None:
        """Stop capturing. Safe to call twice."""
        stream, self._stream = self._stream, None
        self._arrived.set()
        if stream is not None:
            await asyncio.to_thread(end_stream, stream)

    async def _wait(self) -> bool:
        """Whether sound arrived, or `close` was called, within a while."""
        self._arrived.clear()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return await self._arrived.wait()
        except TimeoutError:
            return False

    def _alive(self) -> bool:
        return not self._stream or is_alive(self._stream, self._called_at, SILENT_SECONDS)

    def _start(self) -> None:
        sounddevice = portaudio()
        for rate, channels in self._formats():
            try:
                self._open_stream(sounddevice, rate, channels)
                return
            except sounddevice.PortAudioError as error:
                problem = f"the microphone {self.device.name!r} cannot be opened: {reason(error)}"
        raise MicrophoneError(problem, "choose another: voice devices")

    def _formats(self) -> list[tuple[int, int]]:
        """Rates and channels to try: what we want first, what the device surely has last."""
        own, channels = self.device.rate, self.device.inputs
        tries = [(SAMPLE_RATE, 1), (own, 1), (own, min(2, channels)), (own, channels)]
        return list(dict.fromkeys(tries))

    def _open_stream(self, sounddevice: Any, rate: int, channels: int) -> None:
        self._block_samples = round(rate * BLOCK_SECONDS)
        self._ring = InputRing(round(rate * KEPT_SECONDS), rate, channels)
        self._framer = Framer(rate)
        self._rate, self._channels = rate, channels
        self._stream = start_stream(
            sounddevice.RawInputStream,
            samplerate=rate,
            blocksize=self._block_samples,
            device=self.device.number,
            channels=channels,
            dtype="int16",
            latency=self._latency_seconds,
            callback=self._receive,
        )

    def _receive(self, data: Any, count: int, time_info: Any, status: Any) -> None:
        """On PortAudio's thread: copy, and tell the loop unless that may wait."""
        now = self._called_at = time.monotonic()
        length = count / self._rate
        told = device_delay(time_info, "inputBufferAdcTime", length)
        self.delay_seconds = max(0.0, told - length)
        block = np.frombuffer(data, np.int16).reshape(-1, self._channels)
        with self._sharing:
            self._ring.push(block, now - self.delay_seconds)
        self._overflows += bool(status.input_overflow)
        self.overruns = self._overflows + self._ring.overruns
        if self._stillness.may_wait(max(int(block.max()), -int(block.min())), length):
            return
        with suppress(RuntimeError):  # the loop is closed, and so are we in a moment
            self._loop.call_soon_threadsafe(self._arrived.set)
