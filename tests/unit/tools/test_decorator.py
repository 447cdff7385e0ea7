from __future__ import annotations

import functools
from typing import Any

import pytest

from voice.errors import ToolError
from voice.tools.decorator import ToolSettings, is_marked, settings_of, tool
from voice.tools.policy import Policy


@tool
def add(first: int, second: int) -> int:
    """Add."""
    return first + second


@tool(once=True, wait_seconds=3, question="Shall I pay {amount}?")
def pay(amount: int) -> int:
    """Pay."""
    return amount


def plain() -> None: ...


def test_a_marked_function_stays_a_function() -> None:
    assert add(1, 2) == 3
    assert pay(4) == 4
    assert is_marked(add)
    assert is_marked(pay)
    assert not is_marked(plain)
    assert not is_marked(ToolSettings)


def test_the_settings_are_kept() -> None:
    assert settings_of(add) == ToolSettings() == settings_of(plain)
    expected = ToolSettings(Policy(once=True, wait_seconds=3.0), "Shall I pay {amount}?")
    assert settings_of(pay) == expected
    assert settings_of(functools.wraps(pay)(lambda amount: amount)) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confirmed": True}, "no setting `confirmed` (did you mean `confirm`?)"),
        ({"zzz": 1}, "no setting `zzz` (it takes question, confirm,"),
        ({"once": "yes"}, "`once`: Expected `bool`, got `str`"),
        ({"limit_seconds": 0}, "`limit_seconds`: Expected `float` > 0.0"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError) as caught:
        tool(**settings)
    assert message in str(caught.value)
