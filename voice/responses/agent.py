"""The driver of the agent's machine: it performs what the machine wants of sockets and tools.

One task owns the machine. Facts reach it through one inbox, in the order in which they happened;
what the session is to know comes out of `events`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from typing import Protocol

import msgspec

from voice.clock import Clock, VirtualClock
from voice.errors import AgentError
from voice.responses.calls import RunningCall
from voice.responses.connection import Transport
from voice.responses.events import ClientEvent, decode_server_event
from voice.responses.machine import AgentMachine
from voice.responses.signals import (
    Action,
    AgentEvent,
    Arrived,
    CallTool,
    CloseLink,
    Fact,
    Lost,
    Noted,
    Opened,
    OpenFailed,
    OpenLink,
    Send,
    StopTool,
    ToolProgressed,
    ToolReturned,
)
from voice.tools.tool import ToolContext

_log = logging.getLogger(__name__)

Connect = Callable[[], Awaitable[Transport]]

_OUTBOX_EVENTS = 256
"""Requests that wait for a server which takes none; a conversation never has so many under way."""

_READY_SECONDS = 15.0
"""A recording waits so long for the server to read instructions and tools: see `PRIME_SECONDS`."""


class Tools(Protocol):
    """What the model may call."""

    async def run(self, name: str, arguments: str, context: ToolContext) -> str:
        """The result as text, also where the call was wrong or failed."""


class _Wire:
    """One open connection with what is still to be sent on it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.outbox: asyncio.Queue[ClientEvent] = asyncio.Queue(_OUTBOX_EVENTS)

    async def write(self) -> None:
        """Send what is to be sent. Raises `AgentError` when the connection is lost."""
        while True:
            await self.transport.send(await self.outbox.get())


class _Hold:
    """Keeps a virtual clock from moving, or lets it move."""

    def __init__(self, hold: Callable[[], AbstractContextManager[None]]) -> None:
        self._hold = hold
        self._working = ExitStack()
        self._held = False

    def set(self, held: bool) -> None:
        """Hold the clock, or let it go."""
        if held and not self._held:
            self._working.enter_context(self._hold())
        elif self._held and not held:
            self._working.close()
        self._held = held


