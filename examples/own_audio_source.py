"""Sound from anywhere, here raw: arecord -f S16_LE -r 16000 -t raw | python ... ANSWER.wav"""

import asyncio
import sys
import time

import numpy as np

from voice import Assistant
from voice.audio.frames import FRAME_SAMPLES, Frame


class StandardInput:
    """A microphone: 20 ms of sound with each `read`, None at the end."""

    overruns, ended, position = 0, False, 0

    async def open(self) -> None: ...

    async def read(self) -> Frame | None:
        raw = await asyncio.to_thread(sys.stdin.buffer.read, 2 * FRAME_SAMPLES)
        if len(raw) < 2 * FRAME_SAMPLES:
            return None
        self.position += FRAME_SAMPLES
        start = self.position - FRAME_SAMPLES
        return Frame(start, np.frombuffer(raw, np.int16), time.monotonic())

    async def close(self) -> None: ...


async def main(answer: str, agent: str | None = None) -> None:
    async with Assistant(agent=agent, input=StandardInput(), output=answer) as it:
        async for event in it.converse():
            if event.event in ("transcript.final", "answer.written"):
                print(event.fields["text"])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
