"""Words compared: what counts as an error, and as taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.benchmarks.listen_words import (
    Tally,
    normalised,
    retractions,
    tally,
    total,
)
from tests.support.words import edits
from voice.listen.transcriber import Hypothesis, Word

WORDS = st.lists(st.sampled_from("abcd"), max_size=8)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Set a timer for 30 seconds.", "set a timer for thirty seconds"),
        ("It's 21 o’clock!", "it's twenty one o'clock"),
        ("follow-up, at 100", "follow up at one hundred"),
        ("1,000 in 2024", "1000 in 2024"),
        ("Rez-de-chaussée à 0", "rez de chaussée à zero"),
        ("'er … —", "er"),
        ("", ""),
    ],
)
def test_texts_are_compared_as_plain_words(written: str, words: str) -> None:
    assert normalised(written) == words.split()


def test_each_kind_of_error_counts_once() -> None:
    assert edits(["a", "b", "c"], ["a", "x", "c"]) == 1
    assert edits(["a", "b", "c"], ["a", "c"]) == 1
    assert edits(["a", "c"], ["a", "b", "c"]) == 1
    assert edits([], ["a", "b"]) == 2
    assert edits(["a", "b"], []) == 2


@given(WORDS, WORDS)
def test_errors_are_a_distance(one: list[str], other: list[str]) -> None:
    errors = edits(one, other)
    assert errors == edits(other, one)
    assert (errors == 0) == (one == other)
    assert abs(len(one) - len(other)) <= errors <= max(len(one), len(other))


def test_a_corpus_counts_words_not_clips() -> None:
    corpus = total([tally("yes", "no"), tally("one two three", "1 2 3")])
    assert corpus == Tally(1, 4)
    assert corpus.rate == 0.25
    assert total([]).rate is None


def _hypothesis(*committed: str) -> Hypothesis:
    return Hypothesis(tuple(Word(text, 0, 1) for text in committed), (), 1)


def test_a_commit_that_changes_or_vanishes_is_a_retraction() -> None:
    growing = [_hypothesis(), _hypothesis("turn"), _hypothesis("turn", "on")]
    assert retractions(growing) == 0
    assert retractions([*growing, _hypothesis("turn", "off")]) == 1
    assert retractions([*growing, _hypothesis()]) == 2
