"""Words without a conversation: `from voice import transcribe`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Int16
from voice.audio.wav import read_frames
from voice.build import load_transcriber
from voice.clock import VirtualClock
from voice.config import Options, load
from voice.listen.gate import Gate, SpeechPaused, SpeechResumed, SpeechStarted
from voice.listen.transcriber import Transcriber
from voice.listen.vad import Vad, choose_vad
from voice.listen.worker import Transcribed, TranscriptionWorker

_HISTORY_FRAMES = SAMPLE_RATE // FRAME_SAMPLES
"""Sound before the gate opened, kept for the first syllable: a second."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What somebody said between two pauses, from `start_seconds` to `end_seconds` of the sound.

    One that is not `final` may still change and grow.
    """

    text: str
    final: bool
    start_seconds: float
    end_seconds: float


async def transcribe(
    sound: Path | str | Iterable[Int16] | AsyncIterable[Int16],
    *,
    options: Options | None = None,
    transcriber: Transcriber | None = None,
) -> AsyncIterator[Transcript]:
    """What is said in a sound file, or in blocks of int16 samples (mono, 16 kHz, any length).

    A pause of `endpoint_seconds` ([turns] of the options) ends an utterance. Raises `VoiceError`s.
    """
    options = options or load(None, os.environ, {})
    async with AsyncExitStack() as stack:
        if transcriber:
            worker = TranscriptionWorker(transcriber, options.listen, VirtualClock().now)
        else:
            worker = load_transcriber(options, VirtualClock())
        stack.push_async_callback(worker.close)
        listener = _Listener(worker, choose_vad(options.gate), Gate(options.gate))
        pause_samples = round(options.turns.endpoint_seconds * SAMPLE_RATE)
        async for samples in _frames(sound):
            listener.hear(samples)
            over = listener.silent_samples >= pause_samples
            look = over or listener.due
            if look and (transcript := await listener.transcribe(final=over)):
                yield transcript
        if listener.utterance and (transcript := await listener.transcribe(final=True)):
            yield transcript


class _Listener:
    """Finds utterances in frames, and asks the worker for their words."""

    def __init__(self, worker: TranscriptionWorker, vad: Vad, gate: Gate) -> None:
        self._worker = worker
        self._vad = vad
        self._gate = gate
        self._history: deque[Frame] = deque(maxlen=_HISTORY_FRAMES)
        self._start = self._position = self._number = 0
        self._paused_at: int | None = None
        self.utterance = 0
        """The number of the one that is open; 0: none."""

    @property
    def silent_samples(self) -> int:
        """How long the one who spoke has been silent."""
        if not self.utterance or self._paused_at is None:
            return 0
        return self._position - self._paused_at

    @property
    def due(self) -> bool:
        """Whether the words so far are worth another look."""
        return bool(self.utterance) and self._gate.speaking and self._worker.partial_due

    def hear(self, samples: Int16) -> None:
        """Take in a frame."""
        end = self._position + len(samples)
        frame = Frame(self._position, samples, end / SAMPLE_RATE)
        self._position = end
        self._history.append(frame)
        if self.utterance:
            self._worker.accept(samples)
        for event in self._gate.receive(frame, self._vad.is_speech(samples)):
            match event:
                case SpeechStarted():
                    self._open(event.audio_start)
                case SpeechPaused():
                    self._paused_at = event.sample
                case SpeechResumed():
                    self._paused_at = None

    async def transcribe(self, *, final: bool) -> Transcript | None:
        """The words so far, if there are any. Raises `ModelError`."""
        outcome = await self._worker.transcribe()
        end = self._position if self._paused_at is None else self._paused_at
        if final:
            self._gate.close()
            self.utterance, self._paused_at = 0, None
        if not isinstance(outcome, Transcribed):
            raise outcome.error
        text = outcome.hypothesis.text
        if not text:
            return None
        return Transcript(text, final, self._start / SAMPLE_RATE, end / SAMPLE_RATE)

    def _open(self, audio_start: int) -> None:
        frames = [frame for frame in self._history if frame.end > audio_start]
        self._number += 1
        self.utterance, self._start, self._paused_at = self._number, frames[0].start, None
        self._worker.begin(self.utterance, self._start)
        for frame in frames:
            self._worker.accept(frame.samples)


async def _frames(
    sound: Path | str | Iterable[Int16] | AsyncIterable[Int16],
) -> AsyncIterator[Int16]:
    """Frames of equal length; the last one is filled up with silence."""
    if isinstance(sound, Path | str):
        sound = read_frames(Path(sound))
    rest: Int16 = np.zeros(0, np.int16)
    async for block in _each(sound):
        rest = np.concatenate([rest, block])
        while len(rest) >= FRAME_SAMPLES:
            yield rest[:FRAME_SAMPLES]
            rest = rest[FRAME_SAMPLES:]
    if len(rest):
        yield np.pad(rest, (0, FRAME_SAMPLES - len(rest)))


async def _each(blocks: Iterable[Int16] | AsyncIterable[Int16]) -> AsyncIterator[Int16]:
    if isinstance(blocks, AsyncIterable):
        async for block in blocks:
            yield block
    else:
        for block in blocks:
            yield block
