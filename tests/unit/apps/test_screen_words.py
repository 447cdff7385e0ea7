"""The words that a screen finds, styled and plain."""

from __future__ import annotations

import pytest

from tests.support.screen_scenes import (
    STORY,
    Scene,
    after,
    answered,
    asked,
    completed,
    happened,
    interrupted,
    loading,
    ready,
    speaking,
    talking,
    with_tool,
)
from voice.apps.screen.conversation import Conversation, ToolCall
from voice.apps.screen.styled import loading_text, turn_text
from voice.apps.screen.transcript import transcript
from voice.apps.screen.wording import call_line, status


def _lines(conversation: Conversation, width: int = 100, **how: bool) -> list[str]:
    return turn_text(conversation.turns[0], width, **how).plain.splitlines()


def _styled(conversation: Conversation, style: str) -> str:
    """All that has this style in the first turn."""
    content = turn_text(conversation.turns[0], 200)
    return "".join(
        content.plain[span.start : span.end] for span in content.spans if style in str(span.style)
    )


def test_who_says_it_stands_in_the_margin() -> None:
    lines = _lines(after(answered(1, "Good morning.", "Good day!")))
    assert lines[:2] == ["   you  Good morning.", " voice  Good day!"]
    assert lines[2].startswith("        0.86 s  ━━")


def test_long_words_are_broken_beside_the_margin() -> None:
    lines = _lines(after(speaking(1)), width=30)
    assert all(len(line) <= 30 for line in lines)
    assert lines[3].startswith("        ")


def test_open_words_are_told_from_certain_ones() -> None:
    assert _styled(after(talking(1)), "italic") == " bridges did she"


def test_the_word_that_sounds_is_marked_and_the_rest_is_faint() -> None:
    conversation = after(speaking(1, heard=4))
    assert _styled(conversation, "underline") == "upon"
    assert _styled(conversation, "$faint").startswith(" a time")


def test_what_was_cut_off_is_struck_out_after_a_dash() -> None:
    conversation = after(interrupted(1, STORY[:57]))
    assert "collected bridges. — She had" in turn_text(conversation.turns[0], 200).plain
    assert _styled(conversation, "strike") == STORY[58:]


def test_an_answer_that_failed_half_way_is_not_shown_as_heard() -> None:
    failed = [happened("answer.failed", 1, reason="gone"), completed(1, "Go on", STORY, STORY[:15])]
    conversation = after(asked(1, "Go on"), failed)
    assert "Once upon a tim — e there" in turn_text(conversation.turns[0], 200).plain
    assert _lines(conversation)[-2] == "        ✗ gone"


def test_an_answer_that_was_interrupted_after_its_last_word_was_heard_whole() -> None:
    done = completed(1, "Hi", "Hello!", "Hello!", interrupted=True)
    assert _lines(after(asked(1, "Hi"), [done]))[1] == " voice  Hello!"


def test_an_answer_that_nobody_heard_says_so() -> None:
    conversation = after(asked(1, "Hello?"), [happened("bargein", 1, reason="words")])
    assert _lines(conversation)[1] == " voice  — interrupted before a word"


def test_a_call_is_told_with_its_time() -> None:
    lines = _lines(after(with_tool(1)))
    assert lines[1] == "        ↳ weather(city: Lisbon) → 24 degrees, sunny, wind NW 12  0.31 s"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("{}", "f()"),
        ("[1]", "f([1])"),
        ("{not json", "f({not json)"),
        ('{"a": "b\\nc"}', "f(a: b c)"),
    ],
)
def test_arguments_are_read_by_people(arguments: str, line: str) -> None:
    assert call_line(ToolCall("f", arguments, 0.0)) == line


def test_a_long_output_is_cut() -> None:
    assert len(call_line(ToolCall("f", "{}", 0.0, 1.0, "x" * 500))) < 80


def test_latencies_are_a_bar_or_explained_or_a_waterfall() -> None:
    conversation = after(answered(1, "Hello", "Hi"))
    assert "pause" not in "".join(_lines(conversation))
    assert _lines(conversation, explained=True)[-1].endswith(
        "pause 0.42  words 0.06  first token 0.21  first sound 0.17"
    )
    assert "pause" not in "".join(_lines(conversation, width=60, explained=True))
    rows = _lines(conversation, opened=True)[2:]
    assert [row.split()[0] for row in rows] == ["pause", "words", "first", "first"]
    assert rows[2].index("━") > rows[1].index("━") > rows[0].index("━")


def test_loading_shows_how_far() -> None:
    rows = loading_text(after(loading())).plain.splitlines()
    assert rows[0].startswith("speech recognition   ━━━━━━━━━━━━━━━━━━━━ ready")
    assert rows[1].rstrip().endswith("62 %")
    assert rows[2].rstrip().endswith("…")


@pytest.mark.parametrize(
    ("scene", "word"),
    [
        ([], "getting ready"),
        (ready(), "ready"),
        ([*ready(), *talking(1)], "listening"),
        ([*ready(), *asked(1, "Hello?")], "thinking"),
        ([*ready(), *speaking(1)], "speaking"),
        ([*ready(), happened("input.muted", on=True)], "muted"),
        ([*ready(), happened("input.muted", on=True), *asked(1, "typed")], "thinking"),
        ([*ready(), happened("talk.pressed")], "recording"),
        ([*ready(), happened("connection.lost", reason="gone")], "offline"),
    ],
)
def test_the_state_in_a_word(scene: Scene, word: str) -> None:
    assert status(after(scene)).word == word


def test_nobody_is_told_to_interrupt_by_talking_where_that_is_not_heard() -> None:
    half = [happened("duplex.chosen", half=True, reason="echo")]
    assert "esc" in status(after(ready(), half, speaking(1))).hint


def test_a_transcript_has_what_was_said_heard_and_done() -> None:
    conversation = after(ready(), with_tool(1), interrupted(2, STORY[:57]))
    assert transcript(conversation.turns).split("\n\n") == [
        "**You:** What's the weather in Lisbon?",
        "> weather(city: Lisbon) → 24 degrees, sunny, wind NW 12",
        "**Voice:** Sunny, 24 degrees, with a breeze.",
        "**You:** Tell me a story about a queen.",
        f"**Voice:** {STORY[:57]} — ~~{STORY[58:]}~~\n",
    ]
    assert transcript([]) == ""
