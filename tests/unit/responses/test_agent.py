"""The driver: it performs what the machine wants, against a server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.agent_bench import TOOLS, look
from tests.support.toolset import FixedTools
from voice.clock import Clock, MonotonicClock, VirtualClock
from voice.errors import AgentError
from voice.responses import uplink
from voice.responses.agent import Agent
from voice.responses.events import (
    ClientEvent,
    Completed,
    Created,
    OutputTextDelta,
    Response,
    ServerEvent,
)
from voice.responses.fake import MemoryTransport, Reply, Request, text_events
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.responses.requests import Features
from voice.responses.signals import (
    AgentEvent,
    AnswerFailed,
    AnswerWritten,
    Asked,
    Heard,
    Interrupted,
    ItemsSettled,
    Noted,
    TextReceived,
)
from voice.tools.tool import ToolContext


class Tools(FixedTools):
    """Each call is done when `free` is set."""

    def __init__(self) -> None:
        super().__init__(TOOLS)
        self.free = asyncio.Event()
        self.free.set()
        self.stopped: list[str] = []

    async def run(self, name: str, arguments: str, context: ToolContext) -> str:
        try:
            await self.free.wait()
        except asyncio.CancelledError:
            self.stopped.append(arguments)
            raise
        return f"{name}({arguments}) is done"


class Server:
    """Says what it was told; every connection to it is kept. Refuses while `closed`."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.connections: list[MemoryTransport] = []
        self.closed = False
        self.ended: list[int] = []
        self._reply = reply or self.echo

    def echo(self, request: Request) -> Iterable[ServerEvent | str]:
        if request["type"] != "response.create":
            return []
        said = request["input"][-1]["content"] if request["input"] else ""
        words = ["You said ", f"{said}."] if request.get("generate") is not False else []
        return text_events(request["stream_id"], f"r{len(self.requests)}", *words)

    async def connect(self) -> MemoryTransport:
        if self.closed:
            raise AgentError("nobody answers", "start the server")
        self.connections.append(Connection(self._reply, self.ended, len(self.connections) + 1))
        return self.connections[-1]

    @property
    def sent(self) -> list[Request]:
        return [request for connection in self.connections for request in connection.sent]

    @property
    def requests(self) -> list[Request]:
        """What was asked, without what was only to be read."""
        asked = [request for request in self.sent if request["type"] == "response.create"]
        return [request for request in asked if request.get("generate") is not False]


class Connection(MemoryTransport):
    """One connection; its number is put into `ended` when it is closed."""

    def __init__(self, reply: Reply, ended: list[int], number: int) -> None:
        super().__init__(reply)
        self._ended = ended
        self._number = number

    async def close(self) -> None:
        self._ended.append(self._number)
        await super().close()


