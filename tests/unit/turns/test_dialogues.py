"""The dialogues of `dialogues.txt` come out as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.turns.promises import check
from tests.unit.turns.stage import Dialogue, play, read

DIALOGUES = read(Path(__file__).with_name("dialogues.txt"))


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda dialogue: dialogue.title)
def test_the_dialogue(dialogue: Dialogue) -> None:
    rows, actions = play(dialogue)
    assert rows == dialogue.expected
    check(actions)


def test_there_are_many_and_each_says_what_it_shows() -> None:
    assert len(DIALOGUES) >= 40
    assert len({dialogue.title for dialogue in DIALOGUES}) == len(DIALOGUES)
    assert all(dialogue.expected for dialogue in DIALOGUES)
