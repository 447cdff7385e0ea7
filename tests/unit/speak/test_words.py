from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice.speak.words import phonemes_of_words, word_spans, words_of_sentences


def owned(alone: list[str], spoken: str) -> list[str]:
    return [spoken[start:end] for start, end in phonemes_of_words(alone, spoken)]


def test_words_are_what_stands_between_spaces() -> None:
    text = " Hello,  don't stop — now. "
    assert [text[a:b] for a, b in word_spans(text)] == ["Hello,", "don't", "stop", "—", "now."]


def test_groups_that_match_one_to_one() -> None:
    alone = ["ɪt", "ɪz", "ˈeɪ", "nˈaɪs", "dˈeɪ"]
    assert owned(alone, "ɪɾ ɪz ɐ nˈaɪs dˈeɪ.") == ["ɪɾ", "ɪz", "ɐ", "nˈaɪs", "dˈeɪ"]


def test_words_that_are_run_together() -> None:
    alone = ["lˈɛft", "ɪt", "ˈɪn", "ðə", "ɡˈɑːɹdən, "]
    assert owned(alone, "lˈɛft ɪɾ ɪnðə ɡˈɑːɹdən,") == ["lˈɛft", "ɪɾ", "ɪn", "ðə", "ɡˈɑːɹdən"]


def test_a_number_is_several_groups() -> None:
    alone = ["fɔːɹ", "twˈɛnti fˈaɪv", "mˈɪnɪts"]
    assert owned(alone, "fɔːɹ twˈɛnti fˈaɪv mˈɪnɪts") == ["fɔːɹ", "twˈɛnti fˈaɪv", "mˈɪnɪts"]


def test_a_word_of_which_nothing_is_said() -> None:
    assert owned(["sˈɛd", "", "ænd", "lˈɛft"], "sˈɛd; ænd lˈɛft") == ["sˈɛd", "", "ænd", "lˈɛft"]


def test_a_word_that_is_read_differently_in_the_sentence() -> None:
    alone = ["ænd", "ˌiːdʒˈiː", "ðˈɪs"]
    assert owned(alone, "ænd fˌɔːɹɛɡzˈæmpəl ðˈɪs") == ["ænd", "fˌɔːɹɛɡzˈæmpəl", "ðˈɪs"]


def test_each_word_is_in_the_sentence_in_which_it_begins() -> None:
    alone = ["jˈɛs.", "nˈoʊ", "…", "wˈeɪ!"]
    sentences = [list("jˈɛs."), list("nˈoʊ wˈeɪ!")]
    assert words_of_sentences(alone, sentences) == [[(0, 4)], [(0, 4), (4, 4), (5, 9)]]


PHONEMES = st.text("abdɪːˈ .,θ", max_size=8)


@given(st.lists(PHONEMES, max_size=8), st.lists(PHONEMES, min_size=1, max_size=8))
def test_every_word_has_an_ordered_place_whatever_is_spoken(
    alone: list[str], sentences: list[str]
) -> None:
    found = words_of_sentences(alone, sentences)
    assert [len(found), sum(map(len, found))] == [len(sentences), len(alone)]
    for spans, sentence in zip(found, sentences, strict=True):
        edges = [edge for span in spans for edge in span]
        assert edges == sorted(edges)
        assert all(0 <= edge <= len(sentence) for edge in edges)


@given(st.lists(st.text("abdɪθ", min_size=1, max_size=6), min_size=1, max_size=12))
def test_what_is_spoken_as_it_is_alone_is_found_exactly(words: list[str]) -> None:
    assert owned(words, " ".join(words)) == words
