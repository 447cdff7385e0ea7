"""A transcriber that knows what will be said, for tests and for trying other parts alone."""

from __future__ import annotations

from collections.abc import Iterable

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.listen.transcriber import Hypothesis, Word


class FakeTranscriber:
    """Hears the given texts, one an utterance, then nothing.

    With `seconds_per_word` the words come with the sound, and all but the last are committed.
    """

    def __init__(self, texts: Iterable[str], seconds_per_word: float = 0.0) -> None:
        self._texts = iter(texts)
        self._samples_per_word = round(seconds_per_word * SAMPLE_RATE)
        self._text = ""
        self._start = self._end = 0

    def begin(self, start: int) -> None:
        """A new utterance: the next text."""
        self._text = next(self._texts, "")
        self._start = self._end = start

    def accept(self, samples: Int16) -> None:
        """More of the utterance."""
        self._end += len(samples)

    def hypothesis(self) -> Hypothesis:
        """The words of the text as far as the sound has come, or all of them."""
        words = tuple(Word(text, self._start, self._end) for text in self._text.split())
        if not self._samples_per_word:
            return Hypothesis((), words, self._end)
        words = words[: (self._end - self._start) // self._samples_per_word]
        return Hypothesis(words[:-1], words[-1:], self._end)


class LoudnessVad:
    """Takes everything for speech that is louder than `threshold` (int16 peak)."""

    def __init__(self, threshold: int = 1000) -> None:
        self._threshold = threshold

    def is_speech(self, samples: Int16) -> bool:
        """Whether the frame is loud."""
        return bool(abs(samples.astype(int)).max() > self._threshold)


class FakeEndOfTurn:
    """Gives the same probability whatever it hears."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def probability(self, samples: Int16) -> float:
        """How likely the turn is over."""
        return self._probability
