"""An MCP server for tests, made with the official package: a program on stdio, or over HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.types import CallToolResult, TextContent, ToolAnnotations

PROGRAM = (sys.executable, __file__)
"""What starts it on stdio."""

DESTRUCTIVE = ToolAnnotations(destructive_hint=True)


def testing_server() -> MCPServer:
    """Each has tools of its own."""
    server = MCPServer("testing", log_level="ERROR")
    for function in (echo, knows, slow, failing, image):
        server.add_tool(function)
    server.add_tool(dies, annotations=DESTRUCTIVE)

    async def grow(ctx: Context) -> str:
        """Offer one more tool."""
        server.add_tool(echo, name="grown")
        await ctx.notify_tools_changed()
        return "grown"

    server.add_tool(grow)
    return server


def echo(text: str) -> str:
    """Say it again."""
    return text


def knows() -> str:
    """Give away what the program was told."""
    return f"TOKEN={os.environ.get('TOKEN')} HUSH={os.environ.get('HUSH')}"


async def slow(seconds: float, ctx: Context) -> str:
    """Take its time, in four steps."""
    try:
        for step in range(4):
            await ctx.report_progress(step + 1, 4, f"step {step + 1}")
            await asyncio.sleep(seconds / 4)
    except BaseException:
        print("slow was cancelled", file=sys.stderr, flush=True)
        raise
    return "slept"


def failing() -> CallToolResult:
    """Report an error."""
    return CallToolResult(content=[TextContent(text="the lamp is broken")], is_error=True)


def image() -> Image:
    """Paint a picture."""
    return Image(data=bytes(12_000), format="png")


def dies() -> str:
    """End the program in mid-call."""
    print(f"dying of {os.environ.get('TOKEN')}", file=sys.stderr, flush=True)
    os._exit(3)


@asynccontextmanager
async def serving(authorization: str, port: int = 0) -> AsyncIterator[str]:
    """Serves over streamable HTTP to those who show the header; its URL."""
    app = testing_server().streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        shown = (b"authorization", authorization.encode()) in scope.get("headers", [])
        if shown or scope["type"] != "http":
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(
        guarded, "127.0.0.1", port, log_level="critical", timeout_graceful_shutdown=0
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    await server.up.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """One that says when it is up, and leaves the test's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


if __name__ == "__main__":
    testing_server().run("stdio")
