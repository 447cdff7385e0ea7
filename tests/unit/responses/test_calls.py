"""Calls that take long: the user hears of them, and the chain stays valid."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.agent_bench import TOOLS, Bench, look
from tests.support.toolset import FixedTools
from voice.responses.calls import GOES_ON
from voice.responses.conversation import CANCELLED
from voice.responses.signals import (
    AnswerWritten,
    Asked,
    CallTool,
    Filled,
    Forgotten,
    Heard,
    Interrupted,
    Invited,
    LikelyEnded,
    StopTool,
    TellLater,
    ToolProgressed,
    ToolReturned,
    ToolsCancelled,
    WentOn,
)
from voice.responses.work import AT_WORK
from voice.tools.policy import Policy


def slow(**policy: Any) -> Bench:
    """A question whose answer has called a tool."""
    chosen = {"filler_seconds": 1.5, "wait_seconds": 8.0, **policy}
    bench = Bench(tools=FixedTools(TOOLS, {"look": Policy(**chosen)}), input="off")
    bench.ask(1)
    bench.call("c1")
    return bench


def left() -> Bench:
    """The call goes on in the background, and the user has heard so."""
    bench = slow()
    bench.wait(9.0)
    bench.answer("I am looking.")
    bench.tell(Heard(1))
    return bench


def test_a_tool_that_takes_long_is_filled_with_words_once() -> None:
    bench = slow()
    bench.wait(1.4)
    assert not bench.wanted(Filled)
    bench.wait(6.0)
    assert bench.wanted(Filled) == [Filled(1, AT_WORK)]


def test_what_the_tool_tells_of_itself_is_the_filler() -> None:
    bench = slow()
    bench.tell(ToolProgressed(1, "c1", "I found two of three."))
    bench.wait(2.0)
    assert bench.wanted(Filled) == [Filled(1, "I found two of three.")]


def test_an_answer_that_has_begun_to_speak_needs_no_filler() -> None:
    bench = Bench(tools=FixedTools(TOOLS), input="off")
    bench.ask(1)
    bench.begin()
    bench.say("Let me see.")
    bench.finish(look("c1"))
    bench.wait(5.0)
    assert not bench.wanted(Filled)


def test_the_answer_goes_on_without_a_call_that_takes_too_long() -> None:
    bench = slow()
    bench.wait(7.9)
    assert len(bench.requests) == 1
    bench.wait(0.2)
    assert bench.last.items[-1] == f"output c1: {GOES_ON}"
    assert [one.call.call_id for one in bench.machine.background] == ["c1"]
    assert not bench.wanted(StopTool)


def test_a_late_result_is_told_at_the_next_free_moment() -> None:
    bench = left()
    bench.tell(ToolReturned(1, "c1", "three"))
    assert bench.wanted(TellLater) == [TellLater()]
    bench.tell(Invited(2))
    assert bench.last.items[-2:] == ["call c1_late", "output c1_late: three"]
    bench.answer("It is three.")
    bench.tell(Heard(2))
    assert bench.items[-1] == "assistant: It is three."
    assert not bench.machine.background


def test_a_late_result_waits_while_the_conversation_goes_on() -> None:
    bench = left()
    request = bench.ask(2, "and now")
    bench.tell(ToolReturned(1, "c1", "three"))
    assert request.items == ["user: and now"]
    bench.answer("Now this.")
    bench.tell(Heard(2), Invited(3))
    assert bench.last.items[-1] == "output c1_late: three"


def test_two_late_results_are_told_together() -> None:
    bench = Bench(tools=FixedTools(TOOLS), input="off")
    bench.ask(1)
    bench.call("c1", "c2")
    bench.wait(9.0)
    bench.answer("I am looking.")
    bench.tell(Heard(1), ToolReturned(1, "c2", "two"), ToolReturned(1, "c1", "one"))
    assert len(bench.wanted(TellLater)) == 1
    bench.tell(Invited(2))
    assert bench.last.items[-1] == "output c1_late: one"
    assert "output c2_late: two" in bench.last.items


def test_an_interruption_stops_a_call() -> None:
    bench = slow()
    bench.tell(Interrupted(1, ""))
    assert bench.wanted(StopTool) == [StopTool(1, "c1")]
    assert bench.items[-1] == f"output c1: {CANCELLED}"
    bench.tell(ToolReturned(1, "c1", "three"))
    assert not bench.wanted(TellLater)


def test_an_interruption_does_not_stop_a_call_that_cannot_be_cancelled() -> None:
    bench = slow(cancellable=False)
    bench.tell(Interrupted(1, ""))
    assert not bench.wanted(StopTool)
    assert bench.items[-1] == f"output c1: {GOES_ON}"
    bench.tell(ToolReturned(1, "c1", "three"))
    assert bench.wanted(TellLater) == [TellLater()]


@pytest.mark.parametrize(("name", "stopped"), [("", 1), ("look", 1), ("other", 0)])
def test_the_user_can_cancel_what_goes_on(name: str, stopped: int) -> None:
    bench = left()
    bench.tell(ToolsCancelled(name))
    assert len(bench.wanted(StopTool)) == stopped
    assert len(bench.machine.background) == 1 - stopped


def test_what_was_forgotten_is_not_told() -> None:
    bench = left()
    bench.tell(ToolReturned(1, "c1", "three"), Forgotten(), Invited(2))
    assert bench.wanted(AnswerWritten)[-1] == AnswerWritten(2)
    assert bench.items == []
    assert len(bench.requests) == 2


def test_a_forgotten_conversation_begins_anew() -> None:
    bench = Bench(input="off")
    bench.converse(1, "my name is Ann", "Hello Ann.")
    bench.tell(Forgotten())
    request = bench.ask(2, "who am I")
    assert (request.items, request.parent) == (["user: who am I"], None)


def test_a_tool_that_changes_nothing_runs_for_an_early_answer() -> None:
    bench = Bench(tools=FixedTools(TOOLS, {"look": Policy(read_only=True)}), input="off")
    bench.tell(LikelyEnded(1, "what do you see"))
    bench.call("c1")
    assert len(bench.wanted(CallTool)) == 1
    bench.tell(ToolReturned(1, "c1", "three"))
    assert bench.last.items[-1] == "output c1: three"
    bench.answer("Three.")
    bench.tell(Asked(1, "what do you see"), Heard(1))
    assert len(bench.wanted(CallTool)) == 1
    assert bench.items[-1] == "assistant: Three."


def test_it_is_stopped_where_the_user_goes_on() -> None:
    bench = Bench(tools=FixedTools(TOOLS, {"look": Policy(read_only=True)}), input="off")
    bench.tell(LikelyEnded(1, "what do you see"))
    bench.call("c1")
    bench.tell(WentOn(1))
    assert bench.wanted(StopTool) == [StopTool(1, "c1")]
    bench.tell(ToolReturned(1, "c1", "three"))


def test_the_key_tells_a_call_from_another_but_not_from_itself() -> None:
    keys = []
    for arguments in ('{"a": 1, "b": 2}', '{"b":2,"a":1}', '{"a": 2, "b": 2}'):
        bench = Bench(input="off")
        bench.ask(1)
        bench.begin()
        bench.finish(look("c1", arguments))
        keys.append(bench.wanted(CallTool)[0].key)
    assert keys[0] == keys[1] != keys[2]
