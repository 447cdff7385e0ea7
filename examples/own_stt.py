"""Speech to text of your own in place of Whisper: python examples/own_stt.py

This one only tells how long somebody spoke; a real one would ask a model in `hypothesis`.
"""

import asyncio
import sys

import numpy as np

from voice import Assistant
from voice.listen.transcriber import Hypothesis, Word


class Stopwatch:
    """A `Transcriber`: one utterance at a time, on a thread of its own."""

    def begin(self, start: int) -> None:
        self.start = self.end = start

    def accept(self, samples: np.ndarray) -> None:
        self.end += len(samples)

    def hypothesis(self) -> Hypothesis:
        text = f"I spoke for {(self.end - self.start) / 16_000:.0f} seconds."
        words = tuple(Word(word, self.start, self.end) for word in text.split())
        return Hypothesis(committed=(), tail=words, end=self.end)


async def main(*files: str) -> None:
    source, sink, agent = (*files, None, None, None)[:3]
    stt = Stopwatch()
    async with Assistant(agent=agent, transcriber=stt, input=source, output=sink) as assistant:
        async for event in assistant.converse():
            if event.event in ("transcript.final", "answer.written"):
                print(event.fields["text"])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
