from __future__ import annotations

from typing import Any

import pytest

from voice.errors import UsageError
from voice.tools.chosen import chosen_tools
from voice.tools.function import FunctionTool, function_tool
from voice.tools.options import ToolOptions


def tool(name: str) -> FunctionTool:
    def function() -> None:
        """Do something."""

    function.__name__ = name
    return function_tool(function)


TOOLS = [tool("lights"), tool("coffee")]


def test_tools_are_left_out_and_ask_as_configured() -> None:
    options = ToolOptions(off=("lights",), confirm=("coffee",), wait_seconds=2.0)
    (coffee,) = chosen_tools(TOOLS, options)
    assert (coffee.name, coffee.policy.confirm, coffee.policy.wait_seconds) == ("coffee", True, 2.0)
    assert chosen_tools(TOOLS, ToolOptions()) == TOOLS


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"confirm": ["cofee"]}, r"no tool `cofee`.*`confirm` \(did you mean coffee\?"),
        ({"off": ["radio"]}, r"no tool `radio`.*`off` \(the tools are: lights, coffee"),
        ({"off": ["files_read"]}, "no tool `files_read`"),
    ],
)
def test_a_name_that_nothing_has_is_a_mistake(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        chosen_tools(TOOLS, ToolOptions(**given), ["home_"])


def test_a_name_of_a_servers_tool_may_come_later() -> None:
    options = ToolOptions(confirm=("home_unlock",))
    assert chosen_tools(TOOLS, options, ["home_"]) == TOOLS


def test_a_name_that_two_tools_have_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="two tools are called `lights`"):
        chosen_tools([*TOOLS, tool("lights")], ToolOptions())
    assert len(chosen_tools([tool("lights")], ToolOptions())) == 1
