"""Which words are final."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice.listen.commits import Commits
from voice.listen.speech_model import DecodedWord


def _words(text: str) -> list[DecodedWord]:
    return [
        DecodedWord(word, 0.4 * i, 0.4 * (i + 1), 0.9, (i,)) for i, word in enumerate(text.split())
    ]


def test_one_hypothesis_commits_nothing() -> None:
    assert Commits(2, 0.5).receive(_words("turn on the lights"), 10.0) == 0


def test_what_two_agree_upon_is_final_but_for_the_last_word() -> None:
    commits = Commits(2, 0.5)
    commits.receive(_words("turn on the light"), 10.0)
    assert commits.receive(_words("turn on the lights please"), 10.0) == 2, "turn on"


def test_case_and_punctuation_are_no_disagreement() -> None:
    commits = Commits(2, 0.5)
    commits.receive(_words("Yes turn it off"), 10.0)
    assert commits.receive(_words("yes, Turn it. Off"), 10.0) == 3


def test_a_word_that_has_just_ended_waits() -> None:
    commits = Commits(2, 0.5)
    commits.receive(_words("one two three four"), 1.4)
    assert commits.receive(_words("one two three four"), 1.4) == 2, "three ended at 1.2 s"


def test_three_passes_must_agree_where_three_are_wanted() -> None:
    commits = Commits(3, 0.5)
    commits.receive(_words("one two"), 10.0)
    assert commits.receive(_words("one two"), 10.0) == 0
    assert commits.receive(_words("one two"), 10.0) == 1


def test_force_takes_what_is_settled_and_begins_anew() -> None:
    commits = Commits(2, 0.5)
    commits.receive(_words("a b c"), 10.0)
    assert commits.force(_words("x y z"), 1.4) == 2
    assert commits.receive(_words("z z z"), 10.0) == 0


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=6), max_size=8),
    st.integers(1, 3),
)
def test_only_what_every_late_hypothesis_said_is_committed(
    hypotheses: list[list[str]], passes: int
) -> None:
    commits = Commits(passes, 0.5)
    committed: list[str] = []
    heard: list[list[str]] = []
    for fresh in hypotheses:
        heard.append([*committed, *fresh])
        words = _words(" ".join(fresh))
        count = commits.receive(words, 100.0)
        assert count <= max(0, len(words) - 1)
        committed += [word.text for word in words[:count]]
        for late in heard[-passes:]:
            assert late[: len(committed)] == committed
