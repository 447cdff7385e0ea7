from __future__ import annotations

import pytest

from voice.errors import ToolError
from voice.tools.levels import Level, parse_level


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("louder", Level(1, None)),
        ("a bit quieter", Level(-1, None)),
        ("Up", Level(1, None)),
        ("50", Level(0, 50)),
        ("50%", Level(0, 50)),
        ("50 percent", Level(0, 50)),
        ("seventy-five percent", Level(0, 75)),
        ("one hundred percent", Level(0, 100)),
        ("a hundred", Level(0, 100)),
        ("7", Level(0, 70)),
        ("ten", Level(0, 100)),
        ("5 percent", Level(0, 5)),
        ("11", Level(0, 11)),
        ("half", Level(0, 50)),
        ("normal", Level(0, 100)),
        ("twenty percent louder", Level(1, 20)),
        ("down by 5", Level(-1, 5)),
        ("-10%", Level(-1, 10)),
        ("+10", Level(1, 10)),
        ("minimum", Level(0, 0)),
    ],
)
def test_levels_are_understood_as_people_say_them(text: str, level: Level) -> None:
    assert parse_level(text, whole=10, most=10) == level


@pytest.mark.parametrize("text", ["", "please", "percent", "loud enough for the neighbours"])
def test_what_is_no_level_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ToolError, match=r"is no level .*50 percent"):
        parse_level(text, whole=10, most=10)


@pytest.mark.parametrize(
    ("level", "after"),
    [
        (Level(0, 50), 0.5),
        (Level(1, None), 1.5),
        (Level(-1, None), 2 / 3),
        (Level(1, 20), 1.2),
        (Level(-1, 20), 0.8),
    ],
)
def test_a_step_starts_from_what_is_and_a_share_does_not(level: Level, after: float) -> None:
    assert level.after(1.0, 1.5) == pytest.approx(after)
