"""Tools and the choice among them, in every published shape."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from voice.server.backend import Tool
from voice.server.refusals import Refused
from voice.server.tools import choose_tools

TIME, LIGHT = Tool("get_time", "", {}), Tool("set_light", "", {})
TOOLS = (TIME, LIGHT)


def allowed(*names: str, mode: str = "auto", **more: Any) -> dict[str, Any]:
    tools = [{"type": "function", "name": name} for name in names]
    return {"type": "allowed_tools", "mode": mode, "tools": tools, **more}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, (TOOLS, "auto")),
        ("auto", (TOOLS, "auto")),
        ("none", (TOOLS, "none")),
        ("required", (TOOLS, "required")),
        ({"type": "function", "name": "get_time"}, (TOOLS, "get_time")),
        ({"name": "get_time"}, (TOOLS, "get_time")),
        ({"type": "function", "function": {"name": "get_time"}}, (TOOLS, "get_time")),
        (allowed("set_light"), ((LIGHT,), "auto")),
        (allowed("set_light", "get_time", mode="required"), (TOOLS, "required")),
        (allowed("get_time", tools=[{"type": "mcp", "server_label": "x"}]), ((), "auto")),
        (allowed(mode="required"), ((), "auto")),
    ],
)
def test_a_choice_says_which_tools_and_how(choice: Any, expected: Any) -> None:
    assert choose_tools(TOOLS, choice) == expected


@pytest.mark.parametrize(
    "kind", ["web_search_preview", "file_search", "mcp", "custom", "shell", "apply_patch"]
)
def test_a_tool_that_is_not_served_is_left_to_the_model_with_a_line_in_the_log(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert choose_tools(TOOLS, {"type": kind}) == (TOOLS, "auto")
    assert kind in caplog.text


def test_a_call_is_not_required_where_no_tool_is_served() -> None:
    assert choose_tools((), "required") == ((), "auto")


def test_a_function_that_is_called_like_a_mode_is_still_meant() -> None:
    none = Tool("none", "", {})
    choice = {"type": "function", "name": "none"}
    assert choose_tools((TIME, none), choice) == ((none,), "required")


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ("sometimes", "tool_choice"),
        ({}, "tool_choice.type"),
        ({"type": 5}, "tool_choice.type"),
        ({"type": "function"}, "tool_choice.name"),
        ({"type": "function", "name": "get_date"}, "tool_choice.name"),
        (allowed("get_time", "get_date"), "tool_choice.tools[1].name"),
        (allowed(tools=["get_time"]), "tool_choice.tools[0]"),
        (allowed(tools=None), "tool_choice.tools"),
        (allowed("get_time", mode="none"), "tool_choice.mode"),
    ],
)
def test_a_choice_that_cannot_be_met_is_refused(choice: Any, param: str) -> None:
    with pytest.raises(Refused) as refused:
        choose_tools(TOOLS, choice)
    assert (refused.value.body.code, refused.value.body.param) == ("invalid_value", param)
