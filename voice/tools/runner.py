"""Runs the calls that a model makes; whatever happens, the model gets a text to go on with."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Iterable, Iterator
from functools import partial

from voice.errors import ToolError
from voice.tools.function import NO_CONTEXT
from voice.tools.json_schema import JsonObject
from voice.tools.once import Once
from voice.tools.policy import Policy
from voice.tools.results import as_text, failure_text
from voice.tools.tool import Tool, ToolContext, ToolSource

_LOGGER = logging.getLogger(__name__)

_USUAL = Policy()

_MOST_NAMES = 20
"""Of tools that an unknown name is answered with."""


class Toolbox:
    """The tools that a model may call: some for good, and those that sources have at the moment."""

    def __init__(self, tools: Iterable[Tool] = (), sources: Iterable[ToolSource] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        self._sources = list(sources)
        self._once = Once()
        self._warned: set[str] = set()
        for tool in tools:
            if tool.name in self._tools:
                raise ToolError(f"two tools are called `{tool.name}`", "rename one of them")
            self._tools[tool.name] = tool

    def definitions(self) -> list[JsonObject]:
        """What a request's `tools` says about them."""
        return [tool.definition() for tool in self._all().values()]

    def policy(self, name: str) -> Policy:
        """What may be done with the tool's calls; the usual for a tool that is not there."""
        tool = self._all().get(name)
        return tool.policy if tool else _USUAL

    def question(self, name: str, arguments_json: str) -> str:
        """What to ask aloud before the call; empty if it needs no yes, or cannot run anyway."""
        tool = self._all().get(name)
        return tool.question(arguments_json) if tool and tool.policy.confirm else ""

    async def run(self, name: str, arguments_json: str, context: ToolContext = NO_CONTEXT) -> str:
        """The result of a call, or what went wrong, as text for the model.

        Never raises but for cancellation. A call of a `once` tool with a key that was seen gets the
        first one's result. A synchronous function that exceeds its time keeps its thread until it
        returns, since Python cannot stop it; its result is dropped.
        """
        tools = self._all()
        tool = tools.get(name)
        if tool is None:
            return _unknown(name, list(tools))
        attempt = partial(_attempt, tool, arguments_json, context)
        if not (tool.policy.once and context.key):
            return await attempt()
        cancelled = f"Error: {name} was cancelled before it ended; it may have taken effect or not"
        return await self._once.run(context.key, attempt, cancelled)

    def _all(self) -> dict[str, Tool]:
        """By name; of two that share one, the first counts."""
        found = dict(self._tools)
        for tool in self._provided():
            if found.setdefault(tool.name, tool) is not tool and tool.name not in self._warned:
                self._warned.add(tool.name)
                _LOGGER.warning("two tools are called %s; the first one is used", tool.name)
        return found

    def _provided(self) -> Iterator[Tool]:
        for source in self._sources:
            yield from source.tools()


async def _attempt(tool: Tool, arguments_json: str, context: ToolContext) -> str:
    seconds = tool.policy.limit_seconds
    try:
        async with asyncio.timeout(seconds) as limit:
            return as_text(await tool.call(arguments_json, context))
    except ToolError as error:
        return as_text(f"Error: {error}")
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        return failure_text(tool.name, error)  # something that the tool waited for
    except (Exception, SystemExit) as error:
        if limit.expired():
            return f"Error: {tool.name} took more than {seconds:g} s and was given up"
        _LOGGER.warning("the tool %s failed", tool.name, exc_info=True)
        return failure_text(tool.name, error)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 3)
    if near:
        others = f"did you mean {' or '.join(near)}?"
    else:
        others = f"the tools are: {', '.join(known[:_MOST_NAMES]) or 'none'}"
    return as_text(f"Error: there is no tool `{name[:64]}`; {others}")
