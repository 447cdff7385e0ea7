from __future__ import annotations

import re
import time

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
MARKS = """``` ~~~ `` ` ** * __ _ ~~ ~ [ ] [x] [1] ( ) ![ ](u.v) ]: < > <b> <a </b> <br> <think>
    </think> <!-- --> <|end|> { } {"a": {"a":1} [{"b": "c": }] $ $$ $x^2$ \\( \\) \\[ \\] \\
    \\frac{1}{2} & &amp; &nbsp; | || |- --- === # ## > - + • 1) 2. http https://
    https://a.b/c_d www.e.f/g. 【s】 ! Anna said asked. “Go!” 10-20 2026-11-26 5km/h $5-6 ½ x²
    → ==> :) U.S. II ❤️ 👍🏽 é \u200b \x00"""
PIECES = st.sampled_from(FRAGMENTS.split() + MARKS.split())
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", " ", " ", " ", "  ", "\n", "\n\n"])))
TEXTS_JOINED = TEXTS.map(lambda parts: "".join(piece + space for piece, space in parts))
ANY_TEXT = st.one_of(TEXTS_JOINED, TEXTS_JOINED, st.text(max_size=400))


@settings(max_examples=500, deadline=None)
@given(ANY_TEXT, st.lists(st.integers(1, 30)))
def test_deltas_do_not_matter(text: str, lengths: list[int]) -> None:
    assert cut(text, lengths) == cut(text)
    assert cut(text, [1] * len(text)) == cut(text)


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
def test_spans_lie_in_the_answer_in_order(text: str) -> None:
    end = 0
    for clause in cut(text):
        assert end <= clause.start <= clause.end <= len(text)
        assert can_be_said(clause.text)
        end = clause.end


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("aB9 .,;:?!\"'“”()\n今。é"), max_size=300))
def test_nothing_that_can_be_said_is_left_out(text: str) -> None:
    end = 0
    for clause in cut(text):
        assert not can_be_said(text[end : clause.start])
        end = clause.end
    assert not can_be_said(text[end:])


@settings(max_examples=500, deadline=None)
@given(ANY_TEXT)
def test_what_was_heard_grows_word_by_word_to_the_whole_clause(text: str) -> None:
    for clause in cut(text):
        assert len(clause.offsets) == len(clause.text)
        ends = [clause.written_end(n) for n in range(len(clause.text) + 1)]
        assert ends == sorted(ends)
        assert ends[0] == clause.start and ends[-1] == clause.end


@settings(max_examples=300, deadline=None)
@given(ANY_TEXT)
def test_clauses_are_bounded(text: str) -> None:
    limits = ChunkerOptions()
    for number, clause in enumerate(cut(text)):
        most = limits.most_characters if number else limits.first_characters
        assert len(clause.text) <= 8 * most


@settings(deadline=None)
@given(st.text(st.sampled_from("ab ,.\n"), max_size=600))
def test_clauses_of_plain_text_are_as_short_as_the_limits(text: str) -> None:
    limits = ChunkerOptions()
    for number, clause in enumerate(cut(text)):
        most = limits.most_characters if number else limits.first_characters
        assert len(clause.text) <= most + len(".")


SAID_FOR = {
    "house": "house",
    "**bold**": "bold",
    "`code`": "code",
    "[a](https://e.com/x.y)": "a",
    "$3.50": "3 dollars and 50 cents",
    "2026-11-26": "November 26, 2026",
    "10:05": "10 oh 5",
    "he/she": "he or she",
    "https://www.example.com/a?b=c": "example.com",
    "\\(x^2\\)": "x squared",
    "~~gone~~": "gone",
    "10-20%": "10 to 20%",
    "Dr.": "Dr.",
    "fine,": "fine,",
    "e.g.": "for example",
}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(sorted(SAID_FOR)), min_size=1, max_size=30))
def test_a_written_word_is_heard_when_all_that_is_said_for_it_was(parts: list[str]) -> None:
    written = [piece for part in parts for piece in (part, "then")]
    text = " ".join(written)
    ends = [len(" ".join(written[:count])) for count in range(1, len(written) + 1)]
    heard_after = [
        (word, end if last else None)
        for piece, end in zip(written, ends, strict=True)
        for word, last in _marked(SAID_FOR.get(piece, piece))
    ]
    complete = 0
    for clause in cut(text):
        for word in re.finditer(r"\S+", clause.text):
            said_word, end = heard_after.pop(0)
            assert word[0].rstrip(".") == said_word.rstrip(".")
            complete = end or complete
            heard = text[: clause.written_end(word.end())].rstrip()
            assert len(heard) == complete
    assert not heard_after


