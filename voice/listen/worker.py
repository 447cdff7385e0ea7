"""The transcriber's own thread: sound goes in from the event loop, hypotheses come out."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.errors import VoiceError
from voice.listen.options import ListenOptions
from voice.listen.transcriber import Hypothesis, Transcriber


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What utterance number `utterance` says so far."""

    utterance: int
    hypothesis: Hypothesis


@dataclass(frozen=True, slots=True)
class TranscriptionFailed:
    """The transcriber could not do its work on this utterance."""

    utterance: int
    error: VoiceError


Outcome = Transcribed | TranscriptionFailed


@dataclass(frozen=True, slots=True)
class _Begin:
    utterance: int
    start: int


@dataclass(frozen=True, slots=True)
class _Transcribe:
    done: Callable[[Outcome], None]


def partial_interval_seconds(options: ListenOptions, pass_seconds: float) -> float:
    """How far apart partials begin where the last pass took `pass_seconds`."""
    return max(options.partial_seconds, pass_seconds / options.partial_load)


class TranscriptionWorker:
    """Runs one `Transcriber` on a thread, in the order in which it was told.

    Nothing that was said is dropped: sound waits in the queue while the model works, and the turn
    machine bounds an utterance. Only partials are left out while the worker is behind (`busy`).
    `now` tells the clock's seconds; in virtual time a pass takes none.
    """

    def __init__(
        self, transcriber: Transcriber, options: ListenOptions, now: Callable[[], float]
    ) -> None:
        self._transcriber = transcriber
        self._options = options
        self._now = now
        self._pass_seconds = 0.0
        self._commands: queue.SimpleQueue[_Begin | Int16 | _Transcribe | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="transcriber", daemon=True)
        self._thread.start()
        self._under_way = 0
        self._fresh_samples = 0

    @property
    def busy(self) -> bool:
        """Whether a transcription is waiting or under way."""
        return self._under_way > 0

    @property
    def partial_due(self) -> bool:
        """Whether enough new sound came for another partial, and the worker is free for it."""
        wanted_seconds = partial_interval_seconds(self._options, self._pass_seconds)
        return not self.busy and self._fresh_samples >= wanted_seconds * SAMPLE_RATE

    def warm_up(self) -> None:
        """Let the model allocate what it needs, so that the first words come as fast as others."""
        self.begin(0, 0)
        self.accept(np.zeros(SAMPLE_RATE, np.int16))
        self._commands.put(_Transcribe(lambda _: None))

    def begin(self, utterance: int, start: int) -> None:
        """The sound that follows belongs to a new utterance, whose first sample is `start`."""
        self._fresh_samples = 0
        self._commands.put(_Begin(utterance, start))

    def accept(self, samples: Int16) -> None:
        """More of the utterance."""
        self._fresh_samples += len(samples)
        self._commands.put(samples)

    async def transcribe(self) -> Outcome:
        """What the utterance says, up to the sound accepted so far."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()

        def done(outcome: Outcome) -> None:
            loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(outcome))

        self._under_way += 1
        self._fresh_samples = 0
        self._commands.put(_Transcribe(done))
        try:
            return await future
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """End the thread when its work is done."""
        self._commands.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        utterance = 0
        while (command := self._commands.get()) is not None:
            match command:
                case _Begin(number, start):
                    utterance = number
                    self._transcriber.begin(start)
                case _Transcribe(done):
                    done(self._outcome(utterance))
                case samples:
                    self._transcriber.accept(samples)

    def _outcome(self, utterance: int) -> Outcome:
        began = self._now()
        try:
            return Transcribed(utterance, self._transcriber.hypothesis())
        except VoiceError as error:
            return TranscriptionFailed(utterance, error)
        finally:
            self._pass_seconds = self._now() - began
