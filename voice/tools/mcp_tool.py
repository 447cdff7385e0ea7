"""A tool of an MCP server, as one that the model can call."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import mcp_types
import msgspec
from mcp import MCPError
from mcp.shared.dispatcher import ProgressFnT

from voice.errors import ToolError
from voice.tools.mcp_content import result_text
from voice.tools.mcp_options import McpServerOptions
from voice.tools.policy import Policy
from voice.tools.questions import default_question
from voice.tools.tool import ToolContext

LONGEST_NAME = 64
"""What the Responses API takes."""

DESCRIPTION_CHARACTERS = 600
"""Of what a server says about a tool: others have written it, and the model reads it each time."""

REPORT_CHARACTERS = 200
"""Of one report of progress; it may be spoken."""


class Caller(Protocol):
    """A connection, as a tool needs it."""

    async def call(
        self, tool: str, arguments: dict[str, Any], progressed: ProgressFnT
    ) -> mcp_types.CallToolResult:
        """What the server's tool returns; raises `ToolError` if the server is down already."""


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool with the connection that its calls go over; made by `mcp_tool`."""

    name: str
    policy: Policy
    server: str
    listed: mcp_types.Tool
    """As the server lists it, with the name that it has there."""

    connection: Caller = field(repr=False, compare=False)
    redact: Callable[[str], str] = field(repr=False, compare=False)
    """Takes the configuration's secrets out of what the server says."""

    def definition(self) -> dict[str, Any]:
        """As the Responses API wants it; a server's schema need not be strict."""
        schema = {key: value for key, value in self.listed.input_schema.items() if key != "$schema"}
        said = self.listed.description or self.listed.title or self.listed.name
        parameters = {**schema, "type": "object", "properties": schema.get("properties") or {}}
        return {
            "type": "function",
            "name": self.name,
            "description": _paragraph(said, DESCRIPTION_CHARACTERS),
            "parameters": parameters,
            "strict": False,
        }

    def question(self, arguments_json: str) -> str:
        """For example "Shall I delete note, with title milk?"."""
        try:
            return default_question(self.listed.name, self._arguments(arguments_json))
        except ToolError:  # which the call will say
            return default_question(self.listed.name, {})

    async def call(self, arguments_json: str, context: ToolContext) -> str:
        """What the server's tool returns, as text.

        Cancelling this call cancels it on the server. Raises `ToolError` if the arguments are no
        JSON object, for what the tool reports as an error, and if the server is gone.
        """
        arguments = self._arguments(arguments_json)

        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            if words := _progress(progress, total, message):
                context.report(self.redact(words))

        try:
            result = await self.connection.call(self.listed.name, arguments, progressed)
        except ToolError:
            raise
        except Exception as error:  # the client raises of many kinds
            raise self._failure(error) from error
        text = self.redact(result_text(result))
        if result.is_error:
            raise ToolError(text)
        return text

    def _arguments(self, arguments_json: str) -> dict[str, Any]:
        try:
            arguments = msgspec.json.decode(arguments_json.strip() or "{}")
        except msgspec.DecodeError as error:
            raise ToolError(f"{self.name}: the arguments are not JSON: {error}") from error
        if not isinstance(arguments, dict):
            raise ToolError(f"{self.name}: the arguments are no JSON object", "give {…}")
        return arguments

    def _failure(self, error: Exception) -> ToolError:
        if isinstance(error, MCPError) and error.code != mcp_types.CONNECTION_CLOSED:
            return ToolError(self.redact(f"{self.name}: {error.message}"))
        if isinstance(error, (ValueError, RuntimeError)):  # the answer breaks protocol or schema
            return ToolError(f"{self.name}: the server's answer is malformed", "tell the user")
        return ToolError(
            f"{self.name}: the server {self.server} is gone, and nobody knows whether it was done",
            "tell the user; do not simply call it again",
        )


def mcp_tool(
    server: str,
    listed: mcp_types.Tool,
    options: McpServerOptions,
    connection: Caller,
    redact: Callable[[str], str] = str,
) -> McpTool:
    """A tool as a server lists it, treated as the options say."""
    prefix = f"{server}_" if options.prefix is None else options.prefix
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", prefix + listed.name)[:LONGEST_NAME]
    hints = listed.annotations or mcp_types.ToolAnnotations()
    policy = Policy(
        confirm=options.confirms(listed.name, destructive=bool(hints.destructive_hint)),
        read_only=options.reads_only(listed.name, read_only=bool(hints.read_only_hint)),
        limit_seconds=options.limit_seconds,
    )
    return McpTool(name, policy, server, listed, connection, redact)


def _progress(progress: float, total: float | None, message: str | None) -> str:
    if message:
        return _paragraph(message, REPORT_CHARACTERS)
    return f"{round(100 * progress / total)} percent" if total else ""


def _paragraph(text: str, characters: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= characters else f"{text[: characters - 2].rstrip()} …"
