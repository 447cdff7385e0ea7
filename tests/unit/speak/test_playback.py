from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.frames import OutputPosition
from voice.speak.playback import (
    LEAD_SECONDS,
    Playback,
    PlaybackEnded,
    PlaybackStarted,
    QuestionPlayed,
)
from voice.speak.synthesizer import Clause, Sound, SpokenWord

RATE = 1000
ANSWER = "One two. Three four five."
FIRST = Clause("One two.", 0, 8)
SECOND = Clause("Three four five.", 9, 25)


def sound(clause: Clause, samples: int = 1000, base: int = 0, first: int = 0) -> Sound:
    """`samples` in which the clause's words from number `first` on sound for 200 each."""
    words = []
    for number, word in enumerate(clause.text.split()):
        start = clause.text.index(word)
        at = base + 200 * (number - first)
        if number >= first:
            words.append(SpokenWord(start, start + len(word), at, at + 200))
    return Sound(np.zeros(samples, np.int16), tuple(words))


def at(
    played: int, written: int = 10_000, index: int = -1, time: float = 0.0, again: int = 0
) -> OutputPosition:
    """`again` samples of what was played are heard again."""
    return OutputPosition(played, written, played - again, index, time)


def two_clauses() -> Playback:
    playback = Playback(RATE)
    playback.queued(1, FIRST, sound(FIRST), 0)
    playback.queued(1, SECOND, sound(SECOND), 1000)
    return playback


def test_a_word_is_heard_when_half_of_it_was_played() -> None:
    playback = two_clauses()
    heard = {played: ANSWER[: playback.heard(1, at(played))] for played in (0, 99, 100, 300, 1299)}
    assert heard == {0: "", 99: "", 100: "One", 300: "One two.", 1299: "One two. Three"}


def test_all_is_heard_when_all_was_played() -> None:
    playback = Playback(RATE)
    playback.queued(1, FIRST, Sound(np.zeros(500, np.int16), ()), 0)
    playback.finish(1)
    assert playback.heard(1, at(499)) == 0
    assert playback.heard(1, at(500)) == len(FIRST.text)


def test_words_of_a_clause_in_pieces_count_from_its_beginning() -> None:
    playback = Playback(RATE)
    playback.queued(1, FIRST, Sound(np.zeros(200, np.int16), sound(FIRST).words[:1]), 50)
    playback.queued(1, FIRST, Sound(np.zeros(200, np.int16), sound(FIRST).words[1:]), 250)
    assert playback.heard(1, at(349)) == 3
    assert playback.heard(1, at(350)) == 8


def test_heard_counts_in_the_answer_as_written() -> None:
    clause = Clause("big cat", 4, 15, (6, 7, 8, 11, 12, 13, 14))  # of "The **big** cat"
    playback = Playback(RATE)
    playback.queued(1, clause, sound(clause), 0)
    assert playback.heard(1, at(150)) == 9
    assert playback.heard(1, at(350)) == 15


def test_beginning_and_end_are_told_once_with_their_times() -> None:
    playback = two_clauses()
    assert playback.advance(at(0), 5.0) == []
    assert playback.advance(at(0, index=0, time=5.01), 5.02) == [PlaybackStarted(1, 5.01)]
    assert playback.advance(at(2500), 7.6) == []
    playback.finish(1)
    assert playback.advance(at(2500), 7.7) == [PlaybackEnded(1, 7.2)]
    assert playback.advance(at(2500), 7.8) == []
    assert playback.deadline() is None


def test_an_answer_right_after_another_begins_when_that_one_ends() -> None:
    playback = two_clauses()
    playback.finish(1)
    playback.advance(at(0, index=0, time=1.0), 1.0)
    playback.queued(2, FIRST, sound(FIRST), 2000)
    assert playback.advance(at(1999, index=0, time=1.0), 3.0) == []
    assert playback.advance(at(2100, index=0, time=1.0), 3.1) == [
        PlaybackEnded(1, 3.0),
        PlaybackStarted(2, 3.0),
    ]


def test_a_turn_without_sound_ends_at_once() -> None:
    playback = Playback(RATE)
    playback.advance(at(0), 2.0)
    assert playback.deadline() is None
    playback.finish(3)
    assert playback.deadline() == 2.0
    assert playback.advance(at(0), 2.5) == [PlaybackEnded(3, 2.5)]


def test_the_deadline_is_the_end_once_that_is_known() -> None:
    playback = Playback(RATE)
    playback.advance(at(100), 1.0)
    playback.queued(1, FIRST, sound(FIRST), 400)
    assert playback.deadline() == 1.3
    playback.advance(at(400, index=400, time=1.3), 1.3)
    assert playback.deadline() is None
    playback.finish(1)
    assert playback.deadline() == 2.3


