"""Text to phonemes by espeak, and which of them belong to which word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from piper import PiperVoice
from piper.config import PiperConfig
from piper.const import BOS, EOS

from voice.speak.words import Span, word_spans, words_of_sentences

Int64 = NDArray[np.int64]

_NO_BRACKETS = str.maketrans("[]\n\r\t", "     ")
"""Piper takes [[…]] for phonemes, and espeak a line's end for a clause's."""

_REMEMBERED_WORDS = 2000
"""espeak takes 0.15 ms for a word alone; most words of an answer were said before."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """The phonemes of a sentence, and the words that begin in it.

    Of each word `start:end` in the text, and `start:end` of its phonemes.
    """

    phonemes: list[str]
    words: tuple[tuple[Span, Span], ...]


class Phonemizer:
    """Text to rows of the phonemes that a voice knows."""

    def __init__(self, config: PiperConfig) -> None:
        self._config = config
        self._voice = PiperVoice(session=None, config=config)
        self._alone = lru_cache(_REMEMBERED_WORDS)(self._word)

    def sentences(self, text: str) -> list[Sentence]:
        """The sentences of a text as espeak sees them."""
        text = text.translate(_NO_BRACKETS)
        words = word_spans(text)
        rows = self._rows(text)
        alone = [self._alone(text[start:end]) for start, end in words]
        found, first = [], 0
        for row, spans in zip(rows, words_of_sentences(alone, rows), strict=True):
            own = words[first : first + len(spans)]
            found.append(Sentence(row, tuple(zip(own, spans, strict=True))))
            first += len(spans)
        return found

    def ids(self, phonemes: Sequence[str]) -> list[int]:
        """What the voice's graph takes."""
        return list(self._voice.phonemes_to_ids(list(phonemes)))

    def edges(self, phonemes: Sequence[str], durations: Int64 | None) -> Int64 | None:
        """At which sample each phoneme begins and the last one ends; its pads belong to it.

        `durations` are those of the ids, in samples. None where they are missing or not as many.
        """
        known = self._config.phoneme_id_map
        counts = [len(known[phoneme]) + 1 for phoneme in phonemes]
        first = len(known[BOS]) + 1
        if durations is None or len(durations) != first + sum(counts) + len(known[EOS]):
            return None
        passed = np.concatenate([[0], np.cumsum(durations)])
        return np.asarray(passed[first + np.concatenate([[0], np.cumsum(counts)])], np.int64)

    def _word(self, word: str) -> str:
        return "".join(chain.from_iterable(self._rows(word)))

    def _rows(self, text: str) -> list[list[str]]:
        known = self._config.phoneme_id_map
        rows = (
            [phoneme for phoneme in row if phoneme in known] for row in self._voice.phonemize(text)
        )
        return [row for row in rows if row]
