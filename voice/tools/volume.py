"""Tools for the assistant's own voice: how loud and how fast it speaks."""

from __future__ import annotations

from typing import Protocol

from voice.tools.function import FunctionTool, function_tool
from voice.tools.levels import parse_level
from voice.tools.policy import Policy

QUIETEST, LOUDEST = 0.1, 2.0
"""Factors on the volume: it must stay audible, for nobody finds a silent voice again by talking to
it; and beyond twice as loud most of it is limited peaks."""

SLOWEST, FASTEST = 0.5, 2.0
"""Factors on the speed, as [speak] allows them."""

_LOUDER = 1.4
"""A step of 3 dB, which is plainly heard."""

_FASTER = 1.15
"""A step; Piper is heard to make about two thirds of it."""


class VoiceControls(Protocol):
    """The assistant's voice: both are factors, 1 is as it was made."""

    volume: float
    """From `QUIETEST` to `LOUDEST`, or as configured; holds from the next sound on."""

    speed: float
    """From `SLOWEST` to `FASTEST`; holds from the next sentence on."""


def voice_tools(controls: VoiceControls) -> list[FunctionTool]:
    """`set_volume` and `set_speed`.

    Two tools with one argument each, and not one with two: their names are the words that the user
    says, nothing is optional, and so a small model has nothing to fill in that was not said.
    """

    async def set_volume(level: str | int) -> str:
        """Change how loud you speak.

        Args:
            level: "louder", "quieter", or a percentage such as "50 percent"
        """
        controls.volume = new_volume(level, controls.volume)
        return f"The volume of the voice is now {_percent(controls.volume)}"

    async def set_speed(level: str | int) -> str:
        """Change how fast you speak.

        Args:
            level: "faster", "slower", "normal", or a percentage such as "120 percent"
        """
        controls.speed = new_speed(level, controls.speed)
        return f"The speed of the voice is now {_percent(controls.speed)}"

    # "Louder" that is tried again would be louder still.
    return [function_tool(one, policy=Policy(once=True)) for one in (set_volume, set_speed)]


def new_volume(level: str | int, volume: float) -> float:
    """The factor after "louder", "50 percent" or "7" (of ten).

    Raises `ToolError` for what says neither how loud nor in which direction.
    """
    wanted = parse_level(str(level), whole=10, most=10)
    return min(LOUDEST, max(QUIETEST, wanted.after(volume, _LOUDER)))


def new_speed(level: str | int, speed: float) -> float:
    """The factor after "slower", "120 percent" or "1.5"; raises `ToolError` as `new_volume`."""
    wanted = parse_level(str(level), whole=1, most=3)
    return min(FASTEST, max(SLOWEST, wanted.after(speed, _FASTER)))


def _percent(factor: float) -> str:
    return f"{round(100 * factor)} percent"
