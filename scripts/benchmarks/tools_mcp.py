"""How long a tool of an MCP server takes that does nothing: over stdio, and over HTTP on loopback.

The server is the one of the tests, made with the official package, in a process of its own; as a
program, this module serves it over HTTP.
"""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from scripts.benchmarks.figures import ROOT, kept, quantile
from scripts.benchmarks.tools_figures import milliseconds
from tests.support.mcp_server import PROGRAM, serving
from voice.server.serve import READY
from voice.tools.mcp_options import McpServerOptions
from voice.tools.mcp_server import McpServer
from voice.tools.runner import Toolbox

_KEY = "Bearer of a benchmark"

_UP_SECONDS = 30.0


async def measure_mcp(calls: int) -> dict[str, Any]:
    """So many calls over each way, in turn: from the toolbox through the server and back."""
    seconds: dict[str, list[float]] = {"stdio": [], "http": []}
    program = McpServerOptions(command=PROGRAM, allow=("echo",))
    async with _http_server() as url:
        far = McpServerOptions(url=url, headers={"Authorization": _KEY}, allow=("echo",))
        async with _up("stdio", program) as near, _up("http", far) as remote:
            toolbox = Toolbox(sources=[near, remote])
            for number in range(calls + 1):
                for way, of_way in seconds.items():
                    took = await _call(toolbox, f"{way}_echo")
                    if number:  # the first one warms up
                        of_way.append(took)
    figures: dict[str, Any] = {"mcp_calls": calls}
    for way, of_way in seconds.items():
        figures[f"mcp_{way}_ms_p50"] = milliseconds(quantile(of_way, 0.5))
        figures[f"mcp_{way}_ms_p95"] = milliseconds(quantile(of_way, 0.95))
    samples = {f"mcp_{way}_ms": kept(of_way, 1e3) for way, of_way in seconds.items()}
    return figures | {"samples": samples}


async def _call(toolbox: Toolbox, name: str) -> float:
    began = time.perf_counter()
    said = await toolbox.run(name, '{"text": "hello"}')
    took = time.perf_counter() - began
    if "hello" not in said:
        raise RuntimeError(f"{name} said: {said}")
    return took


@asynccontextmanager
async def _up(name: str, options: McpServerOptions) -> AsyncIterator[McpServer]:
    """The server with its tools. Raises `TimeoutError` if it does not come up."""
    connected = asyncio.Event()

    def note(event: str, _fields: dict[str, Any]) -> None:
        if event == "mcp.connected":
            connected.set()

    server = McpServer(name, options, note)
    task = asyncio.create_task(server.run())
    try:
        async with asyncio.timeout(_UP_SECONDS):
            await connected.wait()
        yield server
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def _http_server() -> AsyncIterator[str]:
    """This module as a process of its own; yields its URL."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__), cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().removeprefix(READY).strip()
    finally:
        process.terminate()
        await process.wait()


async def _serve() -> None:
    async with serving(_KEY) as url:
        print(f"{READY}{url}", flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(_serve())
