"""One connection to an MCP server: a program that is started, or an address."""

from __future__ import annotations

import asyncio
import importlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import httpx2
import truststore
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import (
    CONNECTION_CLOSED,
    CallToolResult,
    Implementation,
    Tool,
    ToolListChangedNotification,
)

from voice import __version__
from voice.addresses import is_loopback
from voice.errors import ToolError
from voice.tools.mcp_endpoint import Endpoint
from voice.tools.mcp_failure import failure
from voice.tools.standard_error import StandardError

CHECK_SECONDS = 60.0
"""So often a server at an address is asked for its tools: no sign tells that it is gone."""

MOST_PAGES = 50
"""Of a list of tools; a list that never ends must not keep us."""

CONNECT_SECONDS = 10.0
"""Until an address answers at all."""

LEAVE_SECONDS = 2.0
"""For telling it that we leave."""

# The client loads it in the midst of its first call, and everything else would stand still.
importlib.import_module("jsonschema")

# They print tracebacks for what is said here in one line, messages and whole addresses.
for _noisy in ("mcp.client", "mcp.shared", "client", "httpx2"):
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)


class Connection:
    """Opened once, and entered and left in the same task, since the client's scopes need that.

    Its other methods raise whatever the client raises; `failure` explains it.
    """

    def __init__(self, to: Endpoint) -> None:
        self._to = to
        self._errors = StandardError(to.name, to.redact)
        transport = self._program() if to.options.command else self._http()
        self._client = Client(
            self._watched(transport),
            message_handler=self._heard,
            client_info=Implementation(name="voice", version=__version__),
            cache=None,
        )
        self._refused = ""
        self._ended = False
        self._news = asyncio.Event()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Client and server have agreed on a protocol; a program is ended when this is left."""
        async with self._client:
            listening = asyncio.create_task(self._listen())
            try:
                yield
            finally:
                self._ended = True
                listening.cancel()
                await asyncio.wait({listening})

    async def tools(self) -> list[Tool]:
        """All that the server lists."""
        tools: list[Tool] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            tools += page.tools
            if (cursor := page.next_cursor) is None:
                break
        return tools

    async def changed(self) -> None:
        """Return when the tools may be others; raises `MCPError` when the server is gone."""
        try:
            async with asyncio.timeout(CHECK_SECONDS if self._to.options.url else None):
                await self._news.wait()
        except TimeoutError:
            return
        if self._ended:
            raise MCPError(CONNECTION_CLOSED, "the connection is over")
        self._news.clear()

    async def call(
        self, tool: str, arguments: dict[str, Any], progressed: ProgressFnT
    ) -> CallToolResult:
        """What a tool returns; cancelling this cancels it on the server.

        Raises `ToolError` if the connection is over already.
        """
        if self._ended:
            raise ToolError(
                f"the server {self._to.name} is down at the moment", "tell the user that it failed"
            )
        return await self._client.call_tool(tool, arguments, progress_callback=progressed)

    def failure(self, error: Exception) -> ToolError:
        """Why the connection failed, and the cure."""
        return failure(error, self._to, self._refused, self._errors.last_words())

    @asynccontextmanager
    async def _program(self) -> AsyncIterator[Any]:
        program, *arguments = self._to.options.command
        parameters = StdioServerParameters(
            command=program,
            args=arguments,
            env=self._to.env,
            cwd=self._to.folder,
            encoding_error_handler="replace",
        )
        async with self._errors.collected() as pipe, stdio_client(parameters, pipe) as streams:
            yield streams

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[Any]:
        url = self._to.options.url
        async with (
            httpx2.AsyncClient(
                headers=self._to.headers,
                verify=truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                trust_env=not is_loopback(httpx2.URL(url).host),
                timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
                event_hooks={"request": [_hurry], "response": [self._answered]},
            ) as client,
            streamable_http_client(url, http_client=client) as streams,
        ):
            yield streams

    async def _answered(self, response: httpx2.Response) -> None:
        """Remember a refusal, whose status the client forgets, and see what it means."""
        if response.request.method == "POST":
            self._refused = ""
            if response.is_error:
                self._refused = f"{response.status_code} {response.reason_phrase}".strip()
                self._news.set()

    @asynccontextmanager
    async def _watched(self, transport: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
        async with transport as (incoming, outgoing):
            yield _Watched(incoming, self._end), outgoing

    def _end(self) -> None:
        self._ended = True
        self._news.set()

    async def _heard(self, message: IncomingMessage) -> None:
        """Servers of the older protocol say unasked that their tools have changed."""
        if isinstance(message, ToolListChangedNotification):
            self._news.set()

    async def _listen(self) -> None:
        """Those of the newer protocol want to be asked, on a stream that may break."""
        while not self._ended:
            try:
                async with self._client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._news.set()
            except SubscriptionLost:
                self._news.set()
            except Exception:  # it knows of no such stream, or is gone
                return
            await asyncio.sleep(CHECK_SECONDS)


async def _hurry(request: httpx2.Request) -> None:
    """A server that hangs must not keep us from leaving."""
    if request.method == "DELETE":
        request.extensions["timeout"] = httpx2.Timeout(LEAVE_SECONDS).as_dict()


class _Watched:
    """A stream of messages that tells when nobody reads it any more: the connection is over."""

    def __init__(self, stream: Any, over: Callable[[], None]) -> None:
        self._stream = stream
        self._over = over

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> AsyncIterator[Any]:
        return cast(AsyncIterator[Any], self._stream.__aiter__())

    async def __aenter__(self) -> _Watched:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self._over()
        await self._stream.__aexit__(*raised)
