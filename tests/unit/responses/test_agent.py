"""Agent and client against a server in memory: chains, forks, tools, losses, stale events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from voice.errors import AgentError
from voice.responses.agent import (
    Agent,
    AgentEvent,
    ConnectionLost,
    ConnectionRecovered,
    TextReceived,
    ToolEnded,
    ToolStarted,
)
from voice.responses.client import ResponsesClient
from voice.responses.events import (
    Completed,
    Created,
    ErrorBody,
    ErrorEvent,
    FunctionCall,
    JsonObject,
    OutputTextDelta,
    Response,
    ServerEvent,
)
from voice.responses.fake import MemoryTransport, Reply, Request, text_events
from voice.responses.options import AgentOptions


class _Tools:
    def definitions(self) -> list[JsonObject]:
        return [{"type": "function", "name": "get_time", "parameters": {}}]

    async def run(self, name: str, arguments: str) -> str:
        return f"{name}({arguments}) is done"


class _Server:
    """Numbers its answers and keeps every transport that was opened."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.transports: list[MemoryTransport] = []
        self._reply = reply or self.echo
        self._count = 0

    def echo(self, request: Request) -> Iterable[ServerEvent | str]:
        if request["type"] != "response.create":
            return []
        self._count += 1
        said = request["input"][-1]["content"]
        return text_events(request["stream_id"], f"r{self._count}", "You said ", said, ".")

    async def connect(self) -> MemoryTransport:
        self.transports.append(MemoryTransport(self._reply))
        return self.transports[-1]

    @property
    def requests(self) -> list[Request]:
        return [
            request
            for transport in self.transports
            for request in transport.sent
            if request["type"] == "response.create"
        ]


def _agent(client: ResponsesClient, **options: Any) -> Agent:
    return Agent(client, "m", AgentOptions(**options), _Tools())


async def _ask(agent: Agent, text: str) -> list[AgentEvent]:
    return [event async for event in agent.answer(text)]


def _text(events: list[AgentEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextReceived))


async def test_a_chain_sends_only_what_is_new() -> None:
    server = _Server()
    client = ResponsesClient(server.connect)
    agent = _agent(client)
    async with client.running():
        assert _text(await _ask(agent, "hello")) == "You said hello."
        agent.conversation.settle()
        await _ask(agent, "and now")
    first, second = server.requests
    assert first["previous_response_id"] is None
    assert second["previous_response_id"] == "r1"
    assert [item["content"] for item in second["input"]] == ["and now"]
    assert second["store"] is False
    assert second["stream_id"] != first["stream_id"], "the settled lane rests"


async def test_an_interrupted_answer_is_forked_and_its_late_events_are_dropped() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        if request["type"] != "response.create":
            return []
        if len(server.requests) == 2:  # begins, and never ends
            lane = request["stream_id"]
            return [
                Created(stream_id=lane, response=Response(id="slow")),
                OutputTextDelta(stream_id=lane, delta="Once upon a time "),
            ]
        return text_events(request["stream_id"], f"r{len(server.requests)}", "Right.")

    server = _Server(reply)
    client = ResponsesClient(server.connect)
    agent = _agent(client)
    async with client.running():
        await _ask(agent, "hello")
        agent.conversation.settle()
        begun = asyncio.Event()

        async def ask_and_wait() -> None:
            async for event in agent.answer("tell me a story"):
                if isinstance(event, TextReceived):
                    begun.set()

        task = asyncio.create_task(ask_and_wait())
        await begun.wait()
        task.cancel()
        agent.conversation.interrupt("Once upon")
        await asyncio.gather(task, return_exceptions=True)
        lane = server.requests[1]["stream_id"]
        server.transports[0].arrive(OutputTextDelta(stream_id=lane, delta="there was a dog"))
        assert _text(await _ask(agent, "stop")) == "Right."
    story, stop = server.requests[1:]
    assert stop["previous_response_id"] == "r1"
    assert [item["content"] for item in stop["input"]] == ["tell me a story", "Once upon", "stop"]
    assert stop["stream_id"] not in (story["stream_id"], server.requests[0]["stream_id"])
    assert {"type": "response.cancel", "response_id": "slow"} in server.transports[0].sent


async def test_a_tool_call_runs_and_its_output_continues_the_chain() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        lane = request["stream_id"]
        if len(server.requests) == 1:
            call = FunctionCall(id="f", call_id="c1", name="get_time", arguments="{}")
            return [
                Created(stream_id=lane, response=Response(id="r1")),
                Completed(stream_id=lane, response=Response(id="r1", output=[call])),
            ]
        return text_events(lane, "r2", "It is three.")

    server = _Server(reply)
    client = ResponsesClient(server.connect)
    async with client.running():
        events = await _ask(_agent(client), "what time is it")
    assert ToolStarted("get_time", "{}") in events
    assert ToolEnded("get_time", "get_time({}) is done") in events
    assert _text(events) == "It is three."
    first, second = server.requests
    assert second["previous_response_id"] == "r1"
    assert second["stream_id"] == first["stream_id"]
    assert second["input"] == [
        {"type": "function_call_output", "call_id": "c1", "output": "get_time({}) is done"}
    ]


