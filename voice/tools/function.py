"""A Python function as a tool that a model can call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from voice.errors import ToolError
from voice.tools.decorator import settings_of
from voice.tools.docstring import documentation
from voice.tools.json_schema import JsonObject, is_strict
from voice.tools.policy import Policy
from voice.tools.questions import default_question, filled_question, placeholders
from voice.tools.schema import (
    arguments_type,
    function_name,
    parameters_of_type,
    parameters_schema,
    read_arguments,
)
from voice.tools.threads import on_thread, reporting_from_thread
from voice.tools.tool import ToolContext

NO_CONTEXT = ToolContext()
"""Of a call that nobody identifies or follows."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A function with what a model needs to know of it; made by `function_tool`.

    `parameters` is the JSON schema of `arguments`, kept since each request has it; `asks` is the
    template of the question; `handed_in` names the parameters that take a `ToolContext`.
    """

    name: str
    description: str
    function: Callable[..., Any]
    arguments: type[Struct]
    parameters: JsonObject = field(repr=False, compare=False)
    policy: Policy
    asks: str = ""
    handed_in: tuple[str, ...] = ()

    def definition(self) -> JsonObject:
        """As the Responses API wants it; `strict` only where the schema allows it."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
            "strict": is_strict(self.parameters),
        }

    def question(self, arguments_json: str) -> str:
        """What to ask before the call.

        Empty for arguments that do not fit: the call will not run, and tell the model why.
        """
        try:
            values = read_arguments(self.arguments, arguments_json)
        except ToolError:
            return ""
        arguments = msgspec.to_builtins(values, enc_hook=str)
        return filled_question(self.asks, arguments) or default_question(self.name, arguments)

    async def call(self, arguments_json: str, context: ToolContext = NO_CONTEXT) -> Any:
        """Call the function; one that is not `async` runs on a thread.

        `context.report` is called on the loop even then, so its receiver needs no lock. Raises
        `ToolError` if the arguments do not fit, and whatever the function raises.
        """
        arguments = read_arguments(self.arguments, arguments_json)
        if inspect.iscoroutinefunction(self.function):
            return await self.function(**arguments, **dict.fromkeys(self.handed_in, context))
        with reporting_from_thread(context.report) as report:
            handed = dict.fromkeys(self.handed_in, replace(context, report=report))
            result = await on_thread(partial(self.function, **arguments, **handed))
            # A wrapper or an object may be `async` without looking like it.
            return await result if inspect.isawaitable(result) else result


def function_tool(
    function: Callable[..., Any], *, policy: Policy | None = None, question: str = ""
) -> FunctionTool:
    """A tool from a function's signature, type hints and docstring.

    The docstring's first paragraph tells the model what the tool does, its section `Args:` what
    the parameters mean. Without `policy` and `question`, those of its decorator `@tool` hold.
    Raises `ToolError` for a function that cannot be a tool.
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
    settings = settings_of(function)
    handed_in = tuple(parameters_of_type(function, ToolContext))
    arguments = arguments_type(function, documented.parameters, without=handed_in)
    asks = question or settings.question
    _check_names(name, documented.parameters, arguments, handed_in, asks)
    return FunctionTool(
        name,
        documented.summary,
        function,
        arguments,
        parameters_schema(arguments),
        policy or settings.policy,
        asks,
        handed_in,
    )


def _check_names(
    name: str,
    described: dict[str, str],
    arguments: type[Struct],
    handed_in: tuple[str, ...],
    asks: str,
) -> None:
    """The docstring and the question may speak of parameters only."""
    known = {*arguments.__struct_fields__}
    if unknown := set(described) - known - {*handed_in}:
        raise ToolError(
            f"tool `{name}`: its docstring describes `{min(unknown)}`, which is no parameter",
            "correct the section `Args:`",
        )
    if unknown := placeholders(asks) - known:
        raise ToolError(
            f"tool `{name}`: its question has `{{{min(unknown)}}}`, which is no parameter",
            "write a parameter's name in the braces",
        )
