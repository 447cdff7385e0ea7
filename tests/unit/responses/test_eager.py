"""Answers that are begun before the user has certainly finished: adopted, or thrown away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.agent_bench import Bench, look
from voice.responses.eager import EagerBudget, same_words
from voice.responses.events import Created, Response
from voice.responses.requests import Features
from voice.responses.signals import (
    AnswerAdopted,
    AnswerBegun,
    AnswerDropped,
    AnswerFailed,
    AnswerWritten,
    Asked,
    CallTool,
    Committed,
    Discarded,
    Fact,
    Forgotten,
    Heard,
    Interrupted,
    LikelyEnded,
    TextReceived,
    ToolReturned,
    WentOn,
)

# ── words and budget ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What time is it", "what time is it?"),
        ("No, wait.", "no wait"),
        ("It's three.", "it’s three"),
        ("Twenty-five (25).", "twenty five 25"),
        ("one  two", " one two "),
        ("", "..."),
    ],
)
def test_what_is_written_otherwise_is_not_heard_otherwise(one: str, other: str) -> None:
    assert same_words(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what time is it", "what time is it now"),
        ("its", "it's"),
        ("1.5", "15"),
        ("five + three", "five - three"),
        ("50%", "50"),
        ("की", "कि"),
    ],
)
def test_other_words_are_other_words(one: str, other: str) -> None:
    assert not same_words(one, other)


def test_a_budget_is_spent_by_what_is_thrown_away() -> None:
    budget = EagerBudget(10)
    assert budget.discard_rate == 0.0
    budget.begun = 4
    budget.discard(9)
    assert not budget.spent
    budget.discard(1)
    assert budget.spent
    assert (budget.discarded_tokens, budget.discard_rate) == (10, 0.5)


def test_without_a_budget_nothing_may_be_risked() -> None:
    assert EagerBudget(0).spent


# ── adopted ──────────────────────────────────────────────────────────────────────────────────


def likely(text: str = "what time is it", **options: Any) -> Bench:
    """An utterance has probably ended; whether an answer is begun is up to the options."""
    bench = Bench(**options)
    bench.tell(LikelyEnded(1, text))
    return bench


def test_an_answer_is_begun_at_a_likely_end() -> None:
    bench = likely()
    assert bench.last.items == ["user: what time is it"]
    assert not bench.last.only_read
    assert bench.wanted(AnswerBegun) == [AnswerBegun(1, eager=True)]
    assert bench.noted("eager.begun") == [{"text": "what time is it"}]


def test_the_next_utterance_may_likely_end_before_the_one_before_is_asked_with() -> None:
    """Its words may be late; then nothing that was begun early is the answer to it."""
    bench = likely()
    bench.begin()
    bench.tell(LikelyEnded(2, "and where"))
    bench.begin()
    bench.tell(Asked(1, "what time is it"))
    assert bench.wanted(AnswerDropped) == [AnswerDropped(1), AnswerDropped(2)]
    assert bench.last.items == ["user: what time is it"]
    bench.answer("Noon.")
    assert bench.heard(1) == "Noon."


@pytest.mark.parametrize("text", ["what time is it", "What time is it?"])
def test_it_is_adopted_if_nothing_else_was_said(text: str) -> None:
    bench = likely()
    bench.begin()
    bench.say("It is")
    bench.wait(0.5)
    bench.tell(Asked(1, text))
    bench.say(" three.")
    bench.finish()
    bench.tell(Heard(1))
    assert len(bench.requests) == 2, "nothing is asked twice"
    assert bench.heard(1) == "It is three."
    assert bench.wanted(AnswerAdopted, AnswerWritten) == [AnswerAdopted(1), AnswerWritten(1)]
    assert len(bench.wanted(AnswerBegun)) == 1
    assert bench.noted("eager.adopted") == [{"tokens": 1}]
    assert bench.items == ["user: what time is it", "assistant: It is three."]


def test_it_may_be_whole_before_it_is_wanted() -> None:
    bench = likely()
    bench.answer("Three.")
    assert not bench.machine.waiting
    bench.tell(Asked(1, "what time is it"), Heard(1))
    assert bench.items == ["user: what time is it", "assistant: Three."]
    assert bench.ask(2).parent == "r1", "it is continued like any other"


def test_it_continues_words_that_were_sent_ahead() -> None:
    bench = Bench(input_words=2)
    bench.tell(Committed(1, "what time is"))
    bench.read()
    bench.tell(LikelyEnded(1, "what time is it"))
    assert (bench.last.parent, bench.last.items) == ("r1", ["user:  is it"])


# ── thrown away ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fact", [WentOn(1), Discarded(1), LikelyEnded(1, "what time is it in Rome"), Asked(1, "what")]
)
def test_it_is_thrown_away_if_it_answers_what_was_not_said(fact: Fact) -> None:
    bench = likely()
    early = bench.begin()
    bench.say("It is")
    bench.tell(fact)
    assert bench.wanted(AnswerDropped) == [AnswerDropped(1)]
    assert bench.cancelled == [early.id]
    bench.actions.clear()
    bench.say(" three.", to=early)
    bench.finish(to=early)
    assert not bench.wanted(TextReceived, AnswerWritten), "and nothing of it is passed on"


def test_other_words_are_asked_anew_from_what_was_settled() -> None:
    bench = Bench()
    settled = bench.converse(1, "hello", "Hi.")
    bench.tell(LikelyEnded(2, "what time is it"))
    early = bench.begin()
    asked = bench.ask(2, "what time is it in Rome")
    assert (asked.parent, asked.items) == (settled.id, ["user: what time is it in Rome"])
    assert asked.lane not in (early.lane, settled.lane)
    bench.answer("Four.")
    bench.tell(Heard(2))
    assert bench.items[2:] == ["user: what time is it in Rome", "assistant: Four."]


def test_words_that_were_read_are_not_lost_with_it() -> None:
    bench = Bench(input_words=2)
    bench.tell(Committed(1, "what time is"))
    read = bench.last
    bench.read()
    bench.tell(LikelyEnded(1, "what time is it"))
    early = bench.begin()
    assert early.lane != read.lane
    bench.tell(WentOn(1))
    asked = bench.ask(1, "what time is it in Rome")
    assert asked.parent == read.id


def test_another_utterance_going_on_does_not_matter() -> None:
    bench = likely()
    bench.tell(WentOn(2), Discarded(2))
    assert not bench.wanted(AnswerDropped)


def test_one_that_is_dropped_before_it_has_a_name_is_cancelled_when_it_has() -> None:
    bench = likely()
    early = bench.last
    bench.tell(WentOn(1))
    assert not bench.cancelled
    bench.begin(early)
    assert bench.cancelled == [early.id]


def test_one_that_fails_is_dropped_and_asked_for_in_earnest() -> None:
    bench = likely()
    bench.refuse(code="server_error", status=500)
    assert bench.wanted(AnswerDropped) == [AnswerDropped(1)]
    assert not bench.wanted(AnswerFailed)
    bench.ask(1, "what time is it")
    bench.answer("Three.")
    assert bench.heard(1) == "Three."


def test_one_that_is_lost_with_the_connection_is_dropped() -> None:
    bench = likely()
    bench.begin()
    bench.say("It is")
    bench.lose()
    assert bench.wanted(AnswerDropped) == [AnswerDropped(1)]
    bench.tell(Asked(1, "what time is it"))
    bench.reopen()
    assert bench.last.items == ["user: what time is it"]


# ── tools ────────────────────────────────────────────────────────────────────────────────────


def test_a_tool_waits_until_the_answer_is_wanted() -> None:
    bench = likely()
    bench.call("c1")
    assert not bench.wanted(CallTool)
    assert not bench.machine.waiting, "nobody works"
    bench.tell(Asked(1, "what time is it"))
    assert bench.wanted(CallTool) == [CallTool(1, look("c1"))]
    bench.tell(ToolReturned(1, "c1", "three"))
    assert bench.last.items == ["output c1: three"]


def test_a_tool_of_an_answer_that_is_thrown_away_is_never_called() -> None:
    bench = likely()
    bench.call("c1")
    bench.tell(WentOn(1))
    bench.ask(1, "what time is it in Rome")
    assert not bench.wanted(CallTool)


# ── when it is not tried ─────────────────────────────────────────────────────────────────────


def test_it_can_be_switched_off() -> None:
    bench = likely(eager=False)
    assert len(bench.requests) == 1
    assert not bench.wanted(AnswerBegun)


def test_it_is_given_up_when_the_budget_is_spent() -> None:
    bench = Bench(eager_budget_tokens=3)
    for turn, words in ((1, 2), (2, 1)):
        bench.tell(LikelyEnded(turn, "what time is it"))
        bench.begin()
        for _ in range(words):
            bench.say("x ")
        bench.tell(Discarded(turn))
    assert bench.noted("eager.discarded") == [
        {"tokens": 2, "discarded_tokens": 2, "discard_rate": 1.0},
        {"tokens": 1, "discarded_tokens": 3, "discard_rate": 1.0},
    ]
    before = len(bench.requests)
    bench.tell(LikelyEnded(3, "what time is it"))
    assert len(bench.requests) == before


def test_a_new_conversation_has_a_budget_of_its_own() -> None:
    bench = Bench(eager_budget_tokens=1)
    bench.tell(LikelyEnded(1, "what time is it"))
    bench.begin()
    bench.say("x ")
    bench.tell(Discarded(1), Forgotten(erased=True))
    before = len(bench.requests)
    bench.tell(LikelyEnded(2, "what time is it"))
    assert len(bench.requests) == before + 1


def test_the_share_that_was_thrown_away_is_told() -> None:
    bench = Bench()
    for turn in range(1, 4):
        bench.tell(LikelyEnded(turn, "what time is it"))
        bench.answer("Three.")
        bench.tell(Asked(turn, "what time is it"), Heard(turn))
    bench.tell(LikelyEnded(4, "and"), WentOn(4))
    assert bench.noted("eager.discarded")[0]["discard_rate"] == 0.25


def test_it_is_not_tried_while_an_answer_goes_on() -> None:
    bench = Bench()
    bench.ask(1)
    bench.tell(LikelyEnded(2, "wait"))
    assert len(bench.requests) == 2
    bench.tell(Interrupted(1, ""))
    assert bench.ask(2, "wait").items[-1] == "user: wait"


def test_it_is_not_tried_without_a_connection() -> None:
    bench = Bench()
    bench.lose()
    bench.tell(LikelyEnded(1, "what time is it"))
    assert not bench.wanted(AnswerBegun)


def test_it_is_not_tried_while_too_much_runs() -> None:
    """A server that hears of no cancel writes on; sixteen at a time are its limit."""
    bench = Bench(features=Features(cancel=False))
    for turn in range(1, 20):
        before = len(bench.requests)
        bench.tell(LikelyEnded(turn, "wait"))
        if len(bench.requests) == before:
            break
        lane, response = bench.last.lane, Response(id=bench.last.id)
        bench.arrive(Created(stream_id=lane, response=response))
        bench.tell(Discarded(turn))
    assert len(bench.requests) == 13
    assert bench.ask(20), "a question is asked all the same"
