"""Tools about other tools' calls: how far those are that go on in the background, and their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from voice.tools.function import FunctionTool, function_tool
from voice.tools.policy import Policy

NOTHING = "Nothing goes on in the background"


def background_tools(
    running: Callable[[], Mapping[str, str]], cancel: Callable[[str], None]
) -> list[FunctionTool]:
    """`check_background` and `cancel_background`.

    `running` gives the tools that are at work, with what each tells of its progress; `cancel` ends
    the calls of one, or all ("").
    """

    async def check_background() -> str:
        """Tell how far the tools are whose results the user is still waiting for."""
        told = [f"{name}: {progress or 'at work'}" for name, progress in running().items()]
        return "; ".join(told) or NOTHING

    async def cancel_background(name: str = "") -> str:
        """Cancel tools that are still at work, when the user no longer wants their results.

        Args:
            name: the tool's name; empty for all of them
        """
        ended = [one for one in running() if name in ("", one)]
        if not ended:
            return NOTHING if not name else f"{name} is not at work"
        cancel(name)
        return f"Cancelled {', '.join(ended)}"

    return [
        function_tool(check_background, policy=Policy(read_only=True)),
        function_tool(cancel_background),
    ]
