"""A thousand conversations with tools: whatever happens, every call has exactly one output.

The agent's machine talks with the local server's in simulated time, and nothing is continued that
the server does not have (`tests/support/back_to_back.py`). A seed decides what happens:
interruptions, lost connections, tools that take their time or come too late, answers that are begun
early, announcements. Some servers refuse a conversation with a call that has no output ("No tool
output found") and ours does not, so the conversation of every request is looked at.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from tests.support.back_to_back import TOOLS, Link, Turn, World
from tests.support.toolset import FixedTools
from voice.responses.calls import GOES_ON
from voice.responses.conversation import CANCELLED
from voice.responses.events import ErrorEvent
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.responses.requests import Features
from voice.responses.signals import (
    Action,
    AnswerAdopted,
    Committed,
    Discarded,
    Forgotten,
    Invited,
    LikelyEnded,
    StopTool,
    TellLater,
    ToolReturned,
    ToolsCancelled,
    WentOn,
)
from voice.server import signals as server
from voice.server.backend import Call, CallOutput, Item, ToolCall
from voice.tools.policy import Policy

RUNS = 1000
BATCHES = 10
STEPS = 150

_EXPECTED_ERRORS = {
    "previous_response_not_found",  # the server was made to forget
    "server_error",  # the backend was made to fail
    "websocket_connection_limit_reached",
}


class WatchedWorld(World):
    """Looks at the conversation of every request, and at every refusal.

    What else the conversation holds is not its business.
    """

    def __init__(
        self, options: AgentOptions, features: Features, policy: Policy, **limits: float
    ) -> None:
        self.seen: Counter[str] = Counter()
        self.stopped: list[tuple[int, str]] = []
        self.to_tell = 0
        super().__init__(options, features, **limits)
        self.opening.clear()
        self.machine = _machine(options, features, policy)
        self.perform(self.machine.timeout(0.0))

    def _serve(self, link: Link, actions: list[server.Action]) -> None:
        for action in actions:
            if isinstance(action, server.Start):
                assert_valid(action.prompt.items)
                self.seen["requests"] += 1
            elif isinstance(action, server.Send) and isinstance(action.event, ErrorEvent):
                assert action.event.body.code in _EXPECTED_ERRORS, action.event.body
        super()._serve(link, actions)

    def _perform(self, action: Action) -> None:
        self.seen[type(action).__name__] += 1
        super()._perform(action)
        match action:
            case AnswerAdopted():
                self.turn, self.early = self.early, None  # before its calls are made
            case StopTool(turn, call_id):
                self.calls.pop(call_id, None)
                self.stopped.append((turn, call_id))
            case TellLater():
                self.to_tell += 1

    def _check(self, turn: Turn, response: str) -> None:
        """See `test_agreement`."""


def _machine(options: AgentOptions, features: Features, policy: Policy) -> AgentMachine:
    tools = FixedTools(TOOLS, {"look": policy}, {"look": "Shall I look?"} if policy.confirm else {})
    return AgentMachine("m", options, features, tools, lambda: 0.5)


def assert_valid(items: Sequence[Item]) -> None:
    """Every call has one output, after it, and every output has its call."""
    calls: set[str] = set()
    outputs: set[str] = set()
    for item in items:
        if isinstance(item, Call):
            assert item.call_id not in calls, f"{item.call_id} is called twice"
            calls.add(item.call_id)
        elif isinstance(item, CallOutput):
            assert item.call_id in calls, f"{item.call_id} has an output and no call"
            assert item.call_id not in outputs, f"{item.call_id} has two outputs"
            outputs.add(item.call_id)
    assert calls == outputs, f"No tool output found for {calls - outputs}"


class Run:
    """One conversation; a step is one thing that happens."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = self._world()
        self.world.open(1)
        self.turn = 0
        self.words: list[str] = []

    def _world(self) -> WatchedWorld:
        choose = self.random.choice
        options = AgentOptions(
            input=choose(("off", "warmup", "stream", "stream")),
            input_words=2,
            store=choose((True, False)),
            rotate_minutes=1.0,
            patience_seconds=30.0,
            stall_seconds=1e6,
            context_tokens=0,
        )
        policy = Policy(
            confirm=choose((True, False, False, False)),
            cancellable=choose((True, True, False)),
            read_only=choose((True, False)),
            wait_seconds=choose((0.5, 8.0, 100.0)),
        )
        features = Features(steering=choose((True, False)))
        return WatchedWorld(options, features, policy, connection_seconds=choose((40.0, 3600.0)))

    def go(self) -> Counter[str]:
        """All steps, and then a question that is answered; returns what happened how often."""
        steps = {
            self.speak: 4, self.pause: 4, self.finish: 6, self.finish_early: 4, self.end_answer: 3,
            self.announce: 2, self.invite: 6, self.cancel_or_forget: 1, self.generate: 14,
            self.return_tool: 6, self.return_late: 2, self.carry_some: 4, self.open: 8,
            self.lose: 2, self.suffer: 2, self.wait: 3,
        }  # fmt: skip
        for step in self.random.choices(list(steps), list(steps.values()), k=STEPS):
            step()
        self.end_well()
        return self.world.seen

    # ── the person ─────────────────────────────────────────────────────────────────────────

    def speak(self) -> None:
        """Words are committed; the first ones open an utterance."""
        if not self.words:
            self.turn += 1
        first = len(self.words)
        self.words += [f"q{self.turn}.{first + n}" for n in range(self.random.randint(1, 3))]
        self.world.tell(WentOn(self.turn))
        self.world.tell(Committed(self.turn, " ".join(self.words)))

    def pause(self) -> None:
        if self.words:
            self.world.tell(LikelyEnded(self.turn, " ".join(self.words)))

    def finish(self) -> None:
        """The utterance is over: it breaks in where an answer goes on, and is answered."""
        if not self.words:
            self.speak()
        self.interrupt()
        text, self.words = " ".join(self.words), []
        self.world.ask(
            self.turn, self.random.choice((text, text, text, f"{text} and", "Yes.", "Yes."))
        )

    def finish_early(self) -> None:
        """A silence in which the utterance has probably ended, and the model has time to answer."""
        self.end_answer()
        self.speak()
        self.pause()
        self.generate()
        self.finish()

    def end_answer(self) -> None:
        """All of the answer was heard, or it is broken off."""
        turn = self.world.turn
        if turn is not None and turn.written and self.random.random() < 0.7:
            self.world.hear()
        else:
            self.interrupt()

    def interrupt(self) -> None:
        """The answer is broken off, with those of its tools that may be."""
        if self.world.turn is None:
            return
        calls = dict(self.world.calls)
        self.world.interrupt(self.random.randint(0, 4))
        stopped = {call_id for _, call_id in self.world.stopped}
        self.world.calls = {key: call for key, call in calls.items() if key not in stopped}

    def announce(self) -> None:
        """The utterance was none; or a timer speaks up where nobody else does."""
        if self.words:
            self.words = []
            self.world.tell(Discarded(self.turn))
        elif self.world.turn is None:
            self.turn += 1
            self.world.announce(self.turn, f"timer{self.turn} is over")
            self.world.seen["announcements"] += 1

    def invite(self) -> None:
        """Nobody speaks: there is time for a result that came late."""
        if self.world.to_tell and self.world.turn is None and not self.words:
            self.world.to_tell = 0
            self.turn += 1
            self.world.turn = Turn(self.turn, "")
            self.world.tell(Invited(self.turn))
            self.world.seen["late results"] += 1

    def cancel_or_forget(self) -> None:
        if self.random.random() < 0.5:
            self.world.tell(ToolsCancelled())
        elif self.world.turn is None and not self.words:
            self.world.tell(Forgotten())

    # ── the model and the tools ────────────────────────────────────────────────────────────

    def generate(self) -> None:
        """The model goes on with a response, and mostly the network with everything."""
        promptly = self.random.random() < 0.7
        if promptly:
            self.carry("up")
        running = [(link, r) for link in self.world.links.values() for r in link.running]
        if running:
            link, response = self.random.choice([running[-1], self.random.choice(running)])
            for _ in range(self.random.randint(0, 2)):
                self.world.write(link, response)
            match self.random.choice(("", "finish", "call", "call")):
                case "finish":
                    self.world.finish(link, response)
                case "call":
                    self.call(link, response, self.random.choice((1, 1, 2, 3)))
        if promptly:
            self.carry("down")

    def call(self, link: Link, response: str, count: int) -> None:
        """The model calls so many tools at once, and says no more."""
        piece = ToolCall("look", json.dumps({"of": response}))
        for _ in range(count - 1):
            called = server.PieceProduced(response, piece)
            self.world._serve(link, link.end.receive(called, self.world.now))
        self.world.call(link, response)

    def return_tool(self) -> None:
        if self.world.calls:
            call_id = self.random.choice(sorted(self.world.calls))
            turn, _ = self.world.calls.pop(call_id)
            self.world.tell(ToolReturned(turn, call_id, f"saw {call_id}"))

    def return_late(self) -> None:
        """A tool that was stopped has an output nevertheless."""
        if stopped := self.world.stopped:
            turn, call_id = stopped.pop(self.random.randrange(len(stopped)))
            self.world.tell(ToolReturned(turn, call_id, "too late"))
            self.world.seen["late outputs"] += 1

    # ── the network ────────────────────────────────────────────────────────────────────────

    def carry(self, way: str) -> None:
        """All that is on its way arrives."""
        for link in list(self.world.links.values()):
            while getattr(link, way) and link.number in self.world.links:
                getattr(self.world, way)(link)

    def carry_some(self) -> None:
        for _ in range(self.random.randint(1, 4)):
            way = self.random.choice(("up", "down"))
            if waiting := [link for link in self.world.links.values() if getattr(link, way)]:
                getattr(self.world, way)(self.random.choice(waiting))

    def open(self) -> None:
        if self.world.opening:
            self.world.open(self.world.opening[0], succeed=self.random.random() < 0.8)

    def lose(self) -> None:
        if self.world.links:
            self.world.lose(self.random.choice(sorted(self.world.links)))
            self.world.seen["lost amid tools" if self.world.calls else "lost"] += 1

    def suffer(self) -> None:
        """The server forgets everything, or fails to answer."""
        for link in list(self.world.links.values())[:1]:
            if self.random.random() < 0.5:
                self.world.forget(link)
            elif link.running:
                self.world.fail(link, self.random.choice(sorted(link.running)))

    def wait(self) -> None:
        self.world.pass_time(self.random.choice((0.1, 1.0, 20.0, 70.0)))

    # ── the end ────────────────────────────────────────────────────────────────────────────

    def end_well(self) -> None:
        """Nothing goes wrong any more, and the next question is answered."""
        world = self.world
        self.interrupt()
        if self.words:
            world.tell(Discarded(self.turn))
        world.ask(self.turn + 1, "and now")
        for _ in range(200):
            assert world.turn is not None
            if world.turn.written:
                break
            self.work()
        assert world.turn is not None
        assert world.turn.received, "the last question was not answered"
        world.hear()
        outputs = [getattr(item, "output", "") for item in world.machine.items]
        world.seen["cancelled"] += outputs.count(CANCELLED)
        world.seen["in the background"] += outputs.count(GOES_ON)
        world.seen.update(note.event for note in world.notes)

    def work(self) -> None:
        """Every answer is a word, and everything arrives."""
        world = self.world
        while world.opening:
            world.open(world.opening[0])
        self.carry("up")
        for link in list(world.links.values()):
            for response in list(link.running):
                world.write(link, response)
                world.finish(link, response)
        self.carry("down")
        world.pass_time(0.5)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_call_has_exactly_one_output(batch: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(batch, RUNS, BATCHES):
        try:
            seen += Run(seed).go()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}") from error
    for name, least in {
        "requests": 1000,
        "CallTool": 400,
        "StopTool": 200,
        "cancelled": 150,
        "in the background": 80,
        "late results": 5,
        "late outputs": 80,
        "tool.confirmed": 5,
        "tool.declined": 5,
        "AnswerAdopted": 150,
        "AnswerDropped": 150,
        "lost": 100,
        "lost amid tools": 20,
        "announcements": 30,
    }.items():
        assert seen[name] >= least, f"{name} happened only {seen[name]} times"


@pytest.mark.parametrize(
    ("items", "what"),
    [
        ([Call("a", "look", "{}")], "No tool output found"),
        ([CallOutput("a", "saw")], "no call"),
        ([Call("a", "look", "{}"), CallOutput("a", "saw"), CallOutput("a", "saw")], "two outputs"),
        ([Call("a", "look", "{}"), Call("a", "look", "{}"), CallOutput("a", "saw")], "twice"),
    ],
)
def test_what_is_invalid_is_noticed(items: list[Item], what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        assert_valid(items)
