"""The user's side of a conversation: sound in, facts for the turn machine out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import numpy as np

from voice.audio.frames import SAMPLE_RATE, Frame
from voice.audio.residual import SILENCE_DBFS
from voice.errors import VoiceError
from voice.listen.worker import Transcribed
from voice.parts import Parts
from voice.turns.events import (
    DuplexChosen,
    EndJudged,
    Event,
    OnsetHeard,
    TranscriptionLost,
    WordsTranscribed,
)

_HISTORY_SAMPLES = SAMPLE_RATE
"""Sound kept for an utterance that turns out to have begun earlier: more than any pre-roll."""

_BEHIND_SECONDS = 1.0
"""Words that come later than this after they were asked for keep the user waiting: traced."""


class Ear:
    """Hears frame after frame; what is found out about them goes to `post`."""

    def __init__(
        self, parts: Parts, tasks: asyncio.TaskGroup, post: Callable[[Event], None]
    ) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._trace = parts.trace
        self._tasks = tasks
        self._post = post
        self._history: deque[Frame] = deque()
        self._unheard: deque[Frame] = deque()  # what the frames of the history were, while muted
        self._half_duplex = False
        self._utterance = 0
        self.muted = False
        """Whether silence is heard instead of what the microphone hears."""

    @property
    def latest(self) -> Frame | None:
        """The frame that was heard last."""
        return self._history[-1] if self._history else None

    def hear(self, frame: Frame) -> None:
        """Take in the next frame."""
        parts = self._parts
        if self.muted:
            self._unheard.append(frame)
            while frame.end - self._unheard[0].end > _HISTORY_SAMPLES:
                self._unheard.popleft()
            frame = Frame(frame.start, np.zeros_like(frame.samples), frame.at)
        self._history.append(frame)
        while frame.end - self._history[0].end > _HISTORY_SAMPLES:
            self._history.popleft()
        if self._utterance:
            self._accept(frame)
        self._listen_over_agent(frame)
        for event in parts.gate.receive(frame, parts.vad.is_speech(frame.samples)):
            self._post(event)
        due = parts.transcriber.partial_due and parts.gate.speaking
        if self._utterance and (due or parts.gate.lull_began):
            self.transcribe(self._utterance)

    def open(self, turn: int, audio_start: int) -> None:
        """What is heard from the sample `audio_start` on is utterance `turn`."""
        transcriber = self._parts.transcriber
        frames = [frame for frame in self._history if frame.end > audio_start]
        transcriber.begin(turn, frames[0].start)
        if self._parts.judge:
            self._parts.judge.begin()
        for frame in frames:
            self._accept(frame)
        self._utterance = turn

    def close(self) -> None:
        """The utterance is over; the next speech begins a new one."""
        self._utterance = 0
        self._parts.gate.close()

    def hear_from(self, sample: int) -> None:
        """Whoever was muted counts as heard since `sample`, as far as the history goes."""
        since = {frame.start: frame for frame in self._unheard if frame.start >= sample}
        self._unheard.clear()
        self._history = deque(since.get(frame.start, frame) for frame in self._history)

    def transcribe(self, turn: int) -> None:
        """Find out what utterance `turn` says so far."""
        self._tasks.create_task(self._transcribe(turn))

    def judge(self, turn: int, sample: int) -> None:
        """Find out by its sound whether utterance `turn`, which paused after `sample`, is over."""
        self._tasks.create_task(self._judge(turn, sample))

    def _listen_over_agent(self, frame: Frame) -> None:
        """Notice quickly that a sound began, and whether the agent's own can be told from it."""
        parts, echo = self._parts, self._parts.echo
        residual_dbfs = echo.residual_dbfs if echo else SILENCE_DBFS
        began_at = parts.onset.receive(frame, parts.gate.floor_dbfs, residual_dbfs)
        if began_at is not None:
            self._post(OnsetHeard(began_at))
        if echo and echo.convergence.half_duplex != self._half_duplex:
            self._half_duplex = echo.convergence.half_duplex
            self._post(DuplexChosen(self._half_duplex, echo.convergence.reason))

    def _accept(self, frame: Frame) -> None:
        self._parts.transcriber.accept(frame.samples)
        if self._parts.judge:
            self._parts.judge.accept(frame.samples)

    async def _judge(self, turn: int, sample: int) -> None:
        judge = self._parts.judge
        if judge is None or self._utterance != turn:
            return
        with self._clock.working():
            try:
                probability = await judge.probability()
            except VoiceError as error:
                self._trace.mark("judge.failed", self._clock.now(), turn, reason=str(error))
            else:
                self._post(EndJudged(turn, sample, probability))

    async def _transcribe(self, turn: int) -> None:
        with self._clock.working():
            asked_at = self._clock.now()
            outcome = await self._parts.transcriber.transcribe()
            if outcome.utterance != turn:
                return
            now = self._clock.now()
            if now - asked_at > _BEHIND_SECONDS:
                behind = round(now - asked_at, 2)
                self._trace.mark("transcription.behind", now, turn, seconds=behind)
            if isinstance(outcome, Transcribed):
                hypothesis = outcome.hypothesis
                committed = " ".join(word.text for word in hypothesis.committed)
                self._post(WordsTranscribed(turn, hypothesis.text, hypothesis.end, committed))
            else:
                self._post(TranscriptionLost(turn, str(outcome.error)))
