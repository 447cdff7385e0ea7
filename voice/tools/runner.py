"""Runs the calls that a model makes; whatever happens, the model gets a text to go on with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import msgspec

from voice.errors import ToolError
from voice.tools.function import FunctionTool
from voice.tools.schema import JsonObject

_LOGGER = logging.getLogger(__name__)

MOST_CHARACTERS = 8_000
"""Of a result, about 2,000 tokens: more would fill a small model's context."""


class Toolbox:
    """The tools that a model may call."""

    def __init__(self, tools: Iterable[FunctionTool] = ()) -> None:
        self._tools: dict[str, FunctionTool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise ToolError(f"two tools are called `{tool.name}`", "rename one of them")
            self._tools[tool.name] = tool

    def definitions(self) -> list[JsonObject]:
        """What a request's `tools` says about them."""
        return [tool.definition() for tool in self._tools.values()]

    async def run(self, name: str, arguments_json: str) -> str:
        """The result of a call, or what went wrong, as text for the model.

        Never raises but for cancellation. A synchronous function that exceeds its time keeps its
        thread until it returns, since Python cannot stop it; its result is dropped.
        """
        tool = self._tools.get(name)
        if tool is None:
            known = ", ".join(self._tools) or "none"
            return f"Error: there is no tool `{name}`; the tools are: {known}"
        try:
            async with asyncio.timeout(tool.limit_seconds) as limit:
                return as_text(await tool.call(arguments_json))
        except ToolError as error:
            return as_text(f"Error: {error}")
        except Exception as error:
            if limit.expired():
                return f"Error: {name} took more than {tool.limit_seconds:g} s and was given up"
            _LOGGER.warning("the tool %s failed", name, exc_info=True)
            return as_text(f"Error: {name} failed: {type(error).__name__}: {error}")


def as_text(result: Any) -> str:
    """A tool's result for the model: text as it is, nothing as "done", all else as JSON."""
    if result is None:
        return "done"
    if not isinstance(result, str):
        result = msgspec.json.encode(result, enc_hook=str).decode()
    if len(result) > MOST_CHARACTERS:
        result = f"{result[:MOST_CHARACTERS]} … (cut: {len(result)} characters in all)"
    # Names of files may hold what no encoding can write; it would break trace, wire and journal.
    return str(result).encode(errors="replace").decode()
