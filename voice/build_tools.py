"""The tools of a conversation: ours, the user's own, and those of MCP servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voice.tools.background import background_tools
from voice.tools.builtin import builtin_tools
from voice.tools.chosen import ChosenSource, chosen_tools
from voice.tools.function import FunctionTool
from voice.tools.options import ToolOptions
from voice.tools.runner import Toolbox
from voice.tools.timers import Timers
from voice.tools.volume import VoiceControls

if TYPE_CHECKING:
    from voice.tools.mcp_server import McpServer

Note = Callable[[str, dict[str, Any]], None]
"""Takes an event of the trace: its name and its fields."""


async def open_tools(
    options: ToolOptions,
    timers: Timers,
    voice: VoiceControls,
    running: Callable[[], Mapping[str, str]],
    cancel: Callable[[str], None],
    note: Note,
    stack: AsyncExitStack,
    brought: Sequence[FunctionTool] = (),
) -> Toolbox:
    """Load what there is; MCP servers start, and their tools come when they are up.

    `running` and `cancel` are about calls in the background, which only tools that are not built
    in are slow enough for. Raises `UsageError`.
    """
    servers = await asyncio.to_thread(_mcp_servers, options, note)
    own = [*await asyncio.to_thread(own_tools, options), *brought]
    if servers or own:
        own += background_tools(running, cancel)
    builtin = builtin_tools(options.builtin, timers, voice, datetime.now)
    prefixes = [f"{name}_" if o.prefix is None else o.prefix for name, o in options.mcp.items()]
    chosen = chosen_tools([*builtin, *own], options, prefixes)
    for server in servers:
        stack.push_async_callback(ended, asyncio.create_task(server.run()))
    return Toolbox(chosen, [ChosenSource(server, options) for server in servers])


def own_tools(options: ToolOptions) -> list[FunctionTool]:
    """The machine's and the user's, whose code is imported. Raises `UsageError`."""
    from voice.tools.discovery import folder_tools, plugin_tools
    from voice.tools.system_volume import find_mixer, system_volume_tool

    tools: list[FunctionTool] = []
    if options.system_volume and (mixer := find_mixer()):
        tools.append(system_volume_tool(mixer))
    if options.folder:
        tools += folder_tools(Path(options.folder))
    return tools + plugin_tools(options.plugins)


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end, however it ends."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _mcp_servers(options: ToolOptions, note: Note) -> list[McpServer]:
    if not options.mcp:
        return []
    from voice.tools.mcp_server import McpServer

    return [McpServer(name, chosen, note) for name, chosen in options.mcp.items()]