def _marked(said: str) -> list[tuple[str, bool]]:
    """The words, the last one marked."""
    words = said.split()
    return [(word, number == len(words)) for number, word in enumerate(words, 1)]


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
    last = second if second[-1] in ".?。" else f"{second}."
    assert said(f"Well then. {first}\n{second}") == ["Well then.", first, last]
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


def test_words_map_back_through_left_out_marks() -> None:
    text = "See **the** [big page](https://e.com) now."
    (clause,) = cut(text)
    assert clause.text == "See the big page now."
    after_the, after_page = clause.text.index(" big"), clause.text.index(" now")
    assert text[: clause.written_end(after_the)] == "See **the**"
    assert text[: clause.written_end(after_page)] == "See **the** [big page](https://e.com)"
    assert clause.written_end(len(clause.text)) == len(text)


def test_half_of_an_amount_is_not_heard() -> None:
    text = "It costs $3.50 or so."
    (clause,) = cut(text)
    assert clause.text == "It costs 3 dollars and 50 cents or so."
    before, half = clause.text.index(" 3"), clause.text.index(" and")
    assert text[: clause.written_end(before)] == "It costs"
    assert text[: clause.written_end(half)] == "It costs"
    assert text[: clause.written_end(clause.text.index(" or"))] == "It costs $3.50"


def test_what_is_left_out_belongs_to_the_word_before() -> None:
    text = "Great 🎉 news [1] today."
    (clause,) = cut(text)
    assert clause.text == "Great news today."
    assert text[: clause.written_end(len("Great"))] == "Great 🎉"
    assert text[: clause.written_end(len("Great news"))] == "Great 🎉 news [1]"


def test_a_plain_sentence_waits_for_nothing() -> None:
    """It is ready with the space or the line's end after it, whatever the options."""
    for sentence in ("Of course, I can", "It is late.", "Is it?", "She said 5:30, and then"):
        first = said(sentence)[0].rstrip(".") if "," in sentence else sentence
        written = sentence[: sentence.index(",") + 1] if "," in sentence else sentence
        chunker = Chunker()
        early = [clause.text for letter in written for clause in chunker.receive(letter)]
        assert early == []
        following = " a" if written[-2].isdigit() else " "  # no comma of a number
        ready = [clause.text for letter in following for clause in chunker.receive(letter)]
        assert ready == [first]


@pytest.mark.parametrize(
    "unit",
    [
        "It is a fine day, I think. ",
        "a",
        " ",
        "[",
        "*",
        "- ",
        ".",
        '{"a": "b", ',
        "<b ",
        "`",
        "x | ",
    ],
)
@pytest.mark.parametrize("delta", [4, 100_000])
def test_the_time_grows_no_faster_than_the_text(unit: str, delta: int) -> None:
    """Ten times the text takes ten times as long; were it quadratic, a hundred times."""
    short, long = (_seconds(unit, length, delta) for length in (2_000, 20_000))
    assert long < 40 * short + 0.05


def _seconds(unit: str, length: int, delta: int) -> float:
    text = (unit * length)[:length]
    chunker = Chunker()
    started = time.process_time()
    for start in range(0, length, delta):
        chunker.receive(text[start : start + delta])
    chunker.finish()
    return time.process_time() - started
