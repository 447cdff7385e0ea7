"""One answer over its rounds: words, calls, and what is kept when it breaks."""

from __future__ import annotations

import pytest

from tests.support.agent_bench import assistant, look, user
from voice.responses.answer import GO_ON, Answer
from voice.responses.conversation import Node
from voice.responses.events import FunctionCallOutput, InputMessage
from voice.responses.lanes import Exchange

QUESTION = Node().child([user("what time is it")])


def answer() -> Answer:
    return Answer(1, "what time is it", QUESTION, since=0.0, asked=True)


def running(some: Answer, text: str = "") -> Exchange:
    """The request is sent, and so much of the response has come."""
    exchange = Exchange("answer", 1, some.request_node(), text=text)
    some.send(exchange)
    return exchange


def output(call_id: str, text: str) -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output=text)


def test_a_question_waits_to_be_sent_and_then_for_its_answer() -> None:
    some = answer()
    assert some.waiting
    assert some.request_node() is QUESTION
    running(some)
    assert not some.waiting
    assert some.at_work


def test_text_is_counted_as_it_is_passed_on() -> None:
    some = answer()
    assert [some.take("It is"), some.take(" three.")] == ["It is", " three."]
    assert (some.characters, some.tokens, some.spoke) == (12, 2, True)


def test_an_answer_without_calls_is_written() -> None:
    some, said = answer(), QUESTION.child([assistant("Three.")])
    running(some, "Three.")
    some.reach(said, "Three.", [], [])
    assert some.written
    assert not some.at_work
    assert some.exchange is None
    assert some.said_tip() is said


# ── rounds of tools ──────────────────────────────────────────────────────────────────────────


def called(*calls: str) -> Answer:
    """An answer that has said something and calls these tools."""
    some = answer()
    running(some)
    some.take("Let me see.")
    items = [look(call) for call in calls]
    some.reach(QUESTION.child([assistant("Let me see."), *items]), "Let me see.", items, [])
    return some


def test_the_next_round_is_due_with_the_last_output() -> None:
    some = called("c1", "c2")
    assert (some.written, some.rounds) == (False, 1)
    some.return_output("c2", "two")
    assert not some.waiting
    some.return_output("c1", "one")
    assert some.waiting
    assert not some.calls
    assert list(some.request_node().items) == [output("c1", "one"), output("c2", "two")]


def test_words_after_a_tool_are_a_sentence_of_their_own() -> None:
    some = called("c1")
    some.return_output("c1", "three")
    running(some)
    assert [some.take("It is"), some.take(" three.")] == [" It is", " three."]


def test_outputs_of_other_calls_are_dropped() -> None:
    some = called("c1")
    some.return_output("c7", "seven")
    assert not some.waiting
    some.return_output("c1", "one")
    some.return_output("c1", "again")
    assert list(some.tip.items) == [output("c1", "one")]


def test_some_outputs_are_certain_while_others_are_not() -> None:
    some = called("c1", "c2")
    assert some.said_tip() is some.tip
    some.return_output("c1", "one")
    assert some.said_tip().since(some.tip) == [output("c1", "one")]


def test_tools_that_wait_for_the_question_are_no_work() -> None:
    some = called("c1")
    assert some.at_work
    some.asked = False
    assert not some.at_work


# ── when it breaks ───────────────────────────────────────────────────────────────────────────


def test_a_question_of_which_nothing_was_said_is_asked_again() -> None:
    some = answer()
    running(some)
    some.retry(7.5)
    assert (some.waiting, some.not_before, some.exchange) == (True, 7.5, None)
    assert some.request_node() is QUESTION
    assert some.take("Three.") == "Three."


def broken(*pieces: str) -> Answer:
    """The connection was lost after each of these pieces."""
    some = answer()
    for piece in pieces:
        running(some, piece)
        some.take(piece)
        some.retry(0.0)
    return some


def test_words_that_were_passed_on_are_gone_on_from() -> None:
    some = broken("It is")
    assert some.request_node().since(QUESTION) == [
        assistant("It is"),
        InputMessage(role="developer", content=GO_ON),
    ]
    running(some, "three.")
    assert some.take("three.") == " three."


@pytest.mark.parametrize("pieces", [("It is",), ("It", "is")])
def test_pieces_are_one_message_and_the_remark_between_them_is_none(pieces: tuple[str]) -> None:
    some = broken(*pieces)
    exchange = running(some, "three.")
    some.reach(exchange.node.child([assistant("three.")]), "three.", [], [])
    assert some.said_tip().since(QUESTION) == [assistant("It is three.")]
    assert some.written


def test_calls_after_a_break_follow_the_whole_message() -> None:
    some = broken("Let me")
    exchange = running(some, "see.")
    some.reach(exchange.node.child([assistant("see."), look("c1")]), "see.", [look("c1")], [])
    assert some.tip.since(QUESTION) == [assistant("Let me see."), look("c1")]
    some.return_output("c1", "three")
    assert some.request_node().since(QUESTION)[2:] == [output("c1", "three")]


def test_a_round_that_is_complete_makes_the_tries_count_anew() -> None:
    some = answer()
    some.attempts = 4
    running(some)
    some.reach(QUESTION.child([look("c1")]), "", [look("c1")], [])
    assert some.attempts == 0


@pytest.mark.parametrize("text", ["It is", ""])
def test_what_was_passed_on_of_an_answer_that_is_given_up_was_said(text: str) -> None:
    some = answer()
    running(some, text)
    some.give_up()
    assert some.written
    assert not some.waiting
    assert some.said_tip().since(QUESTION) == ([assistant(text)] if text else [])


def test_words_that_were_put_into_a_response_are_part_of_the_conversation() -> None:
    some = answer()
    running(some)
    some.steered = QUESTION.child([user("in Rome")])
    assert some.said_tip() is some.steered
