"""The agent's machine and the server's, back to back without a wire, beside a model of the truth.

Everything that a network, a server and a person can do happens when the test says so: messages
wait in both directions, answers are written a word at a time, connections are lost with all that
was on its way. Whatever the agent passes on is traced to the response that it comes from, and the
context in which the server wrote that response must be the conversation as it was heard.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.support.toolset import FixedTools
from voice.responses.answer import GO_ON
from voice.responses.conversation import CANCELLED
from voice.responses.events import ErrorEvent, ServerEvent, decode_server_event, encode
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.responses.requests import Features
from voice.responses.signals import (
    Action,
    Announced,
    AnswerBegun,
    AnswerDropped,
    AnswerFailed,
    AnswerWritten,
    Arrived,
    Asked,
    CallTool,
    CloseLink,
    Fact,
    Heard,
    Interrupted,
    Lost,
    Noted,
    Opened,
    OpenFailed,
    OpenLink,
    Send,
    TextReceived,
    ToolReturned,
)
from voice.server import signals as server
from voice.server.backend import Call, CallOutput, Finished, Item, Message, TextDelta, ToolCall
from voice.server.lanes import Settled
from voice.server.protocol import Connection
from voice.tools.policy import Policy

TOOLS = [{"type": "function", "name": "look", "parameters": {"type": "object"}}]

PATIENT = FixedTools(TOOLS, {"look": Policy(wait_seconds=1e9)})
"""Nothing goes on in the background: that has tests of its own."""


@dataclass
class Round:
    """One response of an answer, as it was seen from outside."""

    response: str = ""
    text: str = ""
    calls: list[Call] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        return bool(self.calls)


@dataclass
class Turn:
    """An answer, as it was seen from outside."""

    number: int
    question: str
    rounds: list[Round] = field(default_factory=lambda: [Round()])
    received: str = ""
    written: bool = False

    def items(self) -> list[Item]:
        found: list[Item] = [Message("user", self.question)] if self.question else []
        for one in self.rounds:
            if one.text:
                found.append(Message("assistant", one.text))
            found += one.calls
            found += [CallOutput(c.call_id, one.outputs[c.call_id]) for c in one.calls
                      if c.call_id in one.outputs]  # fmt: skip
        return found

    def heard(self, text: str) -> list[Item]:
        """What is left of it when only `text` was heard."""
        left, found = text, list[Item]()
        for item in self.items():
            if isinstance(item, Message) and item.role == "assistant":
                left = left.lstrip()
                said, left = left[: len(item.text)].rstrip(), left[len(item.text) :]
                if said:
                    found.append(Message("assistant", said))
            else:
                found.append(item)
        outputs = {item.call_id for item in found if isinstance(item, CallOutput)}
        calls = [item for item in found if isinstance(item, Call)]
        return found + [CallOutput(c.call_id, CANCELLED) for c in calls if c.call_id not in outputs]


@dataclass
class Link:
    """A connection: the server's end of it, and what is on its way."""

    number: int
    end: Connection
    up: deque[str] = field(default_factory=deque)
    down: deque[ServerEvent] = field(default_factory=deque)
    running: dict[str, server.Start] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)
    excused: bool = False
    """The server may have forgotten something: it was made to, or a continuation failed."""


