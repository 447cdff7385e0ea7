"""Thoughts and words in one text, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.server.backend import ReasoningDelta
from voice.server.thoughts import ThoughtSplitter


def split(*parts: str) -> tuple[str, str]:
    """The thoughts and the words of a text that comes in these parts."""
    splitter = ThoughtSplitter()
    pieces = [piece for part in parts for piece in splitter.feed(part)] + splitter.end()
    assert all(piece.text for piece in pieces)
    thoughts = "".join(piece.text for piece in pieces if isinstance(piece, ReasoningDelta))
    return thoughts, "".join(p.text for p in pieces if not isinstance(p, ReasoningDelta))


@pytest.mark.parametrize(
    ("text", "thoughts", "words"),
    [
        ("Good day.", "", "Good day."),
        ("<think>Hm.</think>Noon.", "Hm.", "Noon."),
        ("\n<think>\nHm.\n</think>\n\nNoon.\n", "Hm.", "Noon.\n"),
        ("<think>\n\n</think>\n\nNoon.", "", "Noon."),
        ("<think></think>", "", ""),
        ("<think>No end", "No end", ""),
        ("<think>a </thin b</think>c", "a </thin b", "c"),
        ("<thinking> is a tag.", "", "<thinking> is a tag."),
        ("A tag, <think>x</think>.", "", "A tag, <think>x</think>."),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("  ", "", "  "),
        ("<", "", "<"),
        ("", "", ""),
    ],
)
def test_only_what_begins_with_the_tag_is_thought(text: str, thoughts: str, words: str) -> None:
    assert split(text) == (thoughts, words)


@given(
    st.sampled_from(["", " \n<think>"]),
    st.text("ab <>/think", max_size=12),
    st.sampled_from(["", "</think>\n", "</thi"]),
    st.text("ab <>/think", max_size=8),
    st.data(),
)
def test_it_does_not_matter_where_the_text_is_cut(
    opened: str, thought: str, closed: str, words: str, data: st.DataObject
) -> None:
    text = opened + thought + closed + words
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    one, several = split(text), split(*parts)
    assert several[1] == one[1]
    assert several[0].rstrip() == one[0].rstrip(), "blanks before the end may have gone already"


def test_words_come_at_once() -> None:
    splitter = ThoughtSplitter()
    told = [[p.text for p in splitter.feed(part)] for part in ("Good", " day", " <thi", "nk>")]
    assert told == [["Good"], [" day"], [" <thi"], ["nk>"]]
    splitter = ThoughtSplitter()
    assert [len(splitter.feed(part)) for part in ("<think>", "Hm", " so", "</", "think>")] == [
        *(0, 1, 1),
        *(0, 0),
    ]


def test_thoughts_that_were_not_opened_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert split("Hm, well.", "</think>", "Noon.")[0] == ""
    assert "thoughts come as words" in caplog.text
