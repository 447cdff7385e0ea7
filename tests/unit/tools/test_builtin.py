from __future__ import annotations

from datetime import datetime

import pytest

from voice.tools.builtin import builtin_tools, spoken_time, time_tool
from voice.tools.options import BUILTIN
from voice.tools.timers import Timers


class Voice:
    volume = 1.0
    speed = 1.0


@pytest.mark.parametrize(
    ("at", "spoken"),
    [
        (datetime(2026, 11, 23, 15, 5), "It is 3:05 PM on Monday, November 23"),
        (datetime(2026, 11, 1, 0, 0), "It is 12:00 AM on Sunday, November 1"),
        (datetime(2026, 11, 1, 12, 30), "It is 12:30 PM on Sunday, November 1"),
    ],
)
def test_the_time_is_told_as_people_say_it(at: datetime, spoken: str) -> None:
    assert spoken_time(at) == spoken


async def test_the_tool_asks_the_clock_at_each_call() -> None:
    times = iter([datetime(2026, 1, 1, 9, 0), datetime(2026, 1, 1, 9, 1)])
    tool = time_tool(lambda: next(times))
    assert tool.name == "get_time"
    assert await tool.call("{}") == "It is 9:00 AM on Thursday, January 1"
    assert await tool.call("{}") == "It is 9:01 AM on Thursday, January 1"


TIMERS = ["set_timer", "set_alarm", "cancel_timers", "list_timers"]


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (BUILTIN, ["get_time", *TIMERS, "set_volume", "set_speed"]),
        (("voice", "time", "voice"), ["set_volume", "set_speed", "get_time"]),
        ((), []),
    ],
)
def test_the_groups_are_those_of_the_options(groups: tuple[str, ...], names: list[str]) -> None:
    tools = builtin_tools(groups, Timers(lambda: 0.0), Voice(), datetime.now)
    assert [tool.name for tool in tools] == names


def test_what_changes_something_is_done_once_and_all_else_may_run_ahead() -> None:
    tools = builtin_tools(BUILTIN, Timers(lambda: 0.0), Voice(), datetime.now)
    assert {tool.name for tool in tools if tool.policy.read_only} == {"get_time", "list_timers"}
    assert all(tool.policy.once != tool.policy.read_only for tool in tools)
