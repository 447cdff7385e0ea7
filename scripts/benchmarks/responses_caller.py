"""Who speaks with the agent in the benchmark, as a session does; and the processes it speaks to."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

import msgspec

from scripts.benchmarks.figures import ROOT
from scripts.benchmarks.responses_server import Scripted
from voice.clock import MonotonicClock
from voice.responses.agent import Agent
from voice.responses.connection import Transport, endpoint, open_websocket
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.responses.presets import PRESETS
from voice.responses.requests import Features
from voice.responses.signals import (
    AgentEvent,
    AnswerAdopted,
    AnswerBegun,
    AnswerDropped,
    AnswerFailed,
    AnswerWritten,
    Asked,
    Fact,
    Heard,
    Interrupted,
    Noted,
    TextReceived,
)
from voice.server.serve import READY
from voice.tools.builtin import time_tool
from voice.tools.runner import Toolbox
from voice.tools.timers import Timers

LOCAL = Features(
    ahead=PRESETS["local"].warm_up,
    steering=PRESETS["local"].steering,
    cancel=PRESETS["local"].cancel,
)
"""What our own server understands, as the program sees it."""

_NO_LINGERING = struct.pack("ii", 1, 0)
"""`struct linger` of a socket whose end is a reset."""


class Caller:
    """Holds a conversation with a running agent, one turn after another."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.events = agent.events()
        """All that the session is to know, with its time; to be read one after another."""

        self.turn = 0
        self.noted: Counter[str] = Counter()
        """How often each event of the trace happened."""

        self.text = ""
        """The answer so far."""

    def tell(self, fact: Fact) -> None:
        """Something happened."""
        self._agent.tell(fact)

    def next_turn(self) -> int:
        """A new utterance begins."""
        self.turn += 1
        return self.turn

    def ask(self, text: str) -> float:
        """The utterance is over; returns when (monotonic seconds)."""
        self.text = ""
        asked_at = time.monotonic()
        self._agent.tell(Asked(self.turn, text))
        return asked_at

    async def first_token(self) -> float:
        """When the answer's first words could be spoken: what came early, once it is wanted."""
        wrote = wanted = False
        while not (wrote and wanted):
            match await self.event():
                case TextReceived():
                    wrote = True
                case AnswerBegun(eager=eager):
                    wanted = not eager
                case AnswerAdopted():
                    wanted = True
                case AnswerDropped():
                    wrote = False
        return time.monotonic()

    async def token(self) -> float:
        """When more of the answer is here."""
        while not isinstance(await self.event(), TextReceived):
            pass
        return time.monotonic()

    async def written(self) -> None:
        """Return when the answer is whole."""
        while not isinstance(await self.event(), AnswerWritten):
            pass

    async def answer(self, text: str) -> float:
        """Ask, and hear the answer to its end; returns the seconds to the first token."""
        self.next_turn()
        asked_at = self.ask(text)
        first = await self.first_token()
        await self.written()
        self.hear()
        return first - asked_at

    def hear(self) -> None:
        """All of the answer was heard."""
        self._agent.tell(Heard(self.turn))

    def interrupt(self, heard: str) -> None:
        """The answer is broken off, after `heard` of it."""
        self._agent.tell(Interrupted(self.turn, heard))

    async def until(self, noted: str, times: int) -> None:
        """Return when an event of the trace has happened so often."""
        while self.noted[noted] < times:
            await self.event()

    async def event(self) -> AgentEvent:
        """The next thing that the session is to know."""
        _, event = await anext(self.events)
        if isinstance(event, Noted):
            self.noted[event.event] += 1
        elif isinstance(event, TextReceived):
            self.text += event.text
        elif isinstance(event, AnswerFailed):
            raise RuntimeError(f"turn {event.turn}: {event.reason}")
        return event


def toolbox() -> Toolbox:
    """The tools of the assistant."""
    timers = Timers(time.monotonic)
    return Toolbox([time_tool(datetime.now), *timers.tools()])


@asynccontextmanager
async def calling(
    url: str,
    options: AgentOptions = AgentOptions(),  # noqa: B008 - frozen
    features: Features = LOCAL,
    key: str = "",
) -> AsyncIterator[Caller]:
    """An agent with the assistant's tools that is connected to `url` and ready."""
    to = endpoint(url, key)

    async def connect() -> Transport:
        return await open_websocket(to)

    tools = toolbox()
    machine = AgentMachine("default", options, features, tools, lambda: 0.5)
    agent = Agent(machine, connect, tools, MonotonicClock())
    async with agent.running():
        await agent.connected()
        await agent.ready()
        yield Caller(agent)


# ── what it speaks to ────────────────────────────────────────────────────────────────────────


@contextmanager
def sender() -> Iterator[str]:
    """`responses_sender` in a process of its own; yields its URL."""
    with _process("scripts.benchmarks.responses_sender") as url:
        yield url


@contextmanager
def script_server(scripted: Scripted) -> Iterator[str]:
    """`responses_server` in a process of its own; yields its URL."""
    with _process(
        "scripts.benchmarks.responses_server", msgspec.json.encode(scripted).decode()
    ) as url:
        yield url


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix(READY).strip()
    finally:
        process.terminate()
        process.communicate(timeout=10)


class Relay:
    """Stands before a server: counts what the client sends, and resets its connections."""

    def __init__(self) -> None:
        self.url = ""
        self.sent_bytes = 0
        """Bytes from clients, with the 8 bytes of a WebSocket frame's head each."""

        self._clients: set[asyncio.StreamWriter] = set()

    def reset(self) -> float:
        """Let every client see its connection reset; returns when (monotonic seconds)."""
        for client in self._clients:
            client.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING
            )
            client.transport.abort()
        return time.monotonic()

    async def carry(
        self, url: str, reader: asyncio.StreamReader, back: asyncio.StreamWriter
    ) -> None:
        """Carry one connection to `url`."""
        host, _, port = url.removeprefix("ws://").partition("/")[0].partition(":")
        answers, onward = await asyncio.open_connection(host, int(port))
        self._clients.add(back)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._copy(reader, onward, counts=True))
                ways.create_task(self._copy(answers, back, counts=False))
        except* OSError:
            pass
        finally:
            self._clients.discard(back)
            for end in (onward, back):
                end.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counts: bool
    ) -> None:
        """Raises `OSError` at the end, however it came: one way is no connection."""
        while data := await reader.read(1 << 16):
            self.sent_bytes += len(data) if counts else 0
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@asynccontextmanager
async def relayed(url: str) -> AsyncIterator[Relay]:
    """A relay before the server at `url`."""
    relay = Relay()
    server = await asyncio.start_server(
        lambda reader, writer: relay.carry(url, reader, writer), "127.0.0.1", 0
    )
    host, port = server.sockets[0].getsockname()
    relay.url = f"ws://{host}:{port}/v1"
    try:
        yield relay
    finally:
        server.close()