async def test_endless_tool_calls_are_stopped() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        lane, number = request["stream_id"], len(server.requests)
        call = FunctionCall(call_id=f"c{number}", name="get_time", arguments="{}")
        return [Completed(stream_id=lane, response=Response(id=f"r{number}", output=[call]))]

    server = _Server(reply)
    client = ResponsesClient(server.connect)
    async with client.running():
        with pytest.raises(AgentError, match="called tools 3 times"):
            await _ask(_agent(client, most_tool_rounds=3), "loop")


@pytest.mark.parametrize("flat", [False, True])
async def test_a_forgotten_parent_is_cured_with_the_whole_context(flat: bool) -> None:
    error = ErrorBody(code="previous_response_not_found", message="gone")

    def reply(request: Request) -> Iterable[ServerEvent | str]:
        lane = request["stream_id"]
        if request["previous_response_id"] is not None:
            if flat:
                return ['{"type":"error","code":"previous_response_not_found","message":"gone"}']
            return [ErrorEvent(status=400, stream_id=lane, error=error)]
        return text_events(lane, f"r{len(server.requests)}", "Yes.")

    server = _Server(reply)
    client = ResponsesClient(server.connect)
    agent = _agent(client)
    async with client.running():
        await _ask(agent, "one")
        agent.conversation.settle()
        events = await _ask(agent, "two")
    assert _text(events) == "Yes."
    assert ConnectionLost("gone") in events
    assert ConnectionRecovered() in events
    assert [item["content"] for item in server.requests[-1]["input"]] == ["one", "Yes.", "two"]
    assert len(server.transports) == 1


async def test_a_lost_connection_is_opened_anew_with_the_whole_context() -> None:
    server = _Server()
    client = ResponsesClient(server.connect)
    agent = _agent(client)
    async with client.running():
        await _ask(agent, "one")
        agent.conversation.settle()
        server.transports[0].lose()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        events = await _ask(agent, "two")
    assert _text(events) == "You said two."
    assert [type(event) for event in events[:2]] == [ConnectionLost, ConnectionRecovered]
    assert len(server.transports) == 2
    assert server.requests[-1]["previous_response_id"] is None
    assert [item["content"] for item in server.requests[-1]["input"]] == [
        "one",
        "You said one.",
        "two",
    ]


async def test_a_connection_lost_before_the_first_word_is_cured() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        if len(server.transports) == 1:
            server.transports[0].lose()
            return []
        return text_events(request["stream_id"], "r1", "Here again.")

    server = _Server(reply)
    client = ResponsesClient(server.connect)
    async with client.running():
        events = await _ask(_agent(client), "hello")
    assert _text(events) == "Here again."


async def test_a_connection_that_cannot_send_any_more_is_opened_anew() -> None:
    """A half-open socket: nobody has told us yet that it is lost."""
    server = _Server()
    client = ResponsesClient(server.connect)
    agent = _agent(client)
    async with client.running():
        await _ask(agent, "one")
        agent.conversation.settle()
        server.transports[0].lose()  # sending fails at once, the reader has not run yet
        assert _text(await _ask(agent, "two")) == "You said two."
    assert len(server.transports) == 2


async def test_a_silent_server_is_given_up() -> None:
    server = _Server(lambda _: [])
    client = ResponsesClient(server.connect, stall_seconds=0.01)
    async with client.running():
        with pytest.raises(AgentError, match="sent nothing"):
            await _ask(_agent(client), "hello")


async def test_unknown_events_and_garbage_are_survived() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        return [
            '{"type":"response.surprise","x":1}',
            "not json",
            '{"type":"response.output_text.delta","delta":7}',
            "[]",
            *text_events(request["stream_id"], "r1", "Fine."),
        ]

    server = _Server(reply)
    client = ResponsesClient(server.connect)
    async with client.running():
        assert _text(await _ask(_agent(client), "hello")) == "Fine."
    assert client.garbage == 3


async def test_a_server_that_names_no_lanes_is_understood() -> None:
    def reply(request: Request) -> Iterable[ServerEvent | str]:
        return [
            '{"type":"response.created","response":{"id":"r1"}}',
            '{"type":"response.output_text.delta","delta":""}',
            '{"type":"response.output_text.delta","delta":"Bare."}',
            '{"type":"response.completed","response":{"id":"r1"}}',
        ]

    server = _Server(reply)
    client = ResponsesClient(server.connect)
    async with client.running():
        assert _text(await _ask(_agent(client), "hello")) == "Bare."


async def test_a_server_that_talks_garbage_is_named_at_the_warm_up() -> None:
    server = _Server(lambda _: ["<html>"])
    client = ResponsesClient(server.connect)
    async with client.running():
        with pytest.raises(AgentError, match="not in the Responses API"):
            await _agent(client).warm_up(limit_seconds=0.01)