class _Alarm:
    """Rings at a time of a clock, as a timer of the event loop does at one of its own."""

    def __init__(self, clock: Clock, at: float, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._at = at
        self._ring = ring
        self._task = asyncio.create_task(self._wait())

    def when(self) -> float:
        """The time."""
        return self._at

    def cancel(self) -> None:
        """Ring no more."""
        self._task.cancel()

    async def _wait(self) -> None:
        await self._clock.sleep_until(self._at)
        self._ring()


class Agent:
    """Holds the agent's side of a conversation while `running`."""

    def __init__(self, machine: AgentMachine, connect: Connect, tools: Tools, clock: Clock) -> None:
        self._machine = machine
        self._connect = connect
        self._toolbox = tools
        self._clock = clock
        self._tasks = asyncio.TaskGroup()
        self._inbox: asyncio.Queue[Fact | None] = asyncio.Queue()
        self._events: asyncio.Queue[tuple[float, AgentEvent]] = asyncio.Queue()
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._wires: dict[int, _Wire] = {}
        self._tools: dict[asyncio.Task[None], tuple[int, str]] = {}
        self._timed = isinstance(clock, VirtualClock) and clock.timed_answers
        self._timer: asyncio.TimerHandle | _Alarm | None = None
        self._acting, self._telling = _Hold(clock.working), _Hold(clock.working)
        self._waiting = _Hold(clock.waiting)
        self._ready = asyncio.Event()
        self._connected = asyncio.Event()
        self._understood = self._garbled = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connect, and hold the conversation while the block runs.

        Raises an `AgentError`, in a group, if the first connection cannot be opened.
        """
        async with self._tasks:
            owner = self._tasks.create_task(self._own_machine())
            try:
                yield
            finally:
                owner.cancel()
                for task in (*self._serving.values(), *self._tools):
                    task.cancel()
                if self._timer:
                    self._timer.cancel()
                for hold in (self._acting, self._waiting, self._telling):
                    hold.set(False)

    def tell(self, fact: Fact) -> None:
        """Something happened; a virtual clock stands still until it was acted upon."""
        self._acting.set(True)
        self._inbox.put_nowait(fact)

    async def events(self) -> AsyncIterator[tuple[float, AgentEvent]]:
        """What the session is to know, and when it happened (seconds of the session's clock)."""
        while True:
            if self._events.empty():  # all that was told has been acted upon
                self._telling.set(False)
            yield await self._events.get()

    @property
    def background(self) -> Sequence[RunningCall]:
        """The calls of tools that no answer waits for."""
        return self._machine.background

    async def connected(self) -> None:
        """Return when the first connection is open."""
        await self._connected.wait()

    async def ready(self) -> None:
        """Return when the server has read what there is to read before the first words."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_SECONDS):
                await self._ready.wait()

    # ── the machine ──────────────────────────────────────────────────────────────────────

    async def _own_machine(self) -> None:
        """Tell the machine one fact after another, and perform its actions."""
        machine = self._machine
        now = self._clock.now if self._timed else asyncio.get_running_loop().time
        self._perform_all(machine.timeout(now()))
        while True:
            fact = await self._inbox.get()
            self._perform_all(machine.receive(fact, now()) if fact else machine.timeout(now()))

    def _perform_all(self, actions: list[Action]) -> None:
        for action in actions:
            self._perform(action)
        if self._inbox.empty():  # while more is to come, neither timer nor clock matters
            self._set_timer()
            self._waiting.set(self._machine.waiting)
            self._acting.set(False)
            if self._machine.ready:
                self._ready.set()

    def _set_timer(self) -> None:
        """Wake the machine when it wants to be.

        Each event of a response puts its deadline off. A timer that rings early does no harm, so
        it is left as it is until then.
        """
        deadline = self._machine.deadline()
        if deadline is None or (self._timer and self._timer.when() <= deadline):
            return
        if self._timer:
            self._timer.cancel()
        if self._timed:
            self._timer = _Alarm(self._clock, deadline, self._ring)
        else:
            self._timer = asyncio.get_running_loop().call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._acting.set(True)
        self._inbox.put_nowait(None)

    def _perform(self, action: Action) -> None:
        match action:
            case OpenLink(number):
                self._serving[number] = self._tasks.create_task(self._serve(number))
            case CloseLink(number):
                if serving := self._serving.get(number):
                    serving.cancel()
            case Send(number, event):
                self._send(number, event)
            case CallTool(turn, call):
                task = self._tasks.create_task(self._call(action))
                self._tools[task] = turn, call.call_id
                task.add_done_callback(self._tools.pop)
            case StopTool(turn, call_id):
                for task in [task for task, of in self._tools.items() if of == (turn, call_id)]:
                    task.cancel()
            case _:
                self._report(action)

    def _report(self, event: AgentEvent) -> None:
        if isinstance(event, Noted) and event.event == "input.refused":
            self._check_understood()
        self._telling.set(True)
        self._events.put_nowait((self._clock.now(), event))

    def _check_understood(self) -> None:
        if self._garbled and not self._understood:
            raise AgentError(
                "the server answers, but not in the Responses API's events",
                "check the address given with --agent",
            )

    # ── connections ──────────────────────────────────────────────────────────────────────

    async def _serve(self, number: int) -> None:
        """Open a connection and carry events on it until it is lost or left."""
        try:
            transport = await self._connect()
        except AgentError as error:
            del self._serving[number]
            if not self._connected.is_set():
                raise  # the very first one: a wrong address is no accident
            self.tell(OpenFailed(number, str(error)))
            return
        self._connected.set()
        self._wires[number] = wire = _Wire(transport)
        self.tell(Opened(number, transport.remembers))
        writing = self._tasks.create_task(self._write(number, wire))
        try:
            await self._read(number, transport)
            self.tell(Lost(number, "the connection was lost"))
        finally:
            writing.cancel()
            del self._serving[number], self._wires[number]
            await transport.close()

    async def _write(self, number: int, wire: _Wire) -> None:
        try:
            await wire.write()
        except AgentError as error:
            self.tell(Lost(number, error.problem))
            self._perform(CloseLink(number))

    async def _read(self, number: int, transport: Transport) -> None:
        async for message in transport.messages():
            try:
                event = decode_server_event(message)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                self._garbled += 1
                _log.info("the server sent what is no event (%s): %.120s", error, message)
                continue
            self._understood += 1
            if event is not None:
                self.tell(Arrived(number, event))

    def _send(self, number: int, event: ClientEvent) -> None:
        wire = self._wires.get(number)
        if wire is None:
            return  # lost since: the machine is about to hear of it
        try:
            wire.outbox.put_nowait(event)
        except asyncio.QueueFull:
            self.tell(Lost(number, "the server takes no more requests"))
            self._perform(CloseLink(number))

    # ── tools ────────────────────────────────────────────────────────────────────────────

    async def _call(self, action: CallTool) -> None:
        turn, call = action.turn, action.call
        started = Noted("tool.started", turn, {"tool": call.name, "arguments": call.arguments})
        self._report(started)
        context = ToolContext(action.key, self._progress_of(action))
        output = await self._toolbox.run(call.name, call.arguments, context)
        self._report(Noted("tool.ended", turn, {"tool": call.name, "output": output}))
        self.tell(ToolReturned(turn, call.call_id, output))

    def _progress_of(self, action: CallTool) -> Callable[[str], None]:
        """What a tool tells of itself, on whatever thread, becomes a fact."""
        loop = asyncio.get_running_loop()

        def report(text: str) -> None:
            fact = ToolProgressed(action.turn, action.call.call_id, text)
            loop.call_soon_threadsafe(self.tell, fact)

        return report
