"""How many words of an answer were heard, by `heard_text` and by a listener."""

from __future__ import annotations

from tests.support.programs import plain_words
from tests.support.words import edits


def words_heard(answer: str, understood: str) -> int:
    """How many of the answer's first words fit best to what a listener understood of it."""
    words, heard = plain_words(answer), plain_words(understood)
    costs = [edits(words[:count], heard) for count in range(min(len(words), len(heard) + 4) + 1)]
    return costs.index(min(costs))


def heard_word_error(answer: str, heard_text: str, understood: str) -> int:
    """Words by which `heard_text` says more (or, below zero, less) than a listener understood."""
    return len(plain_words(heard_text)) - words_heard(answer, understood)
