from __future__ import annotations

from datetime import datetime

import pytest

from voice.tools.builtin import spoken_time, time_tool


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
