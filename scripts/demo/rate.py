"""The rate part: how many tokens a second our client follows without falling behind.

Our server's script backend writes at a pace; socket, decoding, conversation and driver are those of
`voice run`. Then once more with the chunker that cuts the text into clauses, while the voice speaks
them on its own thread, as it does in a conversation.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from scripts.benchmarks.responses_caller import Caller, calling
from voice.models.resolve import weights
from voice.responses.options import AgentOptions
from voice.responses.signals import AnswerWritten, TextReceived
from voice.server.child import local_server
from voice.server.serve import ServeOptions
from voice.speak.chunker import Chunker
from voice.speak.options import SpeakOptions
from voice.speak.piper import PiperSynthesizer
from voice.speak.synthesizer import Clause
from voice.speak.worker import SynthesisWorker

PACES: Final = (65.0, 1000.0, 4000.0, 0.0)
"""Tokens a second; 0 is as fast as the server can. People read 5 a second and hear 4."""

_TOKENS: Final = {65.0: 26, 1000.0: 400, 4000.0: 1600, 0.0: 5000}
"""Of an answer at each pace: 0.4 s of them; without one, as many as an answer may have, since more
than 20,000 characters are cut."""

_SENTENCE = "so we went on to the old sea and saw it. "
_VOICE = "en_US-joe-medium"
_VOICE_RATE = 22_050

Through = Literal["text", "speech"]


@dataclass(frozen=True, slots=True)
class Followed:
    """One answer."""

    through: Through
    offered: float
    """Tokens a second that the server wrote; 0: as many as it could."""
    tokens: int
    seconds: float
    """From the first token to the last; without a pace from the question, since the first ones may
    have waited until somebody looked."""

    @property
    def per_second(self) -> float:
        """Tokens a second as they arrived."""
        return (self.tokens - 1) / self.seconds

    @property
    def late_seconds(self) -> float | None:
        """How much later than at this pace the last token came; None without a pace."""
        if not self.offered:
            return None
        return self.seconds - (self.tokens - 1) / self.offered


async def measure_rate(rounds: int, *, with_speech: bool = True) -> AsyncIterator[Followed]:
    """Every answer as soon as it is read. Raises `ServerError` and `ModelError`."""
    async with AsyncExitStack() as stack:
        speak: Callable[[Clause], None] | None = None
        if with_speech:
            speak = await stack.enter_async_context(_speaking())
        caller = await stack.enter_async_context(_calling())
        await _read(caller, 0.0, "text", None)  # nobody times the first one
        for _ in range(rounds):
            for pace in PACES:
                yield await _read(caller, pace, "text", None)
                if speak is not None:
                    yield await _read(caller, pace, "speech", speak)


@asynccontextmanager
async def _calling() -> AsyncIterator[Caller]:
    """Our client, connected to a server that writes as quickly as it is asked to."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "answers.toml"
        script.write_text("\n".join(map(_reply, PACES)), encoding="utf-8")
        async with (
            local_server(ServeOptions(backend="script", script=script)) as (url, key),
            calling(url, AgentOptions(eager=False), key=key) as caller,
        ):
            yield caller


def _question(pace: float) -> str:
    return f"Tell me a story at pace {pace:.0f}."


def _reply(pace: float) -> str:
    """Of the script, to that question."""
    tokens = _TOKENS[pace]
    words = _SENTENCE * (tokens // len(_SENTENCE.split()) + 1)
    text = " ".join(words.split()[:tokens])
    return f'''[[reply]]
match = "{_question(pace)}"
text = "{text}"
tokens_per_second = {pace}'''


async def _read(
    caller: Caller, pace: float, through: Through, speak: Callable[[Clause], None] | None
) -> Followed:
    """Ask, and read to the end what is written."""
    chunker = Chunker() if speak is not None else None
    caller.next_turn()
    asked_at = caller.ask(_question(pace))
    first_at = last_at = 0.0
    async for _, event in caller.events:
        if isinstance(event, TextReceived):
            last_at = time.monotonic()
            first_at = first_at or last_at
            if chunker is not None and speak is not None:
                for clause in chunker.receive(event.text):
                    speak(clause)
        elif isinstance(event, AnswerWritten):
            break
    caller.interrupt("Well.")  # else the conversation would grow by all of this
    return Followed(through, pace, _TOKENS[pace], last_at - (first_at if pace else asked_at))


@asynccontextmanager
async def _speaking() -> AsyncIterator[Callable[[Clause], None]]:
    """The voice, which speaks the latest clause that it was given, without a pause."""
    model = weights(_VOICE, ".onnx")
    synthesizer = await asyncio.to_thread(PiperSynthesizer.load, model, _VOICE_RATE, SpeakOptions())
    worker = SynthesisWorker(synthesizer)
    given: asyncio.Queue[Clause] = asyncio.Queue(maxsize=1)

    async def speak_all() -> None:
        while True:
            clause = await given.get()
            async for _ in worker.synthesize(clause.text):
                pass

    def speak(clause: Clause) -> None:
        if not given.full():  # the speaker would be behind by minutes; the text must not be
            given.put_nowait(clause)

    speaking = asyncio.create_task(speak_all())
    try:
        yield speak
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        worker.close()
