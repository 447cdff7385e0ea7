"""The tools that are built in: the time, and those that the rest of the folder has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from voice.tools.function import FunctionTool, function_tool
from voice.tools.policy import Policy
from voice.tools.timers import Timers
from voice.tools.volume import VoiceControls, voice_tools


def builtin_tools(
    groups: Iterable[str], timers: Timers, controls: VoiceControls, wall: Callable[[], datetime]
) -> list[FunctionTool]:
    """The tools of these groups of `ToolOptions.builtin`; `wall` gives the local time."""
    makers: dict[str, Callable[[], list[FunctionTool]]] = {
        "time": lambda: [time_tool(wall)],
        "timers": timers.tools,
        "voice": lambda: voice_tools(controls),
    }
    return [tool for group in dict.fromkeys(groups) for tool in makers[group]()]


def time_tool(now: Callable[[], datetime]) -> FunctionTool:
    """`get_time`; `now` gives the local time."""

    async def get_time() -> str:
        """Tell the current local time and date."""
        return spoken_time(now())

    return function_tool(get_time, policy=Policy(read_only=True))


def spoken_time(at: datetime) -> str:
    """For example "It is 3:05 PM on Monday, November 23"."""
    hour = at.hour % 12 or 12
    half = "AM" if at.hour < 12 else "PM"
    return f"It is {hour}:{at.minute:02} {half} on {at:%A}, {at:%B} {at.day}"
