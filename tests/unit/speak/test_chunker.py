from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice.speak.chunker import Chunker, ChunkerOptions
from voice.speak.speakable import can_be_said
from voice.speak.synthesizer import Clause


def cut(text: str, lengths: list[int] | None = None) -> list[Clause]:
    """The clauses of a text that arrives in deltas of these lengths, the rest at once."""
    chunker = Chunker()
    clauses: list[Clause] = []
    for length in lengths or []:
        clauses += chunker.receive(text[:length])
        text = text[length:]
    return clauses + chunker.receive(text) + chunker.finish()


def said(text: str) -> list[str]:
    return [clause.text for clause in cut(text)]


FRAGMENTS = """Yes No. Dr. Smith e.g. U.S. p.m. 5 3.5 10:30 1. 2. etc. Then the and because , ; :
    . ! ? ... … " ( ) “Well,” “No!” he — - 1,000 $3.50 https://a.b/c.d?e=f **bold** `code` # *
    [a](b.c) 🎉 I J. wonderfully 今日は。 100% Nov. don't it's, x"""
PIECES = st.sampled_from(FRAGMENTS.split())
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", " ", " ", " ", "  ", "\n", "\n\n"])))
TEXTS_JOINED = TEXTS.map(lambda parts: "".join(piece + space for piece, space in parts))
ANY_TEXT = st.one_of(TEXTS_JOINED, TEXTS_JOINED, st.text(max_size=400))


@settings(max_examples=400)
@given(ANY_TEXT, st.lists(st.integers(1, 30)))
def test_deltas_do_not_matter(text: str, lengths: list[int]) -> None:
    assert cut(text, lengths) == cut(text)
    assert cut(text, [1] * len(text)) == cut(text)


@settings(max_examples=400)
@given(ANY_TEXT)
def test_spans_cover_all_that_can_be_said_in_order(text: str) -> None:
    end = 0
    for clause in cut(text):
        assert not can_be_said(text[end : clause.start])
        assert end <= clause.start < clause.end <= len(text)
        end = clause.end
    assert not can_be_said(text[end:])


@settings(max_examples=400)
@given(ANY_TEXT)
def test_what_is_said_stands_in_the_answer(text: str) -> None:
    for clause in cut(text):
        assert len(clause.offsets) == len(clause.text)
        assert list(clause.offsets) == sorted(set(clause.offsets))
        assert all(clause.start <= offset < clause.end for offset in clause.offsets)
        for character, offset in zip(clause.text, clause.offsets, strict=True):
            assert character in (text[offset], " ", ",")
        assert can_be_said(clause.text)
        ends = [clause.written_end(n) for n in range(1, len(clause.text) + 1)]
        assert ends == sorted(ends) and ends[-1] == clause.end


@settings(max_examples=200)
@given(ANY_TEXT)
def test_clauses_are_bounded(text: str) -> None:
    limits = ChunkerOptions()
    for number, clause in enumerate(cut(text)):
        most = limits.most_characters if number else limits.first_characters
        assert clause.end - clause.start <= most


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Smith met Mrs. Jones.",
        "It costs $3.50 or 1,000 yen.",
        "We met at 10:30 on Monday.",
        "We leave at 5 p.m. on Monday.",
        "We leave at 5 p.m. Monday.",
        "Bring fruit, e.g. Apples or pears.",
        "He moved to the U.S. Army base.",
        "J. R. R. Tolkien wrote it.",
        "See https://example.com/a.b?c=d for more.",
        "No. 5 is alive.",
        "It was on Nov. 23 in Rome.",
        'Then "What?" he asked.',
        "I wonder... maybe not.",
        "Apples, pears, etc. are fruit.",
        "It is 3.5 miles.",
    ],
)
def test_does_not_split_inside(sentence: str) -> None:
    text = f"Well then. {sentence} Right."
    spans = [text[clause.start : clause.end] for clause in cut(text)]
    assert spans == ["Well then.", sentence, "Right."]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("It ends at 5 p.m.", "Then we leave."),
        ("I live in the U.S.", "The weather is fine."),
        ('He said "Stop."', "Then he left."),
        ("No.", "It is not."),
        ("Really?!", "Yes."),
        ("Wait...", "What was that?"),
        ("(It rains.)", "Take a coat."),
        ("今日は晴れです。", "明日は雨です。"),
        ("The answer is 3.", "Good."),
        ("Here is a list:", "Eggs"),
    ],
)
def test_splits_between_sentences(first: str, second: str) -> None:
    assert said(f"Well then. {first}\n{second}") == ["Well then.", *(first, second)]
    if not first.endswith(":"):
        assert said(f"Well then. {first} {second}") == ["Well then.", first, second]


def test_the_first_clause_is_short_and_the_rest_are_sentences() -> None:
    text = "Of course, I can do that, if you like. First, boil water, then wait."
    assert said(text) == [
        "Of course,",
        "I can do that, if you like.",
        "First, boil water, then wait.",
    ]
    assert said("Sure, we can do that.") == ["Sure, we can do that."]
    assert said("The capital of France is Paris and it is old.") == [
        "The capital of France is Paris",
        "and it is old.",
    ]


def test_a_sentence_is_ready_with_the_first_character_after_it() -> None:
    chunker = Chunker()
    assert chunker.receive("It is late.") == []
    assert [clause.text for clause in chunker.receive(" ")] == ["It is late."]


def test_a_long_sentence_is_cut_at_a_comma_or_else_between_words() -> None:
    plain = said("Yes. " + "word " * 60)[1:]
    assert len(plain) > 1
    assert " ".join(plain).split() == ["word"] * 60
    listed = said("Yes. " + "some nice words here, " * 12)[1:]
    assert len(listed) > 1
    assert all(text.endswith(",") for text in listed)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Bold** and *soft* and `code` __here__.", "Bold and soft and code here."),
        ("# Heading", "Heading"),
        ("- one\n* two\n1. three", "one two 1, three"),
        ("[the page](https://e.com/x.y) ![alt](a.png)", "the page alt"),
        ("Done 🎉👍🏽, at 20 °C ✅", "Done , at 20 °C"),
        ("3 * 4 and 3*4 and snake_case", "3 * 4 and 3*4 and snake_case"),
        ("Dr. Who and J. R. R. Tolkien", "Dr Who and J R R Tolkien"),
        ("Well... maybe", "Well, maybe"),
        ("...", ""),
        ("---\n🎉", ""),
    ],
)
def test_marks_are_left_out(written: str, spoken: str) -> None:
    assert " ".join(said(written)) == spoken


def test_words_map_back_through_left_out_marks() -> None:
    text = "See **the** [big page](https://e.com) now."
    (clause,) = cut(text)
    assert clause.text == "See the big page now."
    after_the, after_page = clause.text.index(" big"), clause.text.index(" now")
    assert text[: clause.written_end(after_the)] == "See **the"
    assert text[: clause.written_end(after_page)] == "See **the** [big page"
    assert clause.written_end(len(clause.text)) == len(text)