def test_a_stopped_turn_is_forgotten_and_the_next_uses_its_place() -> None:
    playback = two_clauses()
    playback.advance(at(300, index=0, time=0.0), 0.3)
    assert playback.heard(1, at(300)) == 8
    playback.stop(1)
    assert playback.deadline() is None
    assert playback.heard(1, at(300)) == 0
    playback.queued(2, SECOND, sound(SECOND), 320)  # the output kept 320 samples
    assert playback.advance(at(310, index=0), 0.4) == []
    assert playback.advance(at(320, index=320, time=0.5), 0.5) == [PlaybackStarted(2, 0.5)]
    assert playback.heard(2, at(430)) == len(ANSWER[9:14]) + 9


def test_a_word_is_said_again_from_its_beginning() -> None:
    playback = two_clauses()
    again = {played: playback.word_start(1, at(played)) for played in (0, 150, 200, 390, 1450)}
    lead = round(LEAD_SECONDS * RATE)
    assert again == {0: 0, 150: 0, 200: 200 - lead, 390: 200 - lead, 1450: 1400 - lead}


def test_between_two_words_the_next_one_is_said_and_after_the_last_what_is_left() -> None:
    playback = two_clauses()
    assert playback.word_start(1, at(700)) == 1000 - round(LEAD_SECONDS * RATE)
    assert playback.word_start(1, at(1900)) == 1900


def test_in_what_is_said_again_the_word_that_sounds_counts() -> None:
    playback = two_clauses()
    assert playback.word_start(1, at(1500, again=1200)) == 200 - round(LEAD_SECONDS * RATE)
    assert playback.heard(1, at(1500, again=1200)) == playback.heard(1, at(1500))


def test_without_sound_there_is_no_word() -> None:
    playback = Playback(RATE)
    assert playback.word_start(1, at(0)) is None
    playback.finish(1)
    assert playback.word_start(1, at(0)) is None


ASKED = Clause("It is on. Or is it? Shall I?", 0, 28)


def _asked() -> Playback:
    """Words of 200 samples; the last ones of the questions begin with 1000 and 1400."""
    playback = Playback(RATE)
    playback.queued(1, ASKED, sound(ASKED, 1700), 0)
    playback.finish(1)
    playback.advance(at(0, index=0, time=1.0), 1.0)
    return playback


def test_the_last_word_of_each_question_is_told_when_it_begins() -> None:
    playback = _asked()
    assert playback.advance(at(1000, index=0, time=1.0), 2.0) == []
    assert playback.advance(at(1100, index=0, time=1.0), 2.1) == [QuestionPlayed(1, 2.0)]
    assert playback.deadline() == pytest.approx(2.4)
    assert playback.advance(at(1650, index=0, time=1.0), 2.65) == [QuestionPlayed(1, 2.4)]
    assert playback.advance(at(1690, index=0, time=1.0), 2.69) == []


def test_a_question_that_is_asked_again_is_told_again() -> None:
    playback = _asked()
    playback.advance(at(1100, index=0, time=1.0), 2.1)
    playback.repeat(900)
    assert playback.advance(at(1100, again=150, index=900, time=4.0), 4.05) == []
    assert playback.advance(at(1100, index=900, time=4.0), 4.2) == [
        QuestionPlayed(1, pytest.approx(4.1))
    ]


@pytest.mark.parametrize("text", ["Is it?", 'He said "why?"', "Vraiment ?", "本当？", "Really?!"])
def test_a_question_ends_with_its_mark(text: str) -> None:
    clause = Clause(text, 0, len(text))
    playback = Playback(RATE)
    spoken = [word for word in text.split() if word != "?"]
    start = text.index(spoken[-1])
    word = SpokenWord(start, start + len(spoken[-1]), 0, 200)
    playback.queued(1, clause, Sound(np.zeros(300, np.int16), (word,)), 0)
    told = playback.advance(at(100, index=0), 0.1)
    assert QuestionPlayed in {type(event) for event in told}


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 900)), min_size=1, max_size=6),
    st.lists(st.integers(0, 6000), max_size=20),
)
def test_heard_grows_and_stays_within_what_was_queued(
    clauses: list[tuple[int, int]], positions: list[int]
) -> None:
    playback = Playback(RATE)
    index = start = 0
    ends = []
    for words, samples in clauses:
        text = " ".join("abcde"[:words])
        clause = Clause(text, start, start + len(text))
        playback.queued(1, clause, sound(clause, samples + 200 * words), index)
        start = clause.end + 1
        index += samples + 200 * words
        ends.append((index, clause.end))
    playback.finish(1)
    heard = [playback.heard(1, at(played)) for played in sorted(positions)]
    assert heard == sorted(heard)
    for played, characters in zip(sorted(positions), heard, strict=True):
        whole = max((end for last, end in ends if last <= played), default=0)
        assert whole <= characters <= ends[-1][1]
    assert playback.heard(1, at(index)) == ends[-1][1]
