"""A conversation in text with a server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from voice.apps.typed import Line, converse_in_text
from voice.build_agent import Brought, Server
from voice.config import load
from voice.responses.connection import Transport
from voice.responses.events import (
    Completed,
    Created,
    ErrorBody,
    ErrorEvent,
    FunctionCall,
    Response,
    ServerEvent,
)
from voice.responses.fake import MemoryTransport, Reply, Request, text_events
from voice.responses.journal import Journal
from voice.responses.requests import Features
from voice.responses.signals import TellLater
from voice.tools.function import function_tool
from voice.trace import Trace, TraceEvent


class Paper:
    """What was shown: answers, and notes in brackets."""

    def __init__(self) -> None:
        self.text = ""

    def ask(self) -> None:
        pass

    def show(self, text: str) -> None:
        self.text += text

    def end(self) -> None:
        self.text += "|"

    def note(self, text: str) -> None:
        self.text += f"[{text}]"


class Held:
    """A conversation that was held."""

    def __init__(self) -> None:
        self.paper = Paper()
        self.events: list[TraceEvent] = []
        self.requests: list[Request] = []

    def named(self, event: str) -> list[dict[str, Any]]:
        return [one.fields for one in self.events if one.event == event]


def echo(request: Request) -> Iterable[ServerEvent | str]:
    words = [one["content"] for one in request["input"] if one.get("role") == "user"]
    return text_events(request["stream_id"], f"r-{words}", "You said: ", words[-1])


async def hold(
    lines: Iterable[Line], reply: Reply = echo, journal: Path | None = None, **brought: Any
) -> Held:
    held = Held()
    transport = MemoryTransport(reply)

    async def connect() -> Transport:
        return transport

    section = {"journal": {"path": str(journal)}} if journal else {}
    options = load(None, {}, {"agent": {"url": "ws://127.0.0.1:1/v1"}, **section})
    server = Server(connect, "m", Features(ahead=False), options.agent)
    queue: asyncio.Queue[Line] = asyncio.Queue()
    for line in (*lines, None):
        queue.put_nowait(line)
    async with asyncio.timeout(10):
        await converse_in_text(
            options,
            Trace(held.events.append),
            held.paper,
            queue,
            brought=Brought(server=server, **brought),
        )
    held.requests = transport.sent
    return held


async def test_each_line_is_a_turn() -> None:
    held = await hold(["hello", "  ", "and again "])
    assert held.paper.text == "You said: hello|You said: and again|"
    assert [one["text"] for one in held.named("transcript.final")] == ["hello", "and again"]
    assert [one["heard_text"] for one in held.named("turn.completed")] == [
        "You said: hello",
        "You said: and again",
    ]
    assert held.requests[1]["previous_response_id"], "the conversation goes on"


async def test_tools_are_called() -> None:
    async def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    def reply(request: Request) -> Iterable[ServerEvent | str]:
        lane, last = request["stream_id"], request["input"][-1]
        if last["type"] == "function_call_output":
            return text_events(lane, "two", f"It is {last['output']}.")
        call = FunctionCall(id="f", call_id="c", name="weather", arguments='{"city": "Lisbon"}')
        done = Completed(stream_id=lane, response=Response(id="one", output=[call]))
        return [Created(stream_id=lane, response=Response(id="one")), done]

    held = await hold(["weather?"], reply, tools=[function_tool(weather)])
    shown = '[calls weather {"city": "Lisbon"}][weather: sunny in Lisbon]It is sunny in Lisbon.|'
    assert held.paper.text == shown


async def test_a_failure_is_told_and_the_next_line_is_answered() -> None:
    refused = ErrorEvent(status=400, error=ErrorBody(code="invalid_prompt", message="no"))

    def reply(request: Request) -> Iterable[ServerEvent | str]:
        if "bad" in request["input"][-1]["content"]:
            refused.stream_id = request["stream_id"]
            return [refused]
        return echo(request)

    held = await hold(["bad", "good"], reply)
    assert "the server failed: " in held.paper.text
    assert held.paper.text.endswith("You said: good|")


async def test_commands_about_the_conversation_need_no_server() -> None:
    held = await hold(["hello", "say that again", "forget everything I said", "who am I?"])
    said = held.paper.text.split("|")
    assert said[0] == said[1] == "You said: hello"
    assert len(held.requests) == 2
    assert "hello" not in str(held.requests[-1]), "nothing of it is sent again"


async def test_what_there_is_to_tell_is_told_between_turns() -> None:
    held = await hold(["hello", TellLater("The tea is ready.")])
    assert held.paper.text == "You said: hello|The tea is ready.|"


async def test_the_journal_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    await hold(["hello"], journal=path)
    journal = Journal.open(path, 30, 0)
    number = journal.latest()
    assert number is not None
    assert len(journal.items(number)) == 2
    journal.close()
