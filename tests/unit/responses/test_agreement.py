"""Whatever happens, and in whatever order: the server answers to what was heard, nothing else.

The agent's machine and the local server's run back to back (`tests/support/back_to_back.py`).
Hypothesis chooses what the person, the model, the tools and the network do next: always the same
conversations, or with VOICE_TEST_EXAMPLES=N in the environment N new ones.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.back_to_back import Link, World
from voice.responses.options import AgentOptions
from voice.responses.requests import Features
from voice.responses.signals import Committed, Discarded, LikelyEnded, WentOn

NUMBERS = st.integers(0, 1_000_000)


def _options(**chosen: Any) -> AgentOptions:
    return AgentOptions(
        input_words=2, patience_seconds=30.0, stall_seconds=1e6, context_tokens=0, **chosen
    )


class Conversation(RuleBasedStateMachine):
    """One step is one thing that happens."""

    @initialize(
        steering=st.booleans(),
        input=st.sampled_from(["off", "warmup", "stream", "stream"]),
        store=st.booleans(),
        lasting=st.sampled_from([40.0, 3600.0]),
    )
    def begin(self, steering: bool, input: str, store: bool, lasting: float) -> None:  # noqa: A002
        options = _options(input=input, store=store, rotate_minutes=1.0)
        self.world = World(options, Features(steering=steering), connection_seconds=lasting)
        self.world.open(1)
        self.turn = 0
        self.words: list[str] = []
        self.likely = ""

    # ── the person ─────────────────────────────────────────────────────────────────────────

    @rule(count=st.integers(1, 3))
    def speak(self, count: int) -> None:
        """Words are committed; the first ones open an utterance."""
        if not self.words:
            self.turn += 1
        first = len(self.words)
        self.words += [f"q{self.turn}.{first + n}" for n in range(count)]
        self.likely = ""
        self.world.tell(WentOn(self.turn))
        self.world.tell(Committed(self.turn, " ".join(self.words)))

    @precondition(lambda self: self.words)
    @rule()
    def pause(self) -> None:
        self.likely = " ".join(self.words)
        self.world.tell(LikelyEnded(self.turn, self.likely))

    @precondition(lambda self: self.words)
    @rule(late=st.booleans(), stop=st.booleans(), words=st.integers(0, 3))
    def finish(self, late: bool, stop: bool, words: int) -> None:
        """The utterance is over: it breaks in where an answer goes on, and is answered."""
        if self.world.turn is not None:
            self.world.interrupt(words)
        text = " ".join(self.words) + (f" late{self.turn}" if late else "") + ("." if stop else "")
        self.words = []
        self.world.ask(self.turn, text)

    @precondition(lambda self: self.world.turn is not None)
    @rule(words=st.integers(0, 6), out=st.booleans())
    def end_answer(self, words: int, out: bool) -> None:
        """All of the answer was heard, or it is broken off."""
        if out and self.world.turn.written:
            self.world.hear()
        else:
            self.world.interrupt(words)

    @precondition(lambda self: not self.words)
    @rule(words=st.integers(0, 3), end=st.sampled_from(["", "call", "finish"]))
    def ask(self, words: int, end: str) -> None:
        """A question whose answer begins, as it does when nothing goes wrong."""
        self.speak(2)
        self.finish(late=False, stop=False, words=words)
        self.generate(0, words, end, True)

    @rule()
    def cough_or_ring(self) -> None:
        """The utterance was none; or a timer speaks up where nobody else does."""
        if self.words:
            self.words = []
            self.world.tell(Discarded(self.turn))
        elif self.world.turn is None:
            self.turn += 1
            self.world.announce(self.turn, f"timer{self.turn} is over")

    # ── the model and the tools ────────────────────────────────────────────────────────────

    def _running(self, number: int) -> tuple[Link, str] | None:
        running = [(link, r) for link in self.world.links.values() for r in link.running]
        if not running:
            return None
        return running[-1] if number % 3 else running[number % len(running)]

    @rule(
        number=NUMBERS,
        words=st.integers(0, 3),
        end=st.sampled_from(["", "", "finish", "finish", "call", "call"]),
        promptly=st.sampled_from([True, True, True, False]),
    )
    def generate(self, number: int, words: int, end: str, promptly: bool) -> None:
        """The model goes on with a response; `promptly`: and the network with everything."""
        if promptly:
            self.carry(("up",))
        if one := self._running(number):
            for _ in range(words):
                self.world.write(*one)
            if end:
                getattr(self.world, end)(*one)
        if promptly:
            self.carry(("down",))

    @precondition(lambda self: self.world.calls)
    @rule()
    def return_tool(self) -> None:
        self.world.return_tool(min(self.world.calls))

    # ── the network ────────────────────────────────────────────────────────────────────────

    @rule(ways=st.sampled_from([("up",), ("down",), ("up", "down")]))
    def carry(self, ways: tuple[str, ...]) -> None:
        """All that is on its way arrives."""
        for way in ways:
            for link in list(self.world.links.values()):
                while getattr(link, way) and link.number in self.world.links:
                    getattr(self.world, way)(link)

    @rule(number=NUMBERS, count=st.integers(1, 4), way=st.sampled_from(["up", "down"]))
    def carry_some(self, number: int, count: int, way: str) -> None:
        for _ in range(count):
            if waiting := [k for k in self.world.links.values() if getattr(k, way)]:
                getattr(self.world, way)(waiting[number % len(waiting)])

    @precondition(lambda self: self.world.opening)
    @rule()
    def open(self) -> None:
        self.world.open(self.world.opening[0])

    @precondition(lambda self: self.world.links)
    @rule(number=NUMBERS, what=st.sampled_from(["lose", "forget", "refuse", "fail", "wait"]))
    def suffer(self, number: int, what: str) -> None:
        """The network or the server lets us down."""
        links = [self.world.links[key] for key in sorted(self.world.links)]
        link = links[number % len(links)]
        if what == "lose":
            self.world.lose(link.number)
        elif what == "forget":
            self.world.forget(link)
        elif what == "wait":
            self.world.pass_time((0.1, 1.0, 20.0, 70.0)[number % 4])
        elif what == "refuse" and self.world.opening:
            self.world.open(self.world.opening[0], succeed=False)
        elif what == "fail" and (one := self._running(number)):
            self.world.fail(*one)

    # ── what always holds ──────────────────────────────────────────────────────────────────

    @invariant()
    def limits_are_kept(self) -> None:
        if not hasattr(self, "world"):
            return
        for link in self.world.links.values():
            assert len(link.end._lanes) <= 32
            assert len(link.running) <= 16

    def teardown(self) -> None:
        """However it went, the next question is answered, to all that was heard."""
        if not hasattr(self, "world"):
            return
        world = self.world
        if world.turn is not None:
            world.interrupt(2)
        if self.words:
            world.tell(Discarded(self.turn))
        world.failures.clear()
        world.ask(self.turn + 1, "and now")
        for _ in range(200):
            assert world.turn is not None
            if world.turn.written:
                break
            self._go_on()
        assert not world.failures
        assert world.turn.received
        expected = [*world.truth, *world.turn.items()]
        world.hear()
        assert world.truth == expected
        assert [i.content for i in world.machine.items if getattr(i, "role", "") == "user"] == [
            i.text for i in expected if getattr(i, "role", "") == "user"
        ]

    def _go_on(self) -> None:
        """Everything works: nothing is lost any more, and each answer is a word."""
        world = self.world
        while world.opening:
            world.open(world.opening[0])
        for link in list(world.links.values()):
            while link.up and link.number in world.links:
                world.up(link)
            for response in list(link.running):
                if not link.words.get(response):
                    world.write(link, response)
                world.finish(link, response)
            while link.down and link.number in world.links:
                world.down(link)
        world.pass_time(0.5)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=int(os.environ.get("VOICE_TEST_EXAMPLES", "300")),
    derandomize="VOICE_TEST_EXAMPLES" not in os.environ,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
