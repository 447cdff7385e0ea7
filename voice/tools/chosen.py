"""Which of the tools there are the configuration wants, and how they are treated."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from voice.errors import UsageError
from voice.tools.function import FunctionTool
from voice.tools.options import ToolOptions
from voice.tools.tool import Tool, ToolSource


def chosen_tools(
    tools: Iterable[FunctionTool], options: ToolOptions, elsewhere: Sequence[str] = ()
) -> list[FunctionTool]:
    """The tools that are not off, with the policies that hold for them.

    `elsewhere` has the beginnings of names that tools of servers have, which come and go. Raises
    `UsageError` for a name in `off` or `confirm` that nothing has: a tool that should ask for a yes
    must not run without one because its name was misspelt. So it does for a name that two have.
    """
    tools = tuple(tools)
    known = [tool.name for tool in tools]
    for key, names in (("off", options.off), ("confirm", options.confirm)):
        for name in names:
            if name not in known and not name.startswith(tuple(elsewhere)):
                raise _unknown(name, key, known)
    if twice := [name for name in known if known.count(name) > 1]:
        raise UsageError(f"two tools are called `{twice[0]}`", "rename or leave out one of them")
    return [
        replace(tool, policy=options.policy(tool.name, tool.policy))
        for tool in tools
        if tool.name not in options.off
    ]


def _unknown(name: str, key: str, known: Sequence[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=1)
    cure = f"did you mean {near[0]}?" if near else f"the tools are: {', '.join(known)}"
    return UsageError(f"there is no tool `{name}`, which [tools] has in `{key}`", cure)


class ChosenSource:
    """A server's tools, as far as the configuration wants them."""

    def __init__(self, source: ToolSource, options: ToolOptions) -> None:
        self._source = source
        self._options = options

    def tools(self) -> list[Tool]:
        """Those that can be called now."""
        return [
            replace(tool, policy=self._options.policy(tool.name, tool.policy))  # type: ignore[type-var]
            for tool in self._source.tools()  # dataclasses, as all tools of ours are
            if tool.name not in self._options.off
        ]
