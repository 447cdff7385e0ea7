"""An MCP server's tools, as long as the server is up."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from random import random
from typing import Any, NoReturn, TypeVar

from voice.clock import Clock, MonotonicClock
from voice.errors import ToolError
from voice.tools.mcp_connection import Connection
from voice.tools.mcp_endpoint import endpoint
from voice.tools.mcp_failure import one_line
from voice.tools.mcp_lifecycle import Lifecycle
from voice.tools.mcp_options import ALL, McpServerOptions
from voice.tools.mcp_tool import McpTool, mcp_tool

_T = TypeVar("_T")

Note = Callable[[str, dict[str, Any]], None]
"""Takes an event of the trace: its name and its fields."""


class McpServer:
    """The tools of one server; whoever owns it runs `run` as a task.

    `note` is told `mcp.connected` and `mcp.changed` (with the `tools` that the model sees),
    `mcp.refused` and `mcp.lost` (with the `reason`; one that repeats itself is told once).
    Raises `UsageError` if a secret is missing from the environment.
    """

    def __init__(
        self,
        name: str,
        options: McpServerOptions,
        note: Note = lambda _event, _fields: None,
        *,
        clock: Clock | None = None,
        random: Callable[[], float] = random,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._endpoint = endpoint(name, options, environment)
        self._options = options
        self._note = note
        self._clock = clock or MonotonicClock()
        self._lifecycle = Lifecycle(random)
        self._tools: tuple[McpTool, ...] = ()
        self._up = False
        self._last_reason = ""

    def tools(self) -> Sequence[McpTool]:
        """Those that can be called now; none while the server is down."""
        return self._tools

    async def run(self) -> None:
        """Keep the server up until cancelled, which ends it; returns at once if it is not wanted.

        Never raises for a fault of the server. Ending a program that does not end by itself takes
        up to 4 s.
        """
        while self._options.enabled and self._options.allow:
            if (start_at := self._lifecycle.deadline()) is not None:
                await self._clock.sleep_until(start_at)
            self._lifecycle.starting()
            failure = await _apart(self._serve())
            self._went_down(str(failure))

    async def _serve(self) -> ToolError:
        """Connect and serve until the server is gone; says why it is."""
        connection = Connection(self._endpoint)
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self._options.start_seconds):
                    await stack.enter_async_context(connection.opened())
                    tools = await self._allowed(connection)
                await self._offer(connection, tools)
        except Exception as error:  # the client raises of many kinds
            return connection.failure(error)

    async def _offer(self, connection: Connection, tools: tuple[McpTool, ...]) -> NoReturn:
        self._lifecycle.came_up(self._clock.now())
        self._up, self._last_reason = True, ""
        self._tools = tools
        self._tell("mcp.connected", tools=[tool.name for tool in tools])
        try:
            while True:
                await connection.changed()
                async with asyncio.timeout(self._options.start_seconds):
                    tools = await self._allowed(connection)
                if tools != self._tools:
                    self._tools = tools
                    self._tell("mcp.changed", tools=[tool.name for tool in tools])
        finally:  # at once: ending the connection takes its time
            self._tools = ()

    async def _allowed(self, connection: Connection) -> tuple[McpTool, ...]:
        """The allowed ones; of several that come out with the same name the first."""
        name, options, redact = self._endpoint.name, self._options, self._endpoint.redact
        tools: dict[str, McpTool] = {}
        for one in await connection.tools():
            if options.allows(one.name):
                tool = mcp_tool(name, one, options, connection, redact)
                tools.setdefault(tool.name, tool)
        return tuple(tools.values())

    def _went_down(self, reason: str) -> None:
        self._lifecycle.went_down(self._clock.now())
        if reason != self._last_reason:
            self._tell("mcp.lost" if self._up else "mcp.refused", reason=reason)
        self._up, self._last_reason = False, reason

    def _tell(self, event: str, **fields: Any) -> None:
        self._note(event, {"server": self._endpoint.name, **fields})


async def check(
    name: str, options: McpServerOptions, environment: Mapping[str, str] = os.environ
) -> str:
    """Connect once; what is there, such as "3 tools, 1 allowed".

    Raises `UsageError` if a secret is missing from the environment, `ToolError` if the server
    cannot be used.
    """
    connection = Connection(endpoint(name, options, environment))
    return await _apart(_checked(connection, options))


async def _checked(connection: Connection, options: McpServerOptions) -> str:
    try:
        async with asyncio.timeout(options.start_seconds), connection.opened():
            names = [one_line(tool.name) for tool in await connection.tools()]
    except Exception as error:
        raise connection.failure(error) from error
    allowed = sum(options.allows(tool) for tool in names)
    said = f"{len(names)} tool{'s' * (len(names) != 1)}, {allowed or 'none'} allowed"
    if not allowed and names:
        said += f" (list in `allow` what the model may call: {', '.join(names)})"
    if missing := sorted({*options.allow} - {*names, ALL}):
        said += f" (there is no {', '.join(missing)})"
    return said


async def _apart(work: Coroutine[Any, Any, _T]) -> _T:
    """Do it in a task of its own, which is cancelled only once and always awaited.

    A second cancellation would break off the client's ending of the program.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        raise