class Following:
    """An agent that runs, and all that it tells."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.events: list[AgentEvent] = []
        self._more = asyncio.Event()

    async def follow(self) -> None:
        async for _, event in self.agent.events():
            self.events.append(event)
            self._more.set()

    async def until(self, kind: type, count: int = 1, noted: str = "") -> Any:
        """The `count`-th event of that kind; of notes, those called `noted`."""
        async with asyncio.timeout(5):
            while True:
                found = [e for e in self.events if isinstance(e, kind)]
                found = [e for e in found if not noted or getattr(e, "event", "") == noted]
                if len(found) >= count:
                    return found[count - 1]
                self._more.clear()
                await self._more.wait()

    async def ask(self, turn: int, text: str) -> str:
        """The answer, when it is written."""
        self.agent.tell(Asked(turn, text))
        await self.until(AnswerWritten, sum(isinstance(e, AnswerWritten) for e in self.events) + 1)
        return self.text(turn)

    def text(self, turn: int) -> str:
        received = [e for e in self.events if isinstance(e, TextReceived)]
        return "".join(event.text for event in received if event.turn == turn)

    def noted(self, event: str) -> list[dict[str, Any]]:
        return [e.fields for e in self.events if isinstance(e, Noted) and e.event == event]


def make(server: Server, tools: Tools, clock: Clock, **options: Any) -> Agent:
    chosen = AgentOptions(**options)
    machine = AgentMachine("m", chosen, Features(), tools, lambda: 0.0)
    return Agent(machine, server.connect, tools, clock)


@asynccontextmanager
async def running(
    server: Server, tools: Tools | None = None, clock: Clock | None = None, **options: Any
) -> AsyncIterator[Following]:
    agent = make(server, tools or Tools(), clock or MonotonicClock(), **options)
    following = Following(agent)
    async with agent.running():
        task = asyncio.create_task(following.follow())
        try:
            await agent.connected()
            yield following
        finally:
            task.cancel()


async def passes() -> None:
    """Whatever can run without time passing has run."""
    for _ in range(50):
        await asyncio.sleep(0)


# ── a conversation ───────────────────────────────────────────────────────────────────────────


async def test_a_question_is_sent_and_its_answer_is_told() -> None:
    server = Server()
    async with running(server) as agent:
        await agent.agent.ready()
        assert await agent.ask(1, "hello") == "You said hello."
        agent.agent.tell(Heard(1))
        await agent.until(ItemsSettled)
        assert await agent.ask(2, "and now") == "You said and now."
    first, second = server.requests
    assert [item["content"] for item in second["input"]] == ["and now"]
    assert second["previous_response_id"] == "r1"
    assert first["tools"] == TOOLS
    assert server.ended == [1], "and at the end it hangs up"


async def test_facts_and_events_keep_their_order() -> None:
    server = Server()
    async with running(server, input="off") as agent:
        for turn in range(1, 6):
            agent.agent.tell(Asked(turn, f"q{turn}"))
            agent.agent.tell(Interrupted(turn, ""))
        await agent.ask(6, "q6")
    asked = [request["input"][-1]["content"] for request in server.requests]
    assert asked == [f"q{turn}" for turn in range(1, 7)]


async def test_a_tool_runs_and_is_told_with_what_it_returned() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        lane = request["stream_id"]
        if len(server.requests) == 1:
            response = Response(id="r1", output=[look("c1")])
            return [Created(stream_id=lane, response=Response(id="r1")),
                    Completed(stream_id=lane, response=response)]  # fmt: skip
        return text_events(lane, "r2", "It is three.")

    server = Server(reply)
    async with running(server, input="off") as agent:
        assert await agent.ask(1, "what time is it") == "It is three."
    assert server.requests[1]["input"] == [
        {"type": "function_call_output", "call_id": "c1", "output": "look({}) is done"}
    ]
    assert agent.noted("tool.started") == [{"tool": "look", "arguments": "{}"}]
    assert agent.noted("tool.ended") == [{"tool": "look", "output": "look({}) is done"}]


async def test_a_tool_that_nobody_waits_for_is_stopped() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        response = Response(id="r1", output=[look("c1")])
        return [Completed(stream_id=request["stream_id"], response=response)]

    tools = Tools()
    tools.free.clear()
    async with running(Server(reply), tools, input="off") as agent:
        agent.agent.tell(Asked(1, "hello"))
        await passes()
        assert agent.noted("tool.started")
        agent.agent.tell(Interrupted(1, ""))
        await agent.until(ItemsSettled)
        await passes()
        assert tools.stopped == ["{}"]
        assert not agent.noted("tool.ended")


async def test_a_cancel_is_sent_and_late_words_are_dropped() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        lane = request.get("stream_id", "")
        if len(server.requests) == 1:
            return [Created(stream_id=lane, response=Response(id="slow")),
                    OutputTextDelta(stream_id=lane, delta="Once upon a time")]  # fmt: skip
        return server.echo(request)

    server = Server(reply)
    async with running(server, input="off") as agent:
        agent.agent.tell(Asked(1, "a story"))
        await agent.until(TextReceived)
        agent.agent.tell(Interrupted(1, "Once"))
        lane = server.requests[0]["stream_id"]
        server.connections[0].arrive(OutputTextDelta(stream_id=lane, delta=" there was a dog"))
        assert await agent.ask(2, "stop") == "You said stop."
        assert agent.text(1) == "Once upon a time"
    assert {"type": "response.cancel", "response_id": "slow"} in server.sent


# ── connections ──────────────────────────────────────────────────────────────────────────────


async def test_a_first_connection_that_fails_is_an_error() -> None:
    server = Server()
    server.closed = True
    agent = make(server, Tools(), MonotonicClock())
    with pytest.raises(ExceptionGroup) as raised:
        async with agent.running():
            await agent.connected()
    [error] = raised.value.exceptions
    assert isinstance(error, AgentError)
    assert error.problem == "nobody answers"


async def test_a_later_one_that_fails_is_tried_again() -> None:
    server = Server()
    async with running(server, input="off") as agent:
        await agent.ask(1, "one")
        agent.agent.tell(Heard(1))
        await agent.until(ItemsSettled)
        server.closed = True
        server.connections[0].lose()
        await passes()
        assert len(server.connections) == 1
        server.closed = False
        assert await agent.ask(2, "two") == "You said two."
    assert len(server.connections) == 2
    assert [item["content"] for item in server.requests[-1]["input"]] == [
        "one", "You said one.", "two",
    ]  # fmt: skip
    assert agent.noted("connection.lost") == [{"reason": "the connection was lost"}]
    assert len(agent.noted("connection.recovered")) == 1


async def test_a_connection_on_which_nothing_can_be_sent_is_lost() -> None:
    """A half-open socket: the reader has not been told yet."""
    server = Server()
    async with running(server, input="off") as agent:
        await agent.ask(1, "one")
        agent.agent.tell(Heard(1))
        await agent.until(ItemsSettled)
        server.connections[0].lose()
        assert await agent.ask(2, "two") == "You said two."
    assert len(server.connections) == 2


class Deaf(Connection):
    """Takes nothing, and never says so."""

    async def send(self, event: ClientEvent) -> None:
        await asyncio.Event().wait()


async def test_a_server_that_takes_nothing_more_is_left() -> None:
    server = Server()

    async def connect() -> MemoryTransport:
        transport = await server.connect()
        if len(server.connections) == 1:
            server.connections[0] = transport = Deaf(server.echo, server.ended, 1)
        return transport

    machine = AgentMachine("m", AgentOptions(input="off"), Features(), FixedTools(), lambda: 0.0)
    agent = Agent(machine, connect, Tools(), MonotonicClock())
    following = Following(agent)
    async with agent.running():
        task = asyncio.create_task(following.follow())
        await agent.connected()
        for turn in range(1, 300):
            agent.tell(Asked(turn, "hello"))
            agent.tell(Interrupted(turn, ""))
        assert await following.ask(300, "and now") == "You said and now."
        assert server.ended == [1], "it is closed, not forgotten"
        task.cancel()
    assert len(server.connections) == 2


async def test_an_old_connection_is_closed_when_another_takes_over() -> None:
    server = Server()
    async with running(server, rotate_minutes=1e-6) as agent:
        await agent.until(Noted, noted="connection.rotated")
        await passes()
        assert server.ended[0] == 1
        assert await agent.ask(1, "hello") == "You said hello."


# ── what is no event ─────────────────────────────────────────────────────────────────────────


async def test_unknown_events_and_garbage_are_survived() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        return [
            '{"type":"response.surprise","x":1}',
            "not json",
            '{"type":"response.output_text.delta","delta":7}',
            "[]",
            '{"type":"response.created","response":{"metadata":' + "[" * 100_000,
            *server.echo(request),
        ]

    server = Server(reply)
    async with running(server) as agent:
        assert await agent.ask(1, "hello") == "You said hello."


async def test_a_server_that_talks_nothing_but_garbage_is_named_when_it_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uplink, "PRIME_SECONDS", 0.01)
    agent = make(Server(lambda _: ["<html>"]), Tools(), MonotonicClock())
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(5), agent.running():
            await agent.ready()
    [error] = raised.value.exceptions
    assert isinstance(error, AgentError)
    assert "not in the Responses API's events" in error.problem


# ── time ─────────────────────────────────────────────────────────────────────────────────────


async def advance(clock: VirtualClock, to: float) -> bool:
    """Whether the clock could be moved there."""
    moving = asyncio.create_task(clock.advance(to))
    await passes()
    moved = moving.done()
    moving.cancel()
    return moved


async def test_a_virtual_clock_stands_still_while_the_server_works() -> None:
    clock = VirtualClock()
    server = Server(lambda _: [])
    async with running(server, clock=clock, input="off") as agent:
        await passes()
        assert await advance(clock, 1.0), "nothing is waited for"
        agent.agent.tell(Asked(1, "hello"))
        assert not await advance(clock, 2.0)
        for event in text_events(server.requests[0]["stream_id"], "r1", "Hi."):
            server.connections[0].arrive(event)
        await agent.until(AnswerWritten)
        assert await advance(clock, 2.0)


async def test_it_stands_still_while_a_tool_works() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        response = Response(id="r1", output=[look("c1")])
        return [Completed(stream_id=request["stream_id"], response=response)]

    clock, tools = VirtualClock(), Tools()
    tools.free.clear()
    async with running(Server(reply), tools, clock, input="off") as agent:
        agent.agent.tell(Asked(1, "hello"))
        assert not await advance(clock, 1.0)
        agent.agent.tell(Interrupted(1, ""))
        await passes()
        assert await advance(clock, 1.0)


async def test_it_stands_still_until_what_happened_was_acted_upon() -> None:
    clock = VirtualClock()
    agent = make(Server(), Tools(), clock, input="off")
    async with agent.running():
        await agent.connected()
        agent.tell(Asked(1, "hello"))
        await passes()
        assert not await advance(clock, 1.0), "nobody has taken the answer yet"
        async for at, event in agent.events():
            assert at == 0.0
            if isinstance(event, AnswerWritten):
                break
        assert isinstance(event, AnswerWritten)


async def test_silence_ends_in_the_machines_own_time() -> None:
    server = Server(lambda _: [])
    async with running(server, input="off", stall_seconds=0.01, patience_seconds=0.05) as agent:
        agent.agent.tell(Asked(1, "hello"))
        failed = await agent.until(AnswerFailed)
        assert failed.turn == 1
    assert len(server.connections) > 1


async def test_readiness_is_when_everything_is_read() -> None:
    server = Server(lambda _: [])
    async with running(server) as agent:
        ready = asyncio.create_task(agent.agent.ready())
        await passes()
        assert not ready.done()
        lane = server.sent[0]["stream_id"]
        for event in text_events(lane, "r0"):
            server.connections[0].arrive(event)
        await asyncio.wait_for(ready, 5)
