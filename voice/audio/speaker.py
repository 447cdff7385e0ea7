"""A live speaker through PortAudio."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from threading import Lock
from typing import Any

import numpy as np

from voice.audio.catalogue import Device
from voice.audio.frames import DUCK_GAIN, FADE_SECONDS, Int16, OutputPosition, level_dbfs
from voice.audio.output_queue import OutputQueue
from voice.audio.portaudio import (
    device_delay,
    end_stream,
    is_alive,
    portaudio,
    reason,
    start_stream,
    takes_output,
)
from voice.errors import SpeakerError

LATENCY_SECONDS = 0.03
"""The device's buffer that we ask for. It is heard to its end after `discard`, so it is part of
every stop. Measured on two cores with four busy programs: no gap in 24 s; with 20 ms one."""

BLOCK_SECONDS = 0.01
"""One call of the callback."""

ALSA_RATE = 48_000
"""What sound cards and sound servers run at. PortAudio calls 44.1 kHz the default of every ALSA
device that takes it, and there PulseAudio's plug-in had underruns with 8 of 30 buffer and block
sizes, with 5 of them in nearly each block; at 48 kHz with none of 30 (measured)."""

_KEPT_BLOCKS = 200
"""Two seconds of what was played wait for an echo canceller; where there is none, they are lost."""

FILLED_SECONDS = 0.25
"""A suspended device, too, takes what fills its buffer, and that at once: 30 ms, or what a sound
server makes of them."""

STALLED_SECONDS = 5.0
"""A device that has asked for nothing for so long is gone; a suspended one wakes up faster."""


class Speaker:
    """Plays int16 mono at the device's own rate, on all the channels that it insists on."""

    def __init__(self, device: Device, *, latency_seconds: float = LATENCY_SECONDS) -> None:
        self.device = device
        self.rate = _rate(device)
        self.underruns = 0
        self.played_blocks: deque[tuple[Int16, float]] = deque(maxlen=_KEPT_BLOCKS)
        """What was played, for an echo canceller, and when the first of its samples is heard."""

        self.delay_seconds = latency_seconds  # from a block's callback to its first sample's sound
        self._latency_seconds = latency_seconds
        self._queue = OutputQueue(self.rate)
        self._underflows = 0
        self._stream: Any = None
        self._sharing = Lock()  # of the queue, with the callback
        self._first_called_at = self._called_at = 0.0
        self._latest: Int16 = np.zeros(0, np.int16)

    @property
    def level_dbfs(self) -> float:
        """How loud the latest block is."""
        return level_dbfs(self._latest)

    @property
    def alive(self) -> bool:
        """Whether the device takes sound, or none is to be played on it yet or any more."""
        return not self._stream or is_alive(self._stream, self._called_at, STALLED_SECONDS)

    @property
    def running(self) -> bool:
        """Whether the device plays, and does not just take what fills its buffer."""
        first = self._first_called_at
        return first > 0 and self._called_at > first + FILLED_SECONDS

    async def open(self) -> None:
        """Be ready to play. Raises `SpeakerError`."""
        self._called_at, self._first_called_at = time.monotonic(), 0.0
        await asyncio.to_thread(self._start)

    def write(self, samples: Int16) -> int:
        """Append sound; returns the number of its first sample.

        Raises `SpeakerError` when the device is gone.
        """
        if not self.alive:
            problem = f"the speaker {self.device.name!r} takes no sound any more"
            raise SpeakerError(problem, "connect it again, or choose another: voice devices")
        with self._sharing:
            return self._queue.write(samples)

    def position(self) -> OutputPosition:
        """How far it has come."""
        with self._sharing:
            return self._queue.position(time.monotonic())

    def duck(self, gain: float = DUCK_GAIN, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on, but with all samples times `gain`."""
        with self._sharing:
            self._queue.duck(gain, fade_seconds)

    def unduck(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on as loud as it was written."""
        with self._sharing:
            self._queue.unduck(fade_seconds)

    def hold(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fade out and stay silent until `resume`."""
        with self._sharing:
            self._queue.hold(fade_seconds)

    def resume(self, index: int, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on after a hold from the sample `index`."""
        with self._sharing:
            self._queue.resume(index, fade_seconds)

    def discard(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fall silent: fade out what comes next, drop the rest."""
        with self._sharing:
            self._queue.discard(fade_seconds)

    async def close(self) -> None:
        """Stop at once. Safe to call twice."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await asyncio.to_thread(end_stream, stream)

    def _start(self) -> None:
        sounddevice = portaudio()
        for channels in dict.fromkeys((1, min(2, self.device.outputs), self.device.outputs)):
            try:
                self._open_stream(sounddevice, channels)
                return
            except sounddevice.PortAudioError as error:
                problem = f"the speaker {self.device.name!r} cannot be opened: {reason(error)}"
        raise SpeakerError(problem, "choose another: voice devices")

    def _open_stream(self, sounddevice: Any, channels: int) -> None:
        self._channels = channels
        self._stream = start_stream(
            sounddevice.RawOutputStream,
            samplerate=self.rate,
            blocksize=round(self.rate * BLOCK_SECONDS),
            device=self.device.number,
            channels=channels,
            dtype="int16",
            latency=self._latency_seconds,
            callback=self._fill,
        )

    def _fill(self, out: Any, count: int, time_info: Any, status: Any) -> None:
        """On PortAudio's thread: copy."""
        now = self._called_at = time.monotonic()
        self._first_called_at = self._first_called_at or now
        self.delay_seconds = device_delay(time_info, "outputBufferDacTime", self._latency_seconds)
        at = now + self.delay_seconds
        with self._sharing:
            playing = self._queue.waiting > 0
            samples = self._queue.pull(count, at)
        self._latest = samples
        self.played_blocks.append((samples, at))
        out[:] = np.repeat(samples, self._channels).tobytes()
        self._underflows += playing and bool(status.output_underflow)
        self.underruns = self._queue.underruns + self._underflows


def _rate(device: Device) -> int:
    """The device's own rate, as far as PortAudio tells it."""
    if device.host_api == "ALSA" and takes_output(device.number, ALSA_RATE):
        return ALSA_RATE
    return device.rate
