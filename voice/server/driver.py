"""Runs a protocol machine: performs what it wants done on the backend and the store.

A WebSocket connection has one machine for its life, a request over HTTP one of its own. What a
machine wants to be said is handed to whoever holds the socket.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final

import msgspec

from voice.errors import VoiceError
from voice.responses.events import (
    Completed,
    ErrorBody,
    ErrorEvent,
    Failed,
    Incomplete,
    ServerEvent,
)
from voice.server.backend import Busy, Finished, Misconfigured, Piece, PromptTooLong
from voice.server.ids import new_id
from voice.server.protocol import Connection
from voice.server.service import GOING_DOWN, Service
from voice.server.signals import (
    Action,
    BackendFailed,
    Close,
    Event,
    FallSilent,
    Fetch,
    Fetched,
    Keep,
    MessageReceived,
    PieceProduced,
    Reset,
    Send,
    SendText,
    Start,
    Stop,
)

log = logging.getLogger(__name__)

Saying = Send | SendText | Close | Reset | FallSilent
"""The actions that concern the client."""

_CODES: Final[dict[type[VoiceError], str]] = {
    PromptTooLong: "invalid_prompt",
    Misconfigured: "invalid_prompt",  # of the published codes one that nobody tries again after
    Busy: "rate_limit_exceeded",
}

OUTCOMES: Final[dict[type[ServerEvent], str]] = {
    Completed: "completed",
    Incomplete: "incomplete",
    Failed: "failed",
    ErrorEvent: "refused",
}
"""The events that answer a request for a response for good, and what each says of it."""


class _Head(msgspec.Struct):
    """What says whether a message asks for a response, and in which lane."""

    type: Any = None
    stream_id: Any = None


class Driver:
    """Runs one machine. `say` gets what the client is to be told; `room` waits while it is behind.

    `transport` is the name of the client's way in, for the metrics.
    """

    def __init__(
        self,
        service: Service,
        transport: str,
        say: Callable[[Saying], None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self._service, self._transport = service, transport
        self._say, self._room = say, room
        now = time.monotonic()
        self._machine = Connection(
            service.backend.model,
            new_id,
            unix_offset_seconds=time.time() - now,
            opened_seconds=now,
            connection_seconds=service.connection_seconds,
            faults=service.backend.faults,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: dict[str, asyncio.Task[None]] = {}  # those that the client waits for
        self._began_seconds: dict[str, float] = {}  # of those that have no token yet
        self.retry_after_seconds: float | None = None
        """What the backend said when it was last busy."""
        service.drivers.add(self)
        self._arm()

    @property
    def running(self) -> int:
        """How many of its responses are in flight."""
        return len(self._tasks)

    @property
    def unanswered(self) -> int:
        """How many of them have no token yet."""
        return len(self._began_seconds)

    async def receive(self, message: str) -> None:
        """Take in a client's message, and wait while the client is behind with its answers."""
        refusal = self._refusal(message) if self._service.draining else None
        if refusal:
            self._perform(Send(refusal))
        else:
            self.tell(MessageReceived(message))
        await self._room()

    def tell(self, event: Event) -> None:
        """Let the machine know, and perform what it says."""
        events = [event]
        for heard in events:  # which grows where something fails at once
            for action in self._machine.receive(heard, time.monotonic()):
                if failed := self._perform(action):
                    events.append(failed)

    def end(self) -> None:
        """Fail what runs, and then what has waited for that, and say goodbye."""
        for response_id in list(self._answers):
            self._stop(response_id)
            self.tell(BackendFailed(response_id, "server_error", GOING_DOWN))
        self._say(Close(1001, GOING_DOWN))

    async def close(self) -> None:
        """The client has gone: stop everything. What still stops counts as running until then."""
        if self._timer:
            self._timer.cancel()
        for response_id in list(self._answers):
            self._stop(response_id)
            self._service.metrics.ended(self._transport, "abandoned")
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._service.drivers.discard(self)
            self._service.change()

    # ── the machine's time ───────────────────────────────────────────────────────────────────

    def _arm(self) -> None:
        """Call `timeout` when the machine's deadline has come."""
        deadline = self._machine.deadline()
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(deadline - time.monotonic(), self._time_out)

    def _time_out(self) -> None:
        for action in self._machine.timeout(time.monotonic()):
            self._perform(action)
        self._arm()

    # ── the machine's actions ────────────────────────────────────────────────────────────────

    def _perform(self, action: Action) -> BackendFailed | None:
        """Do it; returns what the machine has to hear of that at once."""
        match action:
            case Send(event):
                self._note(event)
                self._say(action)
            case Start():
                return self._start(action)
            case Stop(response_id):
                self._stop(response_id)
            case Fetch(response_id):
                self._spawn(self._fetch(response_id))
            case Keep(kept):
                self._service.store.keep(kept)
            case _:
                self._say(action)
        return None

    def _note(self, event: ServerEvent) -> None:
        outcome = OUTCOMES.get(type(event))
        if outcome is None:
            return
        self._service.metrics.ended(self._transport, outcome)
        if isinstance(event, Completed | Incomplete | Failed):
            self._forget(event.response.id)

    def _start(self, start: Start) -> BackendFailed | None:
        if self._service.over.is_set():
            return BackendFailed(start.response_id, "server_error", GOING_DOWN)
        before = self._answers.get(start.response_id)
        if before is None and self._service.running >= self._service.limits.responses:
            message = "The server has as many responses in flight as it takes; try again later."
            return BackendFailed(start.response_id, "rate_limit_exceeded", message)
        if before is None:
            self._began_seconds[start.response_id] = time.monotonic()
        self._answers[start.response_id] = self._spawn(self._answer(start, before))
        return None

    def _stop(self, response_id: str) -> None:
        if response_id in self._answers:
            self._answers[response_id].cancel()
        self._forget(response_id)

    def _forget(self, response_id: str) -> None:
        """Nobody waits for this response any more."""
        self._answers.pop(response_id, None)
        self._began_seconds.pop(response_id, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._service.change()

    # ── the backend and the store ────────────────────────────────────────────────────────────

    async def _answer(self, start: Start, before: asyncio.Task[None] | None) -> None:
        """Run the backend, when it has done what it did `before` for the same response."""
        if before:
            await asyncio.wait({before})
        response_id, backend = start.response_id, self._service.backend
        try:
            if start.generate:
                async with aclosing(backend.generate(start.prompt)) as pieces:
                    async for piece in pieces:
                        await self._produced(response_id, piece)
            else:
                await self._produced(response_id, await backend.prepare(start.prompt))
        except VoiceError as error:
            if isinstance(error, Busy):
                self.retry_after_seconds = error.retry_after_seconds
            code = next((c for kind, c in _CODES.items() if isinstance(error, kind)), None)
            self.tell(BackendFailed(response_id, code or "server_error", str(error)))
        except Exception:
            log.exception("the backend failed")
            self.tell(BackendFailed(response_id, "server_error", "The backend failed."))

    async def _produced(self, response_id: str, piece: Piece) -> None:
        if isinstance(piece, Finished):
            self._service.metrics.counted(piece)
        elif (began := self._began_seconds.pop(response_id, None)) is not None:
            self._service.metrics.began(time.monotonic() - began)
        self.tell(PieceProduced(response_id, piece))
        await self._room()

    async def _fetch(self, response_id: str) -> None:
        try:
            settled = await self._service.store.fetch(response_id)
        except VoiceError as error:
            log.warning("%s", error)
            settled = None
        self.tell(Fetched(response_id, settled))

    def _refusal(self, message: str) -> ErrorEvent | None:
        """What a message is told while the server goes down; None lets it through."""
        try:
            head = msgspec.json.decode(message, type=_Head)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        if head.type != "response.create":
            return None
        error = ErrorBody(type="server_error", code="service_unavailable", message=GOING_DOWN)
        refusal = ErrorEvent(status=503, error=error)
        if isinstance(head.stream_id, str):
            refusal.stream_id = head.stream_id
        return refusal
