from __future__ import annotations

from typing import Any

import msgspec
import pytest

from voice.tools.options import ToolOptions
from voice.tools.policy import Policy


@pytest.mark.parametrize("given", [["weather", "lights"], "weather,lights", " weather , lights, "])
def test_names_are_a_list_or_a_text_with_commas(given: Any) -> None:
    options = msgspec.convert({"off": given}, ToolOptions)
    assert options.off == ("weather", "lights")
    assert options == ToolOptions(off=("weather", "lights"))


def test_nothing_foreign_runs_unless_it_is_asked_for() -> None:
    options = ToolOptions()
    assert (options.folder, options.plugins, options.system_volume) == ("", (), False)
    assert options.builtin == ("time", "timers", "voice")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"builtin": ["timer"]}, "no group 'timer', only time, timers, voice"),
        ({"off": [3]}, "Expected `str`"),
        ({"wait_seconds": 0}, "> 0"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert(given, ToolOptions)


def test_a_yes_can_be_asked_for_and_not_be_waived() -> None:
    options = ToolOptions(confirm=("lights",))
    assert options.policy("lights", Policy()).confirm
    assert options.policy("delete", Policy(confirm=True)).confirm
    assert not options.policy("weather", Policy()).confirm


def test_a_tool_that_says_nothing_has_the_configured_seconds() -> None:
    options = ToolOptions(filler_seconds=3.0, wait_seconds=20.0)
    own = Policy(filler_seconds=0.5, once=True)
    assert options.policy("weather", own) == Policy(
        filler_seconds=0.5, wait_seconds=20.0, once=True
    )
    assert ToolOptions().policy("weather", own) == own
