"""Live sound devices: what the outside uses of them, and trying one out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from voice.audio.catalogue import Device, Kind, choose, list_devices
from voice.audio.frames import SAMPLE_RATE, level_dbfs
from voice.audio.microphone import Microphone
from voice.audio.speaker import Speaker

__all__ = ["Device", "Kind", "Microphone", "Probe", "Speaker", "choose", "list_devices", "probe"]

LOWEST_DBFS = -100.0
"""Told for digital silence; the last bit of 16 is -90."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A device that was opened: its latency in seconds, and what it heard (a speaker: nothing).

    `level_dbfs` is the loudest 20 ms as RMS against full scale; `lost` counts over- or underruns.
    """

    name: str
    latency_seconds: float
    level_dbfs: float
    lost: int


def probe(kind: Kind, wanted: str | int | None = None, seconds: float = 0.5) -> Probe:
    """Open a microphone and listen, or a speaker and play silence. Raises `AudioError`.

    Blocks, with an event loop of its own: not to be called from a coroutine.
    """
    device = choose(wanted, kind)
    return asyncio.run(_listen(device, seconds) if kind == "input" else _play(device, seconds))


async def _listen(device: Device, seconds: float) -> Probe:
    microphone = Microphone(device)
    level = LOWEST_DBFS
    try:
        await microphone.open()
        frame = await microphone.read()
        while frame is not None and frame.end < seconds * SAMPLE_RATE:
            level = max(level, level_dbfs(frame.samples))
            frame = await microphone.read()
    finally:
        await microphone.close()
    latency = microphone.delay_seconds
    return Probe(device.name, latency, level, microphone.overruns)


async def _play(device: Device, seconds: float) -> Probe:
    speaker = Speaker(device)
    try:
        await speaker.open()
        speaker.write(np.zeros(round(seconds * speaker.rate), np.int16))
        await asyncio.sleep(seconds)
    finally:
        await speaker.close()
    return Probe(device.name, speaker.delay_seconds, LOWEST_DBFS, speaker.underruns)
