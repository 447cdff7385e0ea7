"""A conversation in text through the real agent, beside what was said as a person would tell it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.back_to_back import joined
from tests.support.toolset import FixedTools
from voice.clock import MonotonicClock
from voice.responses.agent import Agent
from voice.responses.connection import Transport, endpoint
from voice.responses.events import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
)
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
from voice.responses.transports import TransportKind, open_transport
from voice.server.backend import Call, Item, Message
from voice.tools.tool import ToolContext

Line = tuple[str, str]
"""Who said it (or `call`, `output`), and the words."""

LOCAL = Features(ahead=True, steering=True, cancel=True)
"""What our own server understands."""

PLAIN = Features(ahead=False, cancel=False)
"""What is expected of a server that is not known."""

WAIT_SECONDS = 20.0
"""For anything that should happen; only a failing test waits so long."""


class Lamp(FixedTools):
    """The one tool; keeps what it was called with. `lit` holds a call up until it is set."""

    def __init__(self) -> None:
        super().__init__([{"type": "function", "name": "lamp", "parameters": {"type": "object"}}])
        self.calls: list[str] = []
        self.lit = asyncio.Event()
        self.lit.set()

    async def run(self, name: str, arguments: str, context: ToolContext) -> str:
        """Light the lamp."""
        self.calls.append(arguments)
        await self.lit.wait()
        return f"{name} is on"


class Talk:
    """Asks and interrupts; `truth` is the conversation as it was heard."""

    def __init__(self, agent: Agent, lamp: Lamp) -> None:
        self._agent = agent
        self.lamp = lamp
        self.events: list[tuple[float, AgentEvent]] = []
        self.truth: list[Line] = []
        self.failures: list[str] = []
        self._turn = 0
        self._question = ""
        self._news = asyncio.Event()

    async def follow(self) -> None:
        """Keep what the agent says."""
        async for at, event in self._agent.events():
            self.events.append((at, event))
            self._news.set()

    async def until(self, found: Callable[[], object]) -> None:
        """Wait until the agent has said that it is so. Raises `TimeoutError`."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not found():
                self._news.clear()
                await self._news.wait()

    async def ask(self, text: str) -> str:
        """Ask, hear the answer to its end, and return it."""
        self.begin(text)
        return await self.hear()

    def begin(self, text: str) -> None:
        """Ask, and wait for nothing."""
        self._turn, self._question = self._turn + 1, text
        self._agent.tell(Asked(self._turn, text))

    async def hear(self) -> str:
        """Hear the answer to its end; where it fails, as far as it came."""
        await self.until(lambda: self._last(AnswerWritten) or self._last(AnswerFailed))
        text = self._text()
        if failed := self._last(AnswerFailed):
            self.failures.append(failed.reason)
        self.truth += self._lines(text)
        over = Interrupted(self._turn, text) if failed else Heard(self._turn)
        await self._settle(over)
        return text.strip()

    async def interrupt(self, words: int) -> str:
        """Break in when so many words have come, and return them."""
        await self.until(lambda: len(self._text().split(" ")) > words)
        return await self.cut(" ".join(self._text().split(" ")[:words]))

    async def cut(self, heard: str) -> str:
        """Break in now, when so much was heard."""
        self.truth += self._lines(heard)
        await self._settle(Interrupted(self._turn, heard))
        return heard

    def noted(self, name: str) -> list[dict[str, Any]]:
        """What was noted for the trace under that name, with its time as `at`."""
        return [
            {"at": at, **event.fields}
            for at, event in self.events
            if isinstance(event, Noted) and event.event == name
        ]

    @property
    def settled(self) -> list[Line]:
        """What the agent calls part of the conversation, and what a journal keeps."""
        return [
            line
            for _, event in self.events
            if isinstance(event, ItemsSettled)
            for item in event.items
            if (line := _line(item))[1]
        ]

    async def _settle(self, over: Heard | Interrupted) -> None:
        self._agent.tell(over)
        await self.until(lambda: self._last(ItemsSettled))

    def _last(self, kind: type[Any]) -> Any:
        found = (event for _, event in reversed(self.events) if isinstance(event, kind))
        return next((event for event in found if event.turn == self._turn), None)

    def _text(self) -> str:
        mine = [e for _, e in self.events if isinstance(e, TextReceived) and e.turn == self._turn]
        return "".join(event.text for event in mine)

    def _lines(self, heard: str) -> list[Line]:
        """The turn as far as it was heard, from its events."""
        lines: list[Line] = [("user", self._question)]
        text, left = "", len(heard)
        for _, event in self.events:
            if event.turn != self._turn:
                continue
            if isinstance(event, TextReceived):
                text, left = text + event.text[:left], max(0, left - len(event.text))
            elif isinstance(event, Noted) and event.event == "tool.started":
                lines += [("assistant", text.strip())] if text else []
                lines.append(("call", f"{event.fields['tool']}{event.fields['arguments']}"))
                text = ""
            elif isinstance(event, Noted) and event.event == "tool.ended":
                lines.append(("output", event.fields["output"]))
        return [*lines, ("assistant", text.strip())] if text.strip() else lines


def lines(items: Sequence[Item]) -> list[Line]:
    """What a server was told, as `Talk.truth` tells it."""
    return [_said(item) for item in joined(list(items))]


def _said(item: Item) -> Line:
    if isinstance(item, Message):
        return item.role, item.text
    return ("call", item.name + item.arguments) if isinstance(item, Call) else (
        "output", item.output
    )  # fmt: skip


def _line(item: InputItem) -> Line:
    match item:
        case InputMessage():
            return item.role, item.content
        case FunctionCall():
            return "call", item.name + item.arguments
        case FunctionCallOutput():
            return "output", item.output
    return "compaction", item.encrypted_content


@asynccontextmanager
async def talking(
    base_url: str,
    features: Features = LOCAL,
    items: Sequence[InputItem] = (),
    kind: TransportKind = "auto",
    jitter: float = 0.1,
    **options: Any,
) -> AsyncIterator[Talk]:
    """A conversation with the server there; `options` are those of the agent.

    `jitter` is the share of the longest pause that is waited before each new try.
    """
    lamp = Lamp()

    async def connect() -> Transport:
        return (await open_transport(endpoint(base_url, ""), kind))[0]

    chosen = AgentOptions(**options)
    machine = AgentMachine("m", chosen, features, lamp, lambda: jitter, items)
    agent = Agent(machine, connect, lamp, MonotonicClock())
    talk = Talk(agent, lamp)
    async with agent.running():
        following = asyncio.create_task(talk.follow())
        try:
            await (agent.ready() if features.ahead else agent.connected())
            yield talk
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
