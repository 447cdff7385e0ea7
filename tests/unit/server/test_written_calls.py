"""Calls that a model writes as words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.server.backend import TextDelta, ToolCall
from voice.server.written_calls import CallFinder, written_calls

NAMES = ("lamp", "get_time")
LAMP = '{"name": "lamp", "arguments": {"on": true}}'
CLOCK = '{"name": "get_time", "arguments": {}}'
LIT, ASKED = ToolCall("lamp", '{"on": true}'), ToolCall("get_time", "{}")


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (LAMP, [LIT]),
        (f"\n{LAMP}\n", [LIT]),
        (f"```json\n{LAMP}\n```", [LIT]),
        (f"```json\n{LAMP}\n```\nThis lights the lamp.", [LIT]),
        (f"```\n{LAMP}", [LIT]),
        (f"<tool_call>\n{LAMP}\n</tool_call>\n<tool_call>{CLOCK}</tool_call>", [LIT, ASKED]),
        (f"{LAMP}\n{CLOCK}", [LIT, ASKED]),
        (f"[{LAMP}, {CLOCK}]", [LIT, ASKED]),
        (f"{LAMP} and so on", [LIT]),
        ('{"name": "get_time"}', [ASKED]),
        ('{"name": "lamp", "parameters": {"on": true}}', [LIT]),
        ('{"name": "lamp", "arguments": "{\\"on\\": true}"}', [LIT]),
        ('{"type": "function", "function": {"name": "get_time", "arguments": {}}}', [ASKED]),
        ('{"name": "unknown", "arguments": {}}', []),
        ('{"name": ["lamp"]}', []),
        ('{"name": "lamp", "arguments": "oops"}', []),
        ('{"name": "lamp", "arguments": ', []),
        ('{"function": 5}', []),
        ("{}", []),
        ("[[1]]", []),
        ("```python\nprint()\n```", []),
        ("", []),
    ],
)
def test_what_is_a_call_is_found(text: str, calls: list[ToolCall]) -> None:
    assert written_calls(text, NAMES) == calls


@given(st.text("{[`<tool_call>n \n}]", max_size=20), st.lists(st.integers(0, 20), max_size=4))
def test_no_word_is_lost_wherever_the_text_is_cut(text: str, cuts: list[int]) -> None:
    finder = CallFinder(NAMES)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [p for a, b in pairwise(edges) for p in finder.feed(text[a:b])]
    last = [piece for piece in finder.end() if isinstance(piece, TextDelta)]
    assert "".join(piece.text for piece in [*pieces, *last]) == text


def test_words_come_at_once() -> None:
    finder = CallFinder(NAMES)
    assert [len(finder.feed(part)) for part in (" ", "It", " is", " {")] == [0, 1, 1, 1]
    assert finder.end() == []
    assert CallFinder(()).feed(LAMP) == [TextDelta(LAMP)]


def test_what_begins_as_a_call_waits_for_its_end() -> None:
    finder = CallFinder(NAMES)
    assert [finder.feed(part) for part in ("<tool", "_call>", LAMP, "</tool_call>")] == [[]] * 4
    assert finder.end() == [LIT]
