"""Where a long utterance is cut."""

from __future__ import annotations

from voice.listen.speech_model import DecodedWord
from voice.listen.window import cut


def _words(*words: tuple[str, float, float]) -> list[DecodedWord]:
    return [DecodedWord(text, start, end, 0.9, (1,)) for text, start, end in words]


def test_after_the_last_sentence_that_leaves_enough_sound() -> None:
    words = _words(("Yes.", 0, 1), ("I", 1.2, 2), ("do.", 2, 3), ("And", 4, 5), ("so.", 5, 9))
    assert cut(words, 12.0) == (3, 3.5)


def test_else_in_the_last_pause() -> None:
    words = _words(("a", 0, 1), ("b", 2, 3), ("c", 3, 4), ("d", 4, 5))
    assert cut(words, 12.0) == (1, 1.5)


def test_else_after_the_last_word_that_leaves_enough_sound() -> None:
    words = _words(("a", 0, 1), ("b", 1, 2), ("c", 2, 3), ("d", 3, 4))
    assert cut(words, 4.5) == (2, 2.0)


def test_not_where_no_word_lies_far_enough_back() -> None:
    assert cut(_words(("a", 4, 5), ("b", 5, 6)), 6.5) is None
    assert cut([], 30.0) is None
