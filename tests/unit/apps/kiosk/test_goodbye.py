"""Goodbyes, and what only sounds like one."""

from __future__ import annotations

import pytest

from voice.apps.kiosk.goodbye import is_goodbye


@pytest.mark.parametrize(
    "text",
    ["Goodbye.", "Bye-bye!", "That's all, thank you.", "Okay, thanks, bye.", "Thank you, bye bye.",
     "That’s all. Goodbye!", "Good bye then."],
)  # fmt: skip
def test_a_goodbye_is_known(text: str) -> None:
    assert is_goodbye(text)


@pytest.mark.parametrize(
    "text",
    ["", "Thank you.", "What does goodbye mean?", "Say bye to her.", "That's all wrong.",
     "How do I say goodbye in Italian?", "Okay."],
)  # fmt: skip
def test_other_words_are_none(text: str) -> None:
    assert not is_goodbye(text)
