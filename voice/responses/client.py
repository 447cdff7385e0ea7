"""Responses over one socket: requests out, each one's events back to whoever asked.

Events find their exchange by lane: a lane is first in, first out, so an event belongs to the
oldest exchange on it that has not ended. An abandoned exchange stays in its place until its
response ends, and its events are dropped; so nothing is drained and nothing has to wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

from voice.errors import AgentError
from voice.responses.connection import Transport
from voice.responses.events import (
    Completed,
    Created,
    ErrorBody,
    ErrorEvent,
    Failed,
    Incomplete,
    ResponseCancel,
    ResponseCreate,
    ServerEvent,
    decode_server_event,
    encode,
)
from voice.responses.lanes import NAMES

_log = logging.getLogger(__name__)

_LAST = (Completed, Incomplete, Failed, ErrorEvent)

CONNECTION_LOST = "connection_lost"
"""Our own error code, beside the server's: the socket closed while a response ran."""

STALLED = "stalled"
"""Our own error code: the server sent nothing for too long."""


class _Exchange:
    """One request and the events that answer it."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self.response_id = ""
        self.abandoned = False
        self.events: asyncio.Queue[ServerEvent] = asyncio.Queue()

    def take(self, event: ServerEvent) -> None:
        if isinstance(event, Created):
            self.response_id = event.response.id
        if not self.abandoned:
            self.events.put_nowait(event)


class ResponsesClient:
    """Runs requests on the lanes of one connection, which is opened anew when it was lost."""

    def __init__(
        self, connect: Callable[[], Awaitable[Transport]], stall_seconds: float = 60.0
    ) -> None:
        self._connect = connect
        self._stall_seconds = stall_seconds
        self._transport: Transport | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._lanes: dict[str, deque[_Exchange]] = {}
        self.garbage = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be able to connect while the block runs; whoever asks first connects."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                yield
            finally:
                self._tasks = None
                if self._transport is not None:
                    await self._transport.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._transport is not None

    async def connect(self) -> None:
        """Open the connection if there is none. Raises `AgentError`."""
        if self._transport is not None:
            return
        assert self._tasks is not None, "used outside `running`"
        transport = await self._connect()
        self._lanes = {name: deque() for name in NAMES}
        self._transport = transport
        self._tasks.create_task(self._read(transport))

    def running_on(self, lane: str) -> int:
        """How many responses have not ended on a lane."""
        return len(self._lanes.get(lane, ()))

    async def stream(self, request: ResponseCreate) -> AsyncIterator[ServerEvent]:
        """Send a request and yield its events, the last one being its end.

        A lost or stalled connection ends it with an `ErrorEvent` of our own. Closing the iterator
        early abandons the response. Raises `AgentError` if no connection is to be had.
        """
        await self.connect()
        assert self._transport is not None
        assert isinstance(request.stream_id, str), "every request names its lane"
        exchange = _Exchange(request.stream_id)
        self._lanes[exchange.lane].append(exchange)
        try:
            try:
                await self._transport.send(encode(request))
            except AgentError:
                self._lose(self._transport)  # and the event that says so is read below
            while True:
                event = await self._next(exchange)
                yield event
                if isinstance(event, _LAST):
                    return
        finally:
            self._abandon(exchange)

    async def _next(self, exchange: _Exchange) -> ServerEvent:
        try:
            async with asyncio.timeout(self._stall_seconds):
                return await exchange.events.get()
        except TimeoutError:
            message = f"the server sent nothing for {self._stall_seconds:.0f} s"
            return ErrorEvent(error=ErrorBody(code=STALLED, message=message))

    def _abandon(self, exchange: _Exchange) -> None:
        if exchange.abandoned or exchange not in self._lanes.get(exchange.lane, ()):
            return
        exchange.abandoned = True
        if exchange.response_id and self._tasks is not None:
            self._tasks.create_task(self._cancel(exchange.response_id))

    async def _cancel(self, response_id: str) -> None:
        if self._transport is not None:
            try:
                await self._transport.send(encode(ResponseCancel(response_id=response_id)))
            except AgentError:
                _log.debug("the connection was lost before the cancel of %s", response_id)

    async def _read(self, transport: Transport) -> None:
        async for message in transport.messages():
            try:
                event = decode_server_event(message)
            except (msgspec.DecodeError, UnicodeError) as error:
                self.garbage += 1
                _log.info("the server sent what is no event (%s): %.120s", error, message)
                continue
            if event is not None:
                self._deliver(event)
        self._lose(transport)

    def _deliver(self, event: ServerEvent) -> None:
        exchange = self._owner(event)
        if exchange is None:
            if isinstance(event, ErrorEvent):
                _log.warning("the server reports: %s %s", event.body.code, event.body.message)
            return
        if isinstance(event, _LAST):
            self._lanes[exchange.lane].popleft()
        exchange.take(event)

    def _owner(self, event: ServerEvent) -> _Exchange | None:
        """The exchange that an event belongs to; some servers leave the lane out."""
        if isinstance(event.stream_id, str):
            lane = self._lanes.get(event.stream_id)
            return lane[0] if lane else None
        heads = [lane[0] for lane in self._lanes.values() if lane]
        current = [exchange for exchange in heads if not exchange.abandoned]
        return next(iter(current or heads), None)

    def _lose(self, transport: Transport) -> None:
        if self._transport is not transport:
            return
        self._transport = None
        lost = ErrorEvent(error=ErrorBody(code=CONNECTION_LOST, message="the connection was lost"))
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            for exchange in lane:
                exchange.take(lost)
