"""The program's own parts, made by `voice.build`, with an agent that has nothing to say.

Only listening is measured: the server is one in memory whose answers are empty, the voice hums,
the speaker is nobody's. Everything else (detector, gate, transcriber, turn machine and whatever
joins them) is what `build.open_session` chooses for the options, so the benchmark follows it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from voice import build
from voice.audio.frames import AudioInput, Int16, OutputPosition
from voice.build_agent import Brought, Server
from voice.clock import Clock, MonotonicClock
from voice.config import Options
from voice.listen.options import ListenOptions
from voice.listen.smart_turn import EndOfTurnModel, SmartTurn
from voice.listen.transcriber import Hypothesis, Transcriber
from voice.responses.events import Completed, Created, Response, ServerEvent
from voice.responses.fake import MemoryTransport, Request
from voice.responses.requests import Features
from voice.session import Session
from voice.speak.fake import FakeSynthesizer
from voice.trace import Trace

OUTPUT_RATE = 16_000

Overrides = Mapping[str, Mapping[str, Any]]
"""Options by section and key."""


def options_with(overrides: Overrides) -> Options:
    """The defaults with some changed. Raises `KeyError` naming an option that does not exist."""
    options = Options()
    for section, values in overrides.items():
        if section not in {field.name for field in dataclasses.fields(options)}:
            raise KeyError(section)
        current = getattr(options, section)
        known = {field.name for field in dataclasses.fields(current)}
        if unknown := set(values) - known:
            raise KeyError(f"{section}.{min(unknown)}")
        changed = dataclasses.replace(current, **values)
        options = dataclasses.replace(options, **{section: changed})
    return options


def merged(*several: Overrides) -> Overrides:
    """Overrides together; the later ones win."""
    sections: dict[str, dict[str, Any]] = {}
    for overrides in several:
        for section, values in overrides.items():
            sections.setdefault(section, {}).update(values)
    return sections


class SilentOutput:
    """A speaker that plays to nobody, at once."""

    def __init__(self) -> None:
        self.rate = OUTPUT_RATE
        self.underruns = 0
        self._written = 0

    async def open(self) -> None:
        """Nothing to open."""

    def write(self, samples: Int16) -> int:
        """Take sound."""
        self._written += len(samples)
        return self._written - len(samples)

    def position(self) -> OutputPosition:
        """Everything has been played."""
        return OutputPosition(self._written, self._written, self._written)

    def duck(self, gain: float = 0.1, fade_seconds: float = 0.015) -> None:
        """Nobody hears it."""

    def unduck(self, fade_seconds: float = 0.015) -> None:
        """Nobody hears it."""

    def hold(self, fade_seconds: float = 0.015) -> None:
        """Nothing is waiting."""

    def resume(self, index: int, fade_seconds: float = 0.015) -> None:
        """Nothing was held."""

    def discard(self, fade_seconds: float = 0.015) -> None:
        """Nothing is waiting."""

    async def close(self) -> None:
        """Nothing to close."""


class Remembering:
    """Answers from memory what the transcriber was asked before after the very same sound.

    Thresholds change when an utterance ends, hardly ever what is asked until then: a sweep over
    them costs little more than one run. In real time it would be cheating; there it is not used.
    """

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self._known: dict[bytes, Hypothesis] = {}
        self._start = 0
        self._steps: list[Int16 | None] = []  # sound, or None where a hypothesis was asked for
        self._digests: list[bytes] = []
        self._digest = hashlib.sha1()
        self._taken: tuple[int, bytes] | None = None  # how far the transcriber itself has come

    def begin(self, start: int) -> None:
        """A new utterance."""
        self._start = start
        self._steps, self._digests = [], []
        self._digest = hashlib.sha1(str(start).encode())

    def accept(self, samples: Int16) -> None:
        """More of the utterance."""
        self._step(samples, samples.tobytes())

    def hypothesis(self) -> Hypothesis:
        """From memory if possible."""
        self._step(None, b"?")
        key = self._digests[-1]
        if key not in self._known:
            self._known[key] = self._ask()
        return self._known[key]

    def _step(self, samples: Int16 | None, data: bytes) -> None:
        self._steps.append(samples)
        self._digest.update(data)
        self._digests.append(self._digest.digest())

    def _ask(self) -> Hypothesis:
        """Let the transcriber go the whole way, from where it is if that lies on it."""
        first = 0
        if self._taken is not None:
            count, digest = self._taken
            if 0 < count <= len(self._digests) and self._digests[count - 1] == digest:
                first = count
        if not first:
            self._transcriber.begin(self._start)
        hypothesis: Hypothesis | None = None
        for step in self._steps[first:]:
            if step is None:
                hypothesis = self._transcriber.hypothesis()
            else:
                self._transcriber.accept(step)
        self._taken = len(self._steps), self._digests[-1]
        assert hypothesis is not None
        return hypothesis


class Judge:
    """An end-of-turn model; with a memory it judges the same sound once."""

    def __init__(self, model: EndOfTurnModel, *, remembering: bool) -> None:
        self._model = model
        self._remembering = remembering
        self._known: dict[bytes, float] = {}

    def probability(self, samples: Int16) -> float:
        """How likely the turn is over."""
        if not self._remembering:
            return self._model.probability(samples)
        key = hashlib.sha1(samples.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._model.probability(samples)
        return self._known[key]


class Loader:
    """Loads models as `voice.build` does, each once: a session has its own workers.

    With `remembering` they answer from memory where they can (see `Remembering`).
    """

    def __init__(self, *, remembering: bool = False) -> None:
        self._remembering = remembering
        self._load_judge = SmartTurn.load
        self._made: dict[ListenOptions, Transcriber] = {}
        self._judges: dict[Path, Judge] = {}

    def judge(self, model: Path) -> Judge:
        """The end-of-turn model in that file."""
        if model not in self._judges:
            loaded = self._load_judge(model)
            self._judges[model] = Judge(loaded, remembering=self._remembering)
        return self._judges[model]

    def transcriber(self, options: Options) -> Transcriber:
        """The transcriber for these options, without a worker."""
        if options.listen not in self._made:
            made: list[Transcriber] = []
            with patch.object(build, "TranscriptionWorker", lambda one, *_: made.append(one)):
                build.load_transcriber(options, MonotonicClock())
            self._made[options.listen] = Remembering(made[0]) if self._remembering else made[0]
        return self._made[options.listen]


@asynccontextmanager
async def listening_session(
    options: Options, source: AudioInput, clock: Clock, trace: Trace, loader: Loader
) -> AsyncIterator[Session]:
    """A real session that listens to `source` and whose agent answers nothing."""
    agent = dataclasses.replace(options.agent, url="", input="off")
    devices = build.Devices(source, SilentOutput(), clock, patient=False)
    brought = Brought(
        transcriber=loader.transcriber(options),
        synthesizer=FakeSynthesizer(OUTPUT_RATE),
        server=Server(_connect_to_nobody, "default", Features(), agent),
    )
    chosen = dataclasses.replace(options, agent=agent)
    with patch.object(SmartTurn, "load", loader.judge):
        async with build.open_session(chosen, devices, trace, brought=brought) as session:
            yield session


async def _connect_to_nobody() -> MemoryTransport:
    numbers = iter(range(1, 1 << 30))

    def reply(request: Request) -> Iterable[ServerEvent]:
        if request["type"] != "response.create":
            return []
        lane, name = request["stream_id"], f"r{next(numbers)}"
        return [
            Created(stream_id=lane, response=Response(id=name)),
            Completed(stream_id=lane, response=Response(id=name)),
        ]

    return MemoryTransport(reply)
