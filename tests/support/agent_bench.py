"""The agent's machine in simulated time, with a server that says what the test wants.

Requests are numbered in the order in which they are sent, and their responses are called `r0`,
`r1`, … accordingly; with the default options `r0` is what is read when the connection opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from tests.support.toolset import FixedTools
from voice.responses.events import (
    Compaction,
    Completed,
    Created,
    ErrorBody,
    ErrorEvent,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
    JsonObject,
    OutputItem,
    OutputMessage,
    OutputText,
    OutputTextDelta,
    Response,
    ResponseCancel,
    ResponseCreate,
    ResponseSteer,
    ServerEvent,
)
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.responses.requests import Features
from voice.responses.signals import (
    Action,
    Arrived,
    Asked,
    Fact,
    Heard,
    ItemsSettled,
    Lost,
    Noted,
    Opened,
    OpenLink,
    Send,
    TextReceived,
)

TOOLS: list[JsonObject] = [{"type": "function", "name": "look", "parameters": {"type": "object"}}]


@dataclass
class Sent:
    """A request, and the response that the server makes of it."""

    number: int
    link: int
    event: ResponseCreate
    text: str = ""

    @property
    def id(self) -> str:
        return f"r{self.number}"

    @property
    def lane(self) -> str:
        assert isinstance(self.event.stream_id, str)
        return self.event.stream_id

    @property
    def parent(self) -> str | None:
        return self.event.previous_response_id

    @property
    def items(self) -> list[str]:
        return brief(self.event.input)

    @property
    def only_read(self) -> bool:
        return self.event.generate is False


REFUSED = "the server failed: no (say it again; if it stays, look at the server's log)"
"""Why an answer fails that the server refuses with the message "no"."""


class Bench:
    """Facts go in, everything that the machine wanted is kept."""

    def __init__(
        self,
        *,
        features: Features = Features(),  # noqa: B008 - frozen
        items: tuple[InputItem, ...] = (),
        tools: FixedTools | None = None,
        random: float = 0.5,
        remembers: bool = True,
        connected: bool = True,
        **options: Any,
    ) -> None:
        """`connected`: the first connection is open and has read what there was to read."""
        self.now = 0.0
        self.actions: list[Action] = []
        self.requests: list[Sent] = []
        chosen = AgentOptions(**options)
        known = tools or FixedTools(TOOLS)
        self.machine = AgentMachine("m", chosen, features, known, lambda: random, items)
        self._take(self.machine.timeout(0.0))
        if connected:
            self.tell(Opened(1, remembers))
            if self.requests:
                self.read()
            self.actions.clear()

    # ── the person ─────────────────────────────────────────────────────────────────────────

    def tell(self, *facts: Fact) -> None:
        for fact in facts:
            self._take(self.machine.receive(fact, self.now))

    def ask(self, turn: int, text: str = "hello") -> Sent:
        """The user asks, and a request leaves."""
        before = len(self.requests)
        self.tell(Asked(turn, text))
        assert len(self.requests) == before + 1
        return self.last

    def converse(self, turn: int, question: str, answer: str) -> Sent:
        """A whole turn, heard to its end."""
        request = self.ask(turn, question)
        self.answer(answer)
        self.tell(Heard(turn))
        return request

    def wait(self, seconds: float) -> None:
        """Time passes; whatever the machine wants to do in it is done when it wants to."""
        end = self.now + seconds
        while (at := self.machine.deadline()) is not None and at <= end:
            self.now = max(self.now, at)
            self._take(self.machine.timeout(self.now))
            after = self.machine.deadline()
            assert after is None or after > self.now, "what is due was not done"
        self.now = end

    # ── the server; without `to` it answers the last request ─────────────────────────────────

    def arrive(self, *events: ServerEvent, link: int = 0) -> None:
        self.tell(*(Arrived(link or self.last.link, event) for event in events))

    def begin(self, to: Sent | None = None) -> Sent:
        request = to or self.last
        response = Response(id=request.id)
        self.arrive(Created(stream_id=request.lane, response=response), link=request.link)
        return request

    def say(self, text: str, to: Sent | None = None) -> None:
        request = to or self.last
        request.text += text
        self.arrive(OutputTextDelta(stream_id=request.lane, delta=text), link=request.link)

    def finish(self, *items: OutputItem, to: Sent | None = None, **fields: Any) -> None:
        """The response is complete, with its text and these items."""
        request = to or self.last
        output = [*([message(request.text)] if request.text else []), *items]
        response = Response(id=request.id, output=output, **fields)
        self.arrive(Completed(stream_id=request.lane, response=response), link=request.link)

    def answer(self, *words: str, to: Sent | None = None) -> Sent:
        request = self.begin(to)
        for text in words:
            self.say(text, request)
        self.finish(to=request)
        return request

    def call(self, *calls: str, to: Sent | None = None) -> Sent:
        """The response is a call of `look` under each of these ids."""
        request = self.begin(to)
        self.finish(*(look(call) for call in calls), to=request)
        return request

    def read(self, to: Sent | None = None) -> None:
        """What was only to be read is read."""
        request = to or self.last
        assert request.only_read
        self.answer(to=request)

    def refuse(
        self,
        code: str | None = None,
        status: int | None = None,
        to: Sent | None = None,
        headers: JsonObject | None = None,
    ) -> None:
        request = to or self.last
        error = ErrorBody(code=code, message="no")
        event = ErrorEvent(stream_id=request.lane, status=status, error=error)
        event.headers = headers or UNSET
        self.arrive(event, link=request.link)

    def lose(self, link: int = 1, reason: str = "the cable") -> None:
        self.tell(Lost(link, reason))

    def reopen(self, *, remembers: bool = True) -> int:
        """The connection that was asked for last is there; returns its number."""
        number = self.opening[-1]
        self.tell(Opened(number, remembers))
        return number

    # ── what the machine wanted ──────────────────────────────────────────────────────────────

    @property
    def last(self) -> Sent:
        return self.requests[-1]

    @property
    def opening(self) -> list[int]:
        """The numbers of the connections that were asked for since it was connected."""
        return [action.link for action in self.actions if isinstance(action, OpenLink)]

    @property
    def cancelled(self) -> list[str]:
        events = [action.event for action in self.actions if isinstance(action, Send)]
        return [event.response_id for event in events if isinstance(event, ResponseCancel)]

    @property
    def steered(self) -> list[ResponseSteer]:
        events = [action.event for action in self.actions if isinstance(action, Send)]
        return [event for event in events if isinstance(event, ResponseSteer)]

    @property
    def items(self) -> list[str]:
        """The conversation, as it is remembered."""
        return brief(self.machine.items)

    @property
    def settled(self) -> list[list[str]]:
        return [brief(a.items) for a in self.actions if isinstance(a, ItemsSettled)]

    def wanted(self, *kinds: type) -> list[Any]:
        return [action for action in self.actions if isinstance(action, kinds)]

    def heard(self, turn: int) -> str:
        """All text that was passed on for that turn."""
        return "".join(a.text for a in self.wanted(TextReceived) if a.turn == turn)

    def noted(self, event: str) -> list[dict[str, Any]]:
        return [a.fields for a in self.actions if isinstance(a, Noted) and a.event == event]

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            self.actions.append(action)
            if isinstance(action, Send) and isinstance(action.event, ResponseCreate):
                self.requests.append(Sent(len(self.requests), action.link, action.event))


def message(text: str) -> OutputMessage:
    return OutputMessage(content=[OutputText(text=text)])


def look(call_id: str, arguments: str = "{}") -> FunctionCall:
    return FunctionCall(call_id=call_id, name="look", arguments=arguments)


def user(text: str) -> InputMessage:
    return InputMessage(role="user", content=text)


def assistant(text: str) -> InputMessage:
    return InputMessage(role="assistant", content=text)


def brief(items: list[InputItem] | tuple[InputItem, ...]) -> list[str]:
    """Items as short lines: `user: hello`, `call c1`, `output c1: three`, `compaction`."""
    lines = []
    for item in items:
        match item:
            case InputMessage(role=role, content=content):
                lines.append(f"{role}: {content}")
            case FunctionCall(call_id=call):
                lines.append(f"call {call}")
            case FunctionCallOutput(call_id=call, output=output):
                lines.append(f"output {call}: {output}")
            case Compaction():
                lines.append("compaction")
    return lines
