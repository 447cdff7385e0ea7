"""Words while they are spoken: a speech model applied to a growing utterance, window by window."""

from __future__ import annotations

import dataclasses

import numpy as np

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.listen.commits import Commits
from voice.listen.guards import GuardOptions, believable
from voice.listen.options import ListenOptions
from voice.listen.speech_model import DecodedWord, SpeechModel
from voice.listen.transcriber import Hypothesis, Word
from voice.listen.window import cut

_LONGEST_WINDOW_SECONDS = 25.0
"""Whisper hears 30 s at most. Where nothing was agreed upon for so long, the words that are there
become final as they are."""


class IncrementalTranscriber:
    """A `Transcriber` whose every pass costs what the window costs, however long the utterance.

    Positions are samples of the capture; a window begins at `_window_start`. Committed words stay
    in the window as what is already written until the window rolls past them.
    """

    def __init__(self, model: SpeechModel, options: ListenOptions) -> None:
        self._model = model
        self._options = options
        self._guards = GuardOptions(least_probability=options.least_probability)
        self.begin(0)

    def begin(self, start: int) -> None:
        """A new utterance, whose first sample has the position `start`."""
        self._window_start = start
        self._chunks: list[Int16] = []
        self._committed: list[Word] = []
        self._written: list[DecodedWord] = []
        self._before: list[int] = []
        self._commits = Commits(self._options.commit_passes, self._options.commit_seconds)

    def accept(self, samples: Int16) -> None:
        """More of the utterance."""
        self._chunks.append(samples)

    def hypothesis(self) -> Hypothesis:
        """Transcribe what was accepted. Raises `ModelError`."""
        window = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        self._chunks = [window]
        end = self._window_start + len(window)
        if not len(window):
            return Hypothesis(tuple(self._committed), (), end)
        seconds = len(window) / SAMPLE_RATE
        words = self._decode(window)
        count = self._commits.receive(words, seconds)
        if seconds > _LONGEST_WINDOW_SECONDS:
            count = self._commits.force(words, seconds)
        self._commit(words[:count], end)
        tail = self._placed(words[count:], end)
        if seconds > self._options.window_seconds:
            self._roll(window)
        return Hypothesis(tuple(self._committed), tail, end)

    def _decode(self, window: Int16) -> list[DecodedWord]:
        """The believable words after the committed ones."""
        written = [token for word in self._written for token in word.tokens]
        sound = window.astype(np.float32) / 32768.0
        decoded = self._model.decode(sound, written, self._before)
        return believable(decoded, self._written, len(window) / SAMPLE_RATE, self._guards)

    def _commit(self, words: list[DecodedWord], end: int) -> None:
        self._committed += self._placed(words, end)
        self._written += words

    def _placed(self, words: list[DecodedWord], end: int) -> tuple[Word, ...]:
        """Words with positions in the capture: after the committed ones, in order, by `end`."""
        placed: list[Word] = []
        latest = self._committed[-1].end if self._committed else self._window_start
        for word in words:
            stop = min(end, self._window_start + round(word.end_seconds * SAMPLE_RATE))
            start = max(latest, self._window_start + round(word.start_seconds * SAMPLE_RATE))
            latest = max(start, stop)
            placed.append(Word(word.text, start, latest))
        return tuple(placed)

    def _roll(self, window: Int16) -> None:
        """Let the window begin later, if a word allows it."""
        found = cut(self._written, len(window) / SAMPLE_RATE)
        if found is None:
            return
        count, at_seconds = found
        self._before += [token for word in self._written[:count] for token in word.tokens]
        self._written = [_earlier(word, at_seconds) for word in self._written[count:]]
        samples = round(at_seconds * SAMPLE_RATE)
        self._chunks = [window[samples:]]
        self._window_start += samples


def _earlier(word: DecodedWord, seconds: float) -> DecodedWord:
    return dataclasses.replace(
        word,
        start_seconds=max(0.0, word.start_seconds - seconds),
        end_seconds=word.end_seconds - seconds,
    )
