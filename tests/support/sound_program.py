"""A program that hears or plays through the default devices, to be run with a rig's environment.

`hear SECONDS FILE.npy` keeps what the microphone delivers; `play FILE.npy [DISCARD_AFTER]` plays
samples at the speaker's rate; `rate` tells that rate. Each prints `ready`, then one JSON object;
times are `time.monotonic`, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import numpy as np

from voice.audio.devices import Microphone, Speaker, choose
from voice.audio.frames import SAMPLE_RATE

SETTLE_SECONDS = 0.3
"""Until a device that was just opened runs evenly."""


async def hear(seconds: float, path: Path) -> None:
    microphone = Microphone(choose(None, "input"))
    await microphone.open()
    frames = []
    ready = False
    while (frame := await microphone.read()) and frame.end < seconds * SAMPLE_RATE:
        frames.append(frame)
        if not ready and frame.end >= SETTLE_SECONDS * SAMPLE_RATE:
            ready = True
            print("ready", flush=True)
    await microphone.close()
    np.save(path, np.concatenate([frame.samples for frame in frames]))
    report = {
        "starts": [frame.start for frame in frames],
        "ends_at": [frame.at for frame in frames],
        "overruns": microphone.overruns,
        "delay_seconds": microphone.delay_seconds,
    }
    print(json.dumps(report), flush=True)


async def play(path: Path, discard_after_seconds: float | None) -> None:
    speaker = Speaker(choose(None, "output"))
    await speaker.open()
    await asyncio.sleep(SETTLE_SECONDS)
    print("ready", flush=True)
    samples = np.load(path)
    written_at = time.monotonic()
    speaker.write(samples)
    discarded_at = None
    positions = []
    while (position := speaker.position()).played < position.written:
        positions.append((time.monotonic(), position.played))
        if discard_after_seconds is not None and discarded_at is None:
            await asyncio.sleep(discard_after_seconds)
            discarded_at = time.monotonic()
            speaker.discard()
        await asyncio.sleep(0.005)
    position = speaker.position()
    await asyncio.sleep(SETTLE_SECONDS)
    await speaker.close()
    report = {
        "written_at": written_at,
        "started_at": position.started_at,
        "started_index": position.started_index,
        "discarded_at": discarded_at,
        "played": position.played,
        "positions": positions,
        "underruns": speaker.underruns,
        "delay_seconds": speaker.delay_seconds,
    }
    print(json.dumps(report), flush=True)


def main() -> None:
    verb, *arguments = sys.argv[1:]
    match verb:
        case "hear":
            asyncio.run(hear(float(arguments[0]), Path(arguments[1])))
        case "play":
            after = float(arguments[1]) if len(arguments) > 1 else None
            asyncio.run(play(Path(arguments[0]), after))
        case "rate":
            print(Speaker(choose(None, "output")).rate)
        case _:
            sys.exit(f"unknown: {verb}")


if __name__ == "__main__":
    main()
