"""What tools do for answers: from the calls that end a response to the outputs it goes on with.

`Calls` knows which calls are under way; here their outputs reach the answers that wait for them,
the user hears of what takes long, and what nobody waited for is kept until it can be told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import inf

from voice.responses.answer import Answer
from voice.responses.calls import GOES_ON, Calls, RunningCall, Toolset, left, with_result
from voice.responses.conversation import Node
from voice.responses.events import FunctionCall
from voice.responses.signals import (
    Action,
    AnswerWritten,
    Filled,
    TellLater,
    TextReceived,
    ToolProgressed,
    ToolReturned,
    ToolsCancelled,
)

AT_WORK = "One moment."
"""Said where a tool takes long and says nothing of itself."""


class Work:
    """Calls in, outputs and words out."""

    def __init__(self, tools: Toolset, session: str) -> None:
        self._calls = Calls(tools, session)
        self._results: deque[tuple[RunningCall, str]] = deque()

    @property
    def background(self) -> Sequence[RunningCall]:
        """The calls that no answer waits for."""
        return self._calls.background

    def to_confirm(self, calls: Iterable[FunctionCall]) -> list[FunctionCall]:
        """Those that the user has to allow first."""
        return self._calls.to_confirm(calls)

    def begin(self, answer: Answer, now: float) -> list[Action]:
        """Do what a round of an answer ended in, as far as it may be done.

        An answer that nobody has asked for yet may run what changes nothing, and prepare to ask.
        """
        if answer.to_ask:
            return self._ask_first(answer)
        if answer.asked or self._calls.harmless(answer.calls):
            return self._calls.start(*answer.to_call, now)
        return []

    def leave(self, answer: Answer) -> list[Action]:
        """An answer is over: its calls stop, or go on by themselves."""
        actions, kept = self._calls.interrupt(answer.turn)
        for running in kept:
            answer.outputs[running.call.call_id] = GOES_ON
        return [*actions, *left(kept)]

    def drop(self, answer: Answer) -> list[Action]:
        """An answer is forgotten, and nothing of its calls matters."""
        return self._calls.drop(answer.turn)

    def forget(self) -> list[Action]:
        """Nothing matters any more."""
        self._results.clear()
        return self._calls.cancel("")

    def mind(
        self,
        fact: ToolProgressed | ToolReturned | ToolsCancelled,
        answers: Sequence[Answer],
        now: float,
    ) -> list[Action]:
        """A tool tells something, or the user does not want to hear it any more."""
        if isinstance(fact, ToolsCancelled):
            return self._calls.cancel(fact.name)
        running = self._calls.find(fact.turn, fact.call_id)
        if running is None:
            return []
        if isinstance(fact, ToolProgressed):
            running.progress = fact.text
            return []
        if self._calls.end(running):
            return self._return(running, fact.output, answers, now)
        self._results.append((running, fact.output))
        return [TellLater()] if len(self._results) == 1 else []

    def deadline(self, answer: Answer | None) -> float:
        """When something takes too long for the user, who waits for `answer`."""
        return min(self._calls.deadline(), self._filler_at(answer))

    def timeout(self, answer: Answer | None, answers: Sequence[Answer], now: float) -> list[Action]:
        """Act on what has taken too long by `now`."""
        actions: list[Action] = []
        if answer and now >= self._filler_at(answer):
            answer.filled = True
            actions.append(Filled(answer.turn, self._calls.progress(answer.turn) or AT_WORK))
        slow = self._calls.leave(now)
        actions += left(slow)
        for running in slow:
            actions += self._return(running, GOES_ON, answers, now)
        return actions

    def with_results(self, settled: Node) -> Node | None:
        """The conversation with all that came late; None if nothing did, or it was forgotten."""
        tip = settled
        while self._results:
            tip = with_result(tip, *self._results.popleft())
        return None if tip is settled else tip

    def _return(
        self, running: RunningCall, output: str, answers: Sequence[Answer], now: float
    ) -> list[Action]:
        """An answer gets the output that it waits for."""
        answer = next((one for one in answers if one.turn == running.turn), None)
        assert answer is not None, "a call without an answer is in the background"
        answer.return_output(running.call.call_id, output)
        answer.since = now
        return self._ask_first(answer) if answer.to_ask else []

    def _ask_first(self, answer: Answer) -> list[Action]:
        """All else is done: ask whether the rest may be."""
        question = self._calls.question(answer.to_confirm)
        return [TextReceived(answer.turn, answer.ask(question)), AnswerWritten(answer.turn)]

    def _filler_at(self, answer: Answer | None) -> float:
        if answer is None or answer.spoke or answer.filled:
            return inf
        return self._calls.silent_since(answer.turn)
