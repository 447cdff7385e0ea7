"""Calls that the user has to allow: asked aloud, run after a yes, and never otherwise."""

from __future__ import annotations

import pytest

from tests.support.agent_bench import TOOLS, Bench, look
from tests.support.toolset import FixedTools
from voice.responses.events import FunctionCall
from voice.responses.proposal import CONSENT_SECONDS, EXPIRED, was_asked
from voice.responses.signals import (
    AnswerBegun,
    AnswerWritten,
    Asked,
    CallTool,
    Committed,
    Discarded,
    Heard,
    Interrupted,
    LikelyEnded,
    TellLater,
    TextReceived,
    ToolReturned,
)

QUESTION = "Shall I erase it all?"
ERASE = FunctionCall(call_id="c1", name="erase", arguments="{}")
TOOL = {"type": "function", "name": "erase", "parameters": {"type": "object"}}


def proposed(*, before: str = "") -> Bench:
    """The model wants to erase; the question is being said."""
    bench = Bench(tools=FixedTools([*TOOLS, TOOL], questions={"erase": QUESTION}), input="off")
    bench.ask(1, "erase it")
    bench.begin()
    if before:
        bench.say(before)
    bench.finish(ERASE)
    return bench


def asked() -> Bench:
    """The question was heard."""
    bench = proposed()
    bench.tell(Heard(1))
    return bench


def test_the_question_is_asked_instead_of_the_call() -> None:
    bench = proposed(before="Sure.")
    assert bench.heard(1) == f"Sure. {QUESTION}"
    assert bench.wanted(AnswerWritten) == [AnswerWritten(1)]
    assert not bench.wanted(CallTool)
    bench.tell(Heard(1))
    assert bench.items == ["user: erase it", "assistant: Sure.", f"assistant: {QUESTION}"]


def test_a_yes_runs_the_call_behind_the_users_words() -> None:
    bench = asked()
    bench.tell(Asked(2, "Yes."))
    assert bench.wanted(CallTool) == [CallTool(2, ERASE)]
    bench.tell(ToolReturned(2, "c1", "erased"))
    assert bench.last.items[-3:] == ["user: Yes.", "call c1", "output c1: erased"]
    bench.answer("It is gone.")
    bench.tell(Heard(2))
    assert bench.items[-1] == "assistant: It is gone."
    assert bench.noted("tool.confirmed") == [{"tools": ["erase"], "text": "Yes."}]


@pytest.mark.parametrize("text", ["No.", "What would be gone then?", "Yes, but not the photos"])
def test_anything_else_is_an_ordinary_question(text: str) -> None:
    bench = asked()
    request = bench.ask(2, text)
    assert request.items[-1] == f"user: {text}"
    bench.answer("All right.")
    bench.tell(Heard(2))
    bench.ask(3, "Yes.")
    assert not bench.wanted(CallTool)
    assert bench.noted("tool.declined") == [{"tools": ["erase"], "text": text}]


def test_no_answer_is_begun_early_to_a_yes() -> None:
    bench = asked()
    bench.tell(LikelyEnded(2, "Yes."))
    assert AnswerBegun(2, True) not in bench.actions
    bench.tell(Asked(2, "Yes."))
    assert len(bench.wanted(CallTool)) == 1


def test_an_early_answer_to_something_else_declines() -> None:
    bench = asked()
    bench.tell(LikelyEnded(2, "No."))
    bench.answer("Then not.")
    bench.tell(Asked(2, "No."), Heard(2))
    assert len(bench.noted("tool.declined")) == 1
    bench.ask(3, "Yes.")
    assert not bench.wanted(CallTool)


def test_silence_is_no_yes() -> None:
    bench = asked()
    bench.wait(CONSENT_SECONDS + 1)
    assert bench.wanted(TellLater) == [TellLater(EXPIRED)]
    bench.ask(2, "Yes.")
    assert not bench.wanted(CallTool)


def test_a_yes_that_is_being_said_is_waited_for() -> None:
    bench = asked()
    bench.wait(CONSENT_SECONDS - 0.5)
    bench.tell(Committed(2, "Yes"))
    bench.wait(2.0)
    bench.tell(Asked(2, "Yes."))
    assert len(bench.wanted(CallTool)) == 1


def test_a_sound_that_was_no_answer_leaves_the_time_as_it_is() -> None:
    bench = asked()
    bench.wait(CONSENT_SECONDS - 0.5)
    bench.tell(Committed(2, "hm"))
    bench.wait(2.0)
    assert not bench.wanted(TellLater)
    bench.tell(Discarded(2))
    assert bench.wanted(TellLater) == [TellLater(EXPIRED)]


@pytest.mark.parametrize(("heard", "runs"), [("Shall I erase", 0), ("Shall I erase it", 1)])
def test_who_has_not_heard_the_question_has_not_allowed_it(heard: str, runs: int) -> None:
    bench = proposed()
    bench.tell(Interrupted(1, heard), Asked(2, "Yes."))
    assert len(bench.wanted(CallTool)) == runs


def test_other_calls_run_first() -> None:
    bench = Bench(tools=FixedTools([*TOOLS, TOOL], questions={"erase": QUESTION}), input="off")
    bench.ask(1, "look and erase")
    bench.begin()
    bench.finish(look("c0"), ERASE)
    assert bench.wanted(CallTool) == [CallTool(1, look("c0"))]
    bench.tell(ToolReturned(1, "c0", "three"))
    assert bench.wanted(TextReceived) == [TextReceived(1, QUESTION)]
    bench.tell(Heard(1), Asked(2, "Yes."), ToolReturned(2, "c1", "erased"))
    assert bench.last.items[-6:] == [
        "call c0",
        "output c0: three",
        f"assistant: {QUESTION}",
        "user: Yes.",
        "call c1",
        "output c1: erased",
    ]


def test_two_calls_are_asked_for_at_once() -> None:
    bench = Bench(tools=FixedTools([TOOL], questions={"erase": QUESTION}), input="off")
    bench.ask(1, "erase both")
    other = FunctionCall(call_id="c2", name="erase", arguments='{"n": 2}')
    bench.begin()
    bench.finish(ERASE, other)
    assert bench.heard(1) == QUESTION
    bench.tell(Heard(1), Asked(2, "Yes."))
    assert bench.wanted(CallTool) == [CallTool(2, ERASE), CallTool(2, other)]


def test_a_question_counts_as_asked_but_for_its_last_word() -> None:
    said = "Fine. Shall I go?"
    assert was_asked("Shall I go?", len(said), "Fine. Shall I")
    assert not was_asked("Shall I go?", len(said), "Fine. Shall")
