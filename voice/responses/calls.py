"""The calls of tools that are under way, and what becomes of those that take long.

Theory. An answer waits for the outputs of its calls, and the chain of responses is valid only if
each call gets exactly one. A call that would keep the user waiting goes on in the background: what
it gets as output says so, and its result is told later, as an answer nobody asked for.

    running ──returned──▶ its output
       ├──`filler_seconds`, and nothing was said──▶ the user is told that it is at work
       ├──`wait_seconds`──▶ in the background, with the output `GOES_ON`
       ├──interrupted, not cancellable──▶ likewise
       └──interrupted, or its answer dropped──▶ stopped

An interrupted call that is stopped gets an output that says so, from the conversation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from voice.responses.conversation import Node
from voice.responses.events import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
    JsonObject,
)
from voice.responses.signals import Action, CallTool, Noted, StopTool
from voice.tools.policy import Policy
from voice.tools.questions import one_question

GOES_ON = (
    "Not finished yet: it goes on in the background, and its result will be told to the user when "
    "it is there. Say so in a few words, and do not call it again."
)

_RESULT_CAME = "A call that went on in the background has ended. Tell the user what came of it."


class Toolset(Protocol):
    """What the machine has to know of the tools."""

    def definitions(self) -> list[JsonObject]:
        """The tools in the API's flat form."""

    def policy(self, name: str) -> Policy:
        """What may be done with a tool's calls."""

    def question(self, name: str, arguments: str) -> str:
        """What to ask the user before the call; "": nothing."""


@dataclass(slots=True, eq=False)
class RunningCall:
    """A call that has not returned."""

    turn: int
    call: FunctionCall
    policy: Policy
    since: float
    progress: str = ""
    """How far it is, in its own words."""


class Calls:
    """All calls that are under way: those that an answer waits for, and those that it does not."""

    def __init__(self, tools: Toolset, session: str) -> None:
        """`session` makes the keys of calls differ from those of other sessions."""
        self._tools = tools
        self._session = session
        self._awaited: list[RunningCall] = []
        self.background: list[RunningCall] = []

    def to_confirm(self, calls: Iterable[FunctionCall]) -> list[FunctionCall]:
        """Those that the user has to allow first."""
        return [call for call in calls if self._tools.question(call.name, call.arguments)]

    def question(self, calls: Iterable[FunctionCall]) -> str:
        """What to ask before them."""
        questions = [self._tools.question(call.name, call.arguments) for call in calls]
        return one_question(list(dict.fromkeys(questions)))

    def harmless(self, calls: Iterable[FunctionCall]) -> bool:
        """Whether they may run for an answer that nobody has asked for yet."""
        return all(self._tools.policy(call.name).read_only for call in calls)

    def start(self, turn: int, calls: Iterable[FunctionCall], now: float) -> list[Action]:
        """Run those of an answer's calls that do not run yet."""
        running = [one.call for one in self._awaited if one.turn == turn]
        fresh = [call for call in calls if all(call is not one for one in running)]
        for call in fresh:
            self._awaited.append(RunningCall(turn, call, self._tools.policy(call.name), now))
        return [CallTool(turn, call, self._key(turn, call)) for call in fresh]

    def find(self, turn: int, call_id: str) -> RunningCall | None:
        """The call, awaited or not."""
        calls = (*self._awaited, *self.background)
        return next((c for c in calls if (c.turn, c.call.call_id) == (turn, call_id)), None)

    def end(self, running: RunningCall) -> bool:
        """It has returned; whether somebody waits for that."""
        awaited = running in self._awaited
        (self._awaited if awaited else self.background).remove(running)
        return awaited

    def silent_since(self, turn: int) -> float:
        """When the oldest call of an answer makes its user wonder."""
        fillers = (c.since + c.policy.filler_seconds for c in self._awaited if c.turn == turn)
        return min(fillers, default=inf)

    def progress(self, turn: int) -> str:
        """How far an answer's calls are, in the words of one that said so; "": none did."""
        return next((c.progress for c in self._awaited if c.turn == turn and c.progress), "")

    def deadline(self) -> float:
        """When the next call has kept its answer waiting for too long."""
        return min((one.since + one.policy.wait_seconds for one in self._awaited), default=inf)

    def leave(self, now: float) -> list[RunningCall]:
        """Those that their answers wait for no longer; they go on in the background."""
        slow = [one for one in self._awaited if now >= one.since + one.policy.wait_seconds]
        return self._leave(slow)

    def interrupt(self, turn: int) -> tuple[list[Action], list[RunningCall]]:
        """An answer was broken off: what stops its calls, and those that go on."""
        mine = [one for one in self._awaited if one.turn == turn]
        kept = self._leave([one for one in mine if not one.policy.cancellable])
        return self._stop([one for one in mine if one.policy.cancellable]), kept

    def drop(self, turn: int) -> list[Action]:
        """An answer is forgotten: none of its calls matters."""
        return self._stop([one for one in self._awaited if one.turn == turn])

    def cancel(self, name: str) -> list[Action]:
        """Stop what goes on in the background: the calls of a tool, or all ("")."""
        stopped = [one for one in self.background if name in ("", one.call.name)]
        self.background = [one for one in self.background if one not in stopped]
        return [StopTool(one.turn, one.call.call_id) for one in stopped]

    def _leave(self, calls: list[RunningCall]) -> list[RunningCall]:
        self._awaited = [one for one in self._awaited if one not in calls]
        self.background += calls
        return calls

    def _stop(self, calls: Sequence[RunningCall]) -> list[Action]:
        self._awaited = [one for one in self._awaited if one not in calls]
        return [StopTool(one.turn, one.call.call_id) for one in calls]

    def _key(self, turn: int, call: FunctionCall) -> str:
        """The same for the same call in the same turn, so that it can be told from a new one."""
        named = json.dumps([self._session, turn, call.name, _canonical(call.arguments)])
        return hashlib.sha256(named.encode()).hexdigest()[:32]


def left(calls: Iterable[RunningCall]) -> list[Action]:
    """What the trace tells of calls that go on in the background."""
    return [Noted("tool.left", one.turn, {"tool": one.call.name}) for one in calls]


def with_result(settled: Node, ended: RunningCall, output: str) -> Node:
    """The conversation with a result that came late, as a call of its own.

    So the output stays what it is, a tool's, and is never read as somebody's words.
    """
    again = FunctionCall(
        call_id=f"{ended.call.call_id}_late", name=ended.call.name, arguments=ended.call.arguments
    )
    items: list[InputItem] = [
        InputMessage(role="developer", content=_RESULT_CAME),
        again,
        FunctionCallOutput(call_id=again.call_id, output=output),
    ]
    return settled.child(items)


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments or "{}"), sort_keys=True)
    except ValueError:
        return arguments
