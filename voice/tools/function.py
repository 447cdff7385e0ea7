"""A Python function as a tool that a model can call."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from voice.errors import ToolError
from voice.tools.docstring import documentation
from voice.tools.schema import (
    JsonObject,
    arguments_type,
    function_name,
    parameters_schema,
    read_arguments,
)

LIMIT_SECONDS = 20.0
"""How long a call may take unless its tool says otherwise: longer than that nobody waits for an
answer in a conversation."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A function with what a model needs to know of it; made by `function_tool`."""

    name: str
    description: str
    function: Callable[..., Any]
    arguments: type[Struct]
    limit_seconds: float

    def definition(self) -> JsonObject:
        """As the Responses API wants it.

        `strict` only where every parameter is required: strict schemas know no optional ones.
        """
        parameters = parameters_schema(self.arguments)
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": parameters,
            "strict": set(parameters["properties"]) == set(parameters["required"]),
        }

    async def call(self, arguments_json: str) -> Any:
        """Call the function; one that is not `async` runs on a thread.

        Raises `ToolError` if the arguments do not fit, and whatever the function raises.
        """
        arguments = read_arguments(self.arguments, arguments_json)
        if inspect.iscoroutinefunction(self.function):
            return await self.function(**arguments)
        return await asyncio.to_thread(self.function, **arguments)


def function_tool(
    function: Callable[..., Any], *, limit_seconds: float = LIMIT_SECONDS
) -> FunctionTool:
    """A tool from a function's signature, type hints and docstring.

    The docstring's first paragraph tells the model what the tool does, its section `Args:` what
    the parameters mean. Raises `ToolError` for a function that cannot be a tool.
    """
    name = function_name(function)
    if not _NAME.fullmatch(name):
        raise ToolError(
            f"tool `{name}`: this is no name for a tool",
            "define it with `def` and a name of at most 64 letters, digits and underscores",
        )
    documented = documentation(function)
    if not documented.summary:
        raise ToolError(
            f"tool `{name}` has no docstring", "say in it what the tool does; the model reads it"
        )
    arguments = arguments_type(function, documented.parameters)
    if unknown := set(documented.parameters) - set(arguments.__struct_fields__):
        raise ToolError(
            f"tool `{name}`: its docstring describes `{min(unknown)}`, which is no parameter",
            "correct the section `Args:`",
        )
    return FunctionTool(name, documented.summary, function, arguments, limit_seconds)
