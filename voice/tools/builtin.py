"""The tool that tells the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from voice.tools.function import FunctionTool, function_tool


def time_tool(now: Callable[[], datetime]) -> FunctionTool:
    """`get_time`; `now` gives the local time."""

    async def get_time() -> str:
        """Tell the current local time and date."""
        return spoken_time(now())

    return function_tool(get_time)


def spoken_time(at: datetime) -> str:
    """For example "It is 3:05 PM on Monday, November 23"."""
    hour = at.hour % 12 or 12
    half = "AM" if at.hour < 12 else "PM"
    return f"It is {hour}:{at.minute:02} {half} on {at:%A}, {at:%B} {at.day}"