class World:
    """Both machines, the network between them, the tools, and the truth."""

    def __init__(self, options: AgentOptions, features: Features, **limits: float) -> None:
        self.now = 0.0
        self.machine = AgentMachine("m", options, features, PATIENT, lambda: 0.5)
        self.store: dict[str, Settled] = {}
        self.limits = limits
        self.links: dict[int, Link] = {}
        self.opening: list[int] = []
        self.truth: list[Item] = []
        self.turn: Turn | None = None
        self.early: Turn | None = None
        self.calls: dict[str, tuple[int, Call]] = {}
        self.called: list[str] = []
        self.prompts: dict[str, list[Item]] = {}
        self.notes: list[Noted] = []
        self.failures: list[str] = []
        self.tokens: dict[str, str] = {}
        self.forgot = False
        self._likely = ""
        self._ids = itertools.count(1)
        self.perform(self.machine.timeout(0.0))

    # ── the person, the tools ──────────────────────────────────────────────────────────────

    def tell(self, fact: Fact) -> None:
        self.perform(self.machine.receive(fact, self.now))

    def ask(self, turn: int, text: str) -> None:
        """The user has finished; what was begun early may be adopted."""
        assert self.turn is None
        self.turn = Turn(turn, text)
        self.tell(Asked(turn, text))
        if self.early is not None:  # adopted, or it would have been dropped
            self.turn, self.early = self.early, None

    def announce(self, turn: int, text: str) -> None:
        self.turn = Turn(turn, "")
        self.turn.rounds[0].text = text
        self.tell(Announced(turn, text))

    def hear(self) -> None:
        """All of the answer was heard."""
        turn, self.turn = self.turn, None
        assert turn is not None
        assert turn.written
        self.truth += turn.items()
        self.tell(Heard(turn.number))

    def interrupt(self, words: int) -> None:
        """The user breaks in after so many words of the answer."""
        turn, self.turn = self.turn, None
        assert turn is not None
        heard = " ".join(turn.received.split(" ")[:words]) if turn.received else ""
        self.truth += turn.heard(heard)
        self.calls = {k: v for k, v in self.calls.items() if v[0] != turn.number}
        self.tell(Interrupted(turn.number, heard))

    def return_tool(self, call_id: str) -> None:
        """A tool has an output."""
        turn, _ = self.calls.pop(call_id)
        output = f"saw {call_id}"
        assert self.turn is not None
        for one in self.turn.rounds:
            if any(c.call_id == call_id for c in one.calls):
                one.outputs[call_id] = output
        if not any(entry[0] == turn for entry in self.calls.values()):
            self.turn.rounds.append(Round())
        self.tell(ToolReturned(turn, call_id, output))

    # ── the network ────────────────────────────────────────────────────────────────────────

    def open(self, number: int, *, succeed: bool = True) -> None:
        self.opening.remove(number)
        if not succeed:
            self.tell(OpenFailed(number, "no way"))
            return
        end = Connection("m", self._new_id, opened_seconds=self.now, **self.limits)
        self.links[number] = Link(number, end)
        self.tell(Opened(number))

    def lose(self, number: int) -> None:
        del self.links[number]
        self.tell(Lost(number, "the cable"))

    def up(self, link: Link) -> None:
        """The server hears the next message."""
        self._serve(link, link.end.receive(server.MessageReceived(link.up.popleft()), self.now))

    def down(self, link: Link) -> None:
        """The client hears the next event."""
        event = link.down.popleft()
        if event is None:
            self.lose(link.number)
        else:
            self.tell(Arrived(link.number, event))

    def write(self, link: Link, response: str) -> None:
        """The model writes a word."""
        count = link.words.get(response, 0)
        link.words[response] = count + 1
        word = f"{response}w{count}"
        piece = TextDelta(word if not count else f" {word}")
        self._serve(link, link.end.receive(server.PieceProduced(response, piece), self.now))

    def call(self, link: Link, response: str) -> None:
        """The model calls a tool, and says no more."""
        piece = ToolCall("look", json.dumps({"of": response}))
        self._serve(link, link.end.receive(server.PieceProduced(response, piece), self.now))
        self.finish(link, response)

    def finish(self, link: Link, response: str) -> None:
        link.running.pop(response, None)
        done = server.PieceProduced(response, Finished(0, 0, 0))
        self._serve(link, link.end.receive(done, self.now))

    def fail(self, link: Link, response: str) -> None:
        link.excused = True
        link.running.pop(response, None)
        failed = server.BackendFailed(response, "server_error", "out of order")
        self._serve(link, link.end.receive(failed, self.now))

    def forget(self, link: Link) -> None:
        """The server loses its memory."""
        link.excused = True
        self.forgot = self.forgot or bool(self.store)
        self.store.clear()
        for lane in link.end._lanes:
            lane.settled = None

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for link in list(self.links.values()):
            self._serve(link, link.end.timeout(self.now))
        self.perform(self.machine.timeout(self.now))
        deadline = self.machine.deadline()
        assert deadline is None or deadline > self.now, "what is due was not done"

    def _serve(self, link: Link, actions: list[server.Action]) -> None:
        fetched: list[server.Fetched] = []
        for action in actions:
            match action:
                case server.Send(event):
                    self._check_memory(link, event)
                    link.down.append(decode_server_event(encode(event)))
                case server.Start(response, prompt, generate):
                    self.prompts[response] = joined(list(prompt.items))
                    link.running[response] = action
                    if not generate:
                        self.finish(link, response)
                case server.Stop(response):
                    link.running.pop(response, None)
                case server.Keep(kept):
                    self.store[kept.response.id] = kept.settled
                case server.Fetch(response):
                    fetched.append(server.Fetched(response, self.store.get(response)))
                case server.Close():
                    link.down.append(None)  # type: ignore[arg-type]
        for event in fetched:
            self._serve(link, link.end.receive(event, self.now))

    def _check_memory(self, link: Link, event: ServerEvent) -> None:
        """The agent continues from nothing that it could know to be gone."""
        if isinstance(event, ErrorEvent) and event.body.code == "previous_response_not_found":
            assert link.excused or self.forgot, event.body.message

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._ids)}"

    # ── what the agent does ────────────────────────────────────────────────────────────────

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case OpenLink(number):
                self.opening.append(number)
            case CloseLink(number):
                self.links.pop(number, None)
            case Send(number, event):
                if number in self.links:
                    self.links[number].up.append(encode(event))
            case AnswerBegun(turn, True):
                assert self.early is None
                self.early = Turn(turn, self._likely)
            case AnswerDropped():
                self.early = None
            case Noted("eager.begun", _, fields):
                self._likely = fields["text"]
            case Noted():
                self.notes.append(action)
            case TextReceived(turn, text):
                self._take_text(self._turn_of(turn), text)
            case CallTool(turn, call):
                assert call.call_id not in self.called, "a tool runs once"
                self.called.append(call.call_id)
                self._take_call(turn, Call(call.call_id, call.name, call.arguments))
            case AnswerWritten(turn):
                self._turn_of(turn).written = True
            case AnswerFailed(turn, reason):
                self.failures.append(reason)
                self._turn_of(turn).written = True

    def _turn_of(self, number: int) -> Turn:
        for turn in (self.early, self.turn):
            if turn is not None and turn.number == number:
                return turn
        raise AssertionError(f"nobody waits for turn {number}")

    def _take_text(self, turn: Turn, text: str) -> None:
        turn.received += text
        if not turn.question:
            return  # an announcement
        one = turn.rounds[-1]
        response = text.strip().rpartition("w")[0]
        if response != one.response:
            self._check(turn, response)
            one.response = response
        one.text = f"{one.text} {text.strip()}".strip()

    def _take_call(self, number: int, call: Call) -> None:
        adopted = self.early if self.early and self.early.number == number else None
        turn = adopted or self._turn_of(number)
        response = json.loads(call.arguments)["of"]
        one = turn.rounds[-1]
        if response != one.response:
            self._check(turn, response)
            one.response = response
        one.calls.append(call)
        self.calls[call.call_id] = (number, call)

    def _check(self, turn: Turn, response: str) -> None:
        """The server wrote this response to the conversation that was heard."""
        expected = [*self.truth, *turn.items()]
        if turn.rounds[-1].text:  # it goes on where the connection was lost
            expected.append(Message("developer", GO_ON))
        assert self.prompts[response] == expected, (self.prompts[response], expected)


def joined(items: list[Item]) -> list[Item]:
    """Messages that were sent in pieces, whole again; an answer without words is none."""
    whole: list[Item] = []
    for item in items:
        if isinstance(item, Message) and not item.text:
            continue
        last: Any = whole[-1] if whole else None
        pieces = all(isinstance(i, Message) and i.role == "user" for i in (item, last))
        if pieces and isinstance(item, Message) and item.text.startswith(" "):
            whole[-1] = Message("user", last.text + item.text)
        else:
            whole.append(item)
    return whole
