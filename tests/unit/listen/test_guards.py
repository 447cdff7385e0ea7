"""What is not believed."""

from __future__ import annotations

from voice.listen.guards import GuardOptions, believable, without_loop, without_restart
from voice.listen.speech_model import Decoded, DecodedWord

OPTIONS = GuardOptions(least_probability=0.3)


def _words(text: str, probability: float = 0.9, pace: float = 0.3) -> list[DecodedWord]:
    return [
        DecodedWord(word, pace * i, pace * (i + 1), probability, (i,))
        for i, word in enumerate(text.split())
    ]


def _text(words: list[DecodedWord]) -> str:
    return " ".join(word.text for word in words)


def _believed(text: str, seconds: float, probability: float = 0.9, no_speech: float = 0.1) -> str:
    decoded = Decoded(tuple(_words(text, probability)), no_speech)
    return _text(believable(decoded, (), seconds, OPTIONS))


def test_a_sentence_said_over_again_is_said_once() -> None:
    words = _words("Lock the front door. Lock the front door. Lock the front")
    assert _text(without_restart(words)) == "Lock the front door."


def test_a_word_may_be_repeated_but_not_for_ever() -> None:
    assert _text(without_restart(_words("no no no not that"))) == "no no no not that"
    assert _text(without_restart(_words("that is very very good"))) == "that is very very good"
    assert _text(without_restart(_words("and then so so so so so"))) == "and then so"


def test_only_a_repetition_up_to_the_end_is_a_loop() -> None:
    said = "one two three one two three four"
    assert _text(without_restart(_words(said))) == said


def test_a_sentence_that_is_begun_again_ends() -> None:
    assert _text(without_restart(_words("Open all the windows. Open"))) == "Open all the windows."
    assert _text(without_restart(_words("Stop. Stop"))) == "Stop. Stop"


def test_a_loop_counts_from_the_words_that_were_committed() -> None:
    words = _words("Add apples to my list. Add apples to my list.")
    decoded = Decoded(tuple(words[3:]), 0.0)
    assert _text(believable(decoded, words[:3], 5.0, OPTIONS)) == "my list."


def test_tokens_that_go_round_are_cut_to_the_first_round() -> None:
    assert without_loop([7, 8, 1, 2, 1, 2, 1, 2, 1]) == [7, 8, 1, 2]
    assert without_loop([7, 5, 5, 5, 5, 5]) == [7, 5]
    assert without_loop([5, 5, 5]) == [5, 5, 5], "three of one token can be a word"
    assert without_loop([1, 2, 3, 1, 2, 3]) == [1, 2, 3, 1, 2, 3], "said twice is not a loop yet"
    assert without_loop([]) == []


def test_words_after_the_end_of_the_sound_are_dropped() -> None:
    assert _believed("what time is it thank you", 1.2) == "what time is it"


def test_improbable_words_are_dropped_as_a_whole() -> None:
    assert _believed("Thank you.", 2.0, probability=0.2) == ""
    assert _believed("Thank you.", 2.0, probability=0.6) == "Thank you."


def test_the_models_own_doubt_counts_where_the_words_are_doubtful_too() -> None:
    assert _believed("you", 2.0, probability=0.4, no_speech=0.8) == ""
    assert _believed("you", 2.0, probability=0.8, no_speech=0.8) == "you"


def test_what_films_end_with_is_not_believed_however_probable() -> None:
    assert _believed("Thank you for watching.", 3.0) == ""
    assert _believed("Thank you for watching the house.", 3.0) != ""


def test_nobody_talks_that_fast() -> None:
    words = tuple(DecodedWord(f"w{i}", 0.0, 0.1, 0.9, (i,)) for i in range(40))
    assert len(believable(Decoded(words, 0.0), (), 1.0, OPTIONS)) == 8
