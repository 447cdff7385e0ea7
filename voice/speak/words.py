"""Which phonemes of a sentence belong to which of its words.

espeak turns a whole sentence into phonemes and keeps no words: it runs some together ("in the"),
reads numbers as several, and weakens others. So each word is also phonemized alone, and the two
rows of phonemes are laid against each other with the fewest changes (Needleman and Wunsch, 1970).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]

_WORD = re.compile(r"\S+")
_PAUSES = frozenset(" .,;:!?\"'()-—…")
"""Space and punctuation: silence, which belongs to no word."""

_MARKS = frozenset("ˈˌːˑʲ\u0329\u032f\u0361")
"""Stress and length: they belong to a word but do not tell which one it is."""

_OTHER = 10
"""Cost of taking one phoneme for a different one; of leaving one out or in, a little over half."""
_GAP = 6
_GAP_SPACE = 2
_SPACE_MISMATCH = 100


def word_spans(text: str) -> list[Span]:
    """`start:end` of each word, with its punctuation."""
    return [match.span() for match in _WORD.finditer(text)]


def words_of_sentences(
    alone: Sequence[str], sentences: Sequence[Sequence[str]]
) -> list[list[Span]]:
    """For each sentence the `start:end` of the phonemes of the words that begin in it.

    `alone` has the phonemes of each word of the text by itself, in order. Every word is in one
    sentence, and the last one takes what is left.
    """
    spans = phonemes_of_words(alone, [symbol for row in sentences for symbol in (*row, " ")])
    result: list[list[Span]] = []
    first = 0
    for number, sentence in enumerate(sentences, 1):
        end = first + len(sentence)
        begun = [span for span in spans if span[0] <= end or number == len(sentences)]
        spans = spans[len(begun) :]
        result.append([(min(a, end) - first, min(b, end) - first) for a, b in begun])
        first = end + 1
    return result


def phonemes_of_words(alone: Sequence[str], spoken: Sequence[str]) -> list[Span]:
    """For each word the `start:end` of its phonemes in `spoken`.

    `alone` has the phonemes of each word by itself, `spoken` those of the sentence, with spaces.
    The spans are in order and do not overlap. A word of which nothing is said, or which is not
    found again, gets an empty span between its neighbours.
    """
    left, owners = _row(alone)
    places = [index for index, symbol in enumerate(spoken) if _counts(symbol)]
    right = [" " if spoken[index].isspace() else spoken[index] for index in places]
    firsts: dict[int, int] = {}
    lasts: dict[int, int] = {}
    for i, j in _matched(left, right):
        firsts.setdefault(owners[i], places[j])
        lasts[owners[i]] = places[j] + 1
    return _filled(len(alone), firsts, lasts, spoken)


def _counts(symbol: str) -> bool:
    return symbol.isspace() or symbol not in _PAUSES | _MARKS


def _row(alone: Sequence[str]) -> tuple[list[str], list[int]]:
    """The words' phonemes in one row with spaces between, and whose each of them is."""
    row: list[str] = []
    owners: list[int] = []
    for word, phonemes in enumerate(alone):
        symbols = [" ", *phonemes.strip()] if row else [*phonemes.strip()]
        kept = [symbol for symbol in symbols if _counts(symbol)]
        row += kept
        owners += [word] * len(kept)
    return row, owners


def _matched(left: Sequence[str], right: Sequence[str]) -> list[Span]:
    """The pairs of phonemes (no spaces) that stand for each other, in order."""
    gaps_left = [_GAP_SPACE if symbol == " " else _GAP for symbol in left]
    gaps_right = [_GAP_SPACE if symbol == " " else _GAP for symbol in right]
    changes = _changes(left, right)
    passed = np.concatenate([[0], np.cumsum(gaps_right, dtype=np.int64)])
    rows = [passed]
    for gap, change in zip(gaps_left, changes, strict=True):
        row = rows[-1] + gap
        row[1:] = np.minimum(row[1:], rows[-1][:-1] + change)
        rows.append(np.minimum.accumulate(row - passed) + passed)  # leaving out on the right
    costs = [row.tolist() for row in rows]
    pairs: list[Span] = []
    i, j = len(left), len(right)
    while i and j:
        if costs[i][j] == costs[i - 1][j - 1] + changes[i - 1, j - 1]:
            i, j = i - 1, j - 1
            if left[i] != " ":
                pairs.append((i, j))
        elif costs[i][j] == costs[i - 1][j] + gaps_left[i - 1]:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _changes(left: Sequence[str], right: Sequence[str]) -> NDArray[np.int64]:
    """What it costs to take each symbol on the left for each one on the right.

    A diphthong that is one phoneme counts as its first half.
    """
    one, other = (np.array([ord(symbol[0]) for symbol in row], np.int64) for row in (left, right))
    space = (one == ord(" "))[:, None] ^ (other == ord(" "))[None, :]
    return np.where(one[:, None] == other[None, :], 0, np.where(space, _SPACE_MISMATCH, _OTHER))


def _filled(
    words: int, firsts: dict[int, int], lasts: dict[int, int], spoken: Sequence[str]
) -> list[Span]:
    """The words' spans, each grown to the next pause or its neighbour."""
    spans: list[Span] = []
    edge = 0
    following = [*(firsts.get(word, len(spoken)) for word in range(words)), len(spoken)]
    for word in reversed(range(words)):
        following[word] = min(following[word], following[word + 1])
    for word in range(words):
        if word not in firsts:
            spans.append((edge, edge))
            continue
        start, end = firsts[word], lasts[word]
        while start > edge and spoken[start - 1] not in _PAUSES:
            start -= 1
        while end < following[word + 1] and spoken[end] not in _PAUSES:
            end += 1
        spans.append((start, end))
        edge = end
    return spans
