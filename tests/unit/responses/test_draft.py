"""Words on their way to the server while they are spoken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agent_bench import Bench, user
from voice.responses.conversation import Node
from voice.responses.draft import Draft
from voice.responses.lanes import Exchange
from voice.responses.requests import Features
from voice.responses.signals import (
    Asked,
    Committed,
    Discarded,
    Heard,
    Interrupted,
    LikelyEnded,
    Opened,
    TextReceived,
)

ROOT = Node()


def draft(committed: str = "") -> Draft:
    return Draft(1, ROOT, ROOT, committed)


def send(some: Draft, words: str, response_id: str = "") -> Exchange:
    """These words are on their way, under a name if the server has told one."""
    node = some.node.child([user(words)])
    exchange = Exchange("draft", some.turn, node, response_id=response_id)
    some.sent(exchange, words)
    return exchange


# ── which words ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("committed", "least", "due"),
    [
        ("", 1, ""),
        ("turn", 1, ""),
        ("turn on the", 3, ""),
        ("turn on the light", 3, "turn on the"),
        ("turn on the light", 4, ""),
    ],
)
def test_the_last_word_stays_back_and_few_are_not_worth_it(
    committed: str, least: int, due: str
) -> None:
    assert draft(committed).due(least) == due


def test_only_new_words_are_sent_and_they_continue_the_message() -> None:
    some = draft("turn on the")
    exchange = send(some, some.due(1))
    some.committed = "turn on the light please"
    assert some.due(1) == "", "one piece at a time"
    some.ended(exchange, read=True)
    assert some.due(1) == " the light"
    assert some.node is exchange.node


def test_words_that_were_not_read_are_due_again() -> None:
    some = draft("turn on the")
    exchange = send(some, some.due(1))
    some.ended(exchange, read=False)
    assert some.due(1) == "turn on"
    assert some.node is ROOT


def test_the_end_of_another_request_is_none_of_its_business() -> None:
    some = draft("turn on the")
    send(some, some.due(1))
    some.ended(Exchange("draft", 1, ROOT), read=True)
    assert some.read == ""
    assert some.due(1) == ""


# ── the question ─────────────────────────────────────────────────────────────────────────────


def test_the_question_brings_the_rest() -> None:
    some = draft("turn on the")
    some.ended(send(some, "turn on"), read=True)
    asking = some.asking("turn on the light.")
    assert asking.parent is some.node
    assert asking.items == (user(" the light."),)


def test_a_piece_that_is_being_read_counts_once_it_has_a_name() -> None:
    some = draft("turn on the")
    some.ended(send(some, "turn on"), read=True)
    exchange = send(some, " the light")
    assert some.asking("turn on the light now").items == (user(" the light now"),)
    exchange.response_id = "r2"
    asking = some.asking("turn on the light now")
    assert asking.parent is exchange.node
    assert asking.items == (user(" now"),)


@pytest.mark.parametrize("text", ["Turn on the light", "turn only", "turn on", "turn"])
def test_other_words_than_were_read_begin_anew(text: str) -> None:
    some = draft("turn on the")
    some.ended(send(some, "turn on"), read=True)
    asking = some.asking(text)
    assert asking.parent is ROOT
    assert asking.items == (user(text),)


WORDS = st.sampled_from(["turn", "on", "the", "lights", "now"])


@given(st.lists(WORDS, min_size=1, max_size=12), st.data())
def test_however_it_was_sent_the_question_is_what_was_said(
    words: list[str], data: st.DataObject
) -> None:
    some = draft()
    for count in range(1, len(words) + 1):
        some.committed = " ".join(words[:count])
        if some.exchange and data.draw(st.booleans()):
            some.ended(some.exchange, read=data.draw(st.booleans()))
        if due := some.due(data.draw(st.integers(1, 3))):
            send(some, due, data.draw(st.sampled_from(["", "r"])))
    text = " ".join(words) + data.draw(st.sampled_from(["", ".", " please"]))
    assert some.asking(text).since(ROOT) == [user(text)]


# ── on the way: the whole machine ────────────────────────────────────────────────────────────


def ahead(**options: Any) -> Bench:
    return Bench(**{"input_words": 2, "eager": False, **options})


def test_committed_words_go_ahead_and_the_question_sends_the_rest() -> None:
    bench = ahead()
    bench.tell(Committed(1, "turn on the"))
    first = bench.last
    assert first.only_read
    assert (first.items, first.parent) == (["user: turn on"], "r0")
    bench.read()
    bench.tell(Committed(1, "turn on the light in"))
    second = bench.last
    assert (second.items, second.parent) == (["user:  the light"], "r1")
    assert second.lane == first.lane, "it continues what was read"
    bench.read()
    asked = bench.ask(1, "turn on the light in the hall.")
    assert not asked.only_read
    assert (asked.items, asked.parent) == (["user:  in the hall."], "r2")
    bench.answer("Done.")
    bench.tell(Heard(1))
    assert bench.items == ["user: turn on the light in the hall.", "assistant: Done."]


def test_words_gather_until_they_are_worth_a_request() -> None:
    bench = ahead(input_words=4)
    for text in ("turn", "turn on", "turn on the", "turn on the light"):
        bench.tell(Committed(1, text))
    assert len(bench.requests) == 1
    bench.tell(Committed(1, "turn on the light now"))
    assert bench.last.items == ["user: turn on the light"]


def test_one_piece_is_on_its_way_at_a_time() -> None:
    bench = ahead()
    bench.tell(Committed(1, "one two three"))
    bench.tell(Committed(1, "one two three four five six"))
    assert len(bench.requests) == 2
    bench.read()
    assert bench.last.items == ["user:  three four five"], "what gathered meanwhile"


def test_a_question_continues_the_piece_that_is_just_being_read() -> None:
    bench = ahead()
    bench.tell(Committed(1, "turn on the"))
    reading = bench.begin()
    asked = bench.ask(1, "turn on the light")
    assert asked.parent == reading.id
    assert asked.lane == reading.lane, "there it waits until that is read"
    assert asked.items == ["user:  the light"]
    bench.read(reading)
    bench.answer("Done.")
    assert bench.heard(1) == "Done."


def test_a_question_does_not_wait_for_a_piece_of_which_nothing_was_heard() -> None:
    bench = ahead()
    bench.tell(Committed(1, "turn on the"))
    piece = bench.last
    asked = bench.ask(1, "turn on the light")
    assert (asked.parent, asked.items) == ("r0", ["user: turn on the light"])
    assert asked.lane != piece.lane
    bench.begin(piece)
    assert bench.cancelled == [piece.id]


def test_the_settled_answer_stays_while_words_are_read() -> None:
    bench = ahead()
    bench.converse(1, "hello", "Hi.")
    settled = bench.last
    for turn in (2, 3):
        bench.tell(Committed(turn, "never mind that"))
        assert bench.last.parent == settled.id
        assert bench.last.lane != settled.lane
        bench.read()
        bench.tell(Discarded(turn))
    assert bench.ask(4).parent == settled.id


def test_words_of_a_discarded_utterance_are_forgotten() -> None:
    bench = ahead()
    bench.tell(Committed(1, "turn on the"))
    bench.read()
    bench.tell(Discarded(1))
    assert bench.machine.idle
    asked = bench.ask(2, "turn on the light")
    assert asked.items == ["user: turn on the light"]
    assert bench.last.parent == "r0"


def test_words_that_are_said_over_an_answer_are_sent_when_it_is_broken_off() -> None:
    bench = ahead()
    bench.ask(1, "a story")
    bench.begin()
    bench.say("Once upon a time")
    bench.tell(Committed(2, "no a joke please"))
    assert len(bench.requests) == 2
    bench.tell(Interrupted(1, "Once"))
    assert bench.last.items == ["user: a story", "assistant: Once", "user: no a joke"]
    bench.read()
    assert bench.ask(2, "no a joke please").items == ["user:  please"]


def test_nothing_is_sent_ahead_while_an_answer_is_begun_early() -> None:
    bench = ahead(eager=True)
    bench.tell(LikelyEnded(1, "turn on the light"))
    bench.tell(Committed(1, "turn on the light"))
    assert len(bench.requests) == 2


# ── servers and options that do not want it ──────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "primed", "fed"), [("off", 0, 0), ("warmup", 1, 0), ("stream", 1, 1)]
)
def test_what_is_sent_ahead_can_be_chosen(mode: str, primed: int, fed: int) -> None:
    bench = ahead(input=mode)
    assert len(bench.requests) == primed
    assert bench.machine.ready
    bench.tell(Committed(1, "turn on the"))
    assert len(bench.requests) == primed + fed
    asked = bench.ask(1, "turn on the light")
    assert asked.items == ["user: turn on the light"]


@pytest.mark.parametrize("features", [Features(ahead=False), Features(chaining=False)])
def test_a_server_that_does_not_know_it_is_not_asked_to_read(features: Features) -> None:
    bench = ahead(features=features)
    assert not bench.requests
    assert bench.machine.ready
    bench.tell(Committed(1, "turn on the"))
    assert not bench.requests


def refusing(how: str) -> Bench:
    """A server that is asked to read when it opens, and will not."""
    bench = ahead(connected=False)
    bench.tell(Opened(1))
    if how == "refuses":
        bench.refuse(code="unknown_parameter", status=400)
    elif how == "ignores":
        bench.wait(9.9)
        assert not bench.machine.ready
        bench.wait(0.2)
    else:
        bench.begin()
        bench.say("Hello, what can I do?")
        bench.finish()
    return bench


@pytest.mark.parametrize("how", ["refuses", "ignores", "answers"])
def test_a_server_that_cannot_only_read_is_told_once(how: str) -> None:
    bench = refusing(how)
    assert bench.machine.ready
    assert len(bench.noted("input.refused")) == 1
    bench.tell(Committed(1, "turn on the"))
    assert len(bench.requests) == 1
    asked = bench.ask(1, "turn on the light")
    assert (asked.parent, asked.items) == (None, ["user: turn on the light"])
    bench.answer("Done.")
    assert bench.heard(1) == "Done."
    assert not bench.opening[1:], "and it is still there"


def test_what_it_says_to_that_is_not_passed_on() -> None:
    assert not refusing("answers").wanted(TextReceived)


def test_it_is_not_asked_again_on_another_connection() -> None:
    bench = refusing("refuses")
    bench.lose()
    bench.reopen()
    assert len(bench.requests) == 1
    assert bench.machine.ready


def test_a_question_does_not_wait_until_the_connection_is_read_to() -> None:
    bench = ahead(connected=False)
    bench.tell(Opened(1))
    asked = bench.ask(1)
    assert (asked.parent, asked.items) == (None, ["user: hello"])
    bench.answer("Hi.")
    assert bench.heard(1) == "Hi."


def test_a_question_from_before_the_connection_needs_no_reading() -> None:
    bench = ahead(connected=False)
    bench.tell(Asked(1, "hello"), Opened(1))
    assert len(bench.requests) == 1
    assert not bench.last.only_read


@pytest.mark.parametrize(
    ("code", "status"),
    [("server_error", 500), (None, 429), ("context_length_exceeded", 400)],
)
def test_what_the_server_would_not_read_comes_with_the_question(
    code: str | None, status: int
) -> None:
    """Sent again at once it would be refused again at once, for as long as somebody speaks."""
    bench = ahead()
    bench.tell(Committed(1, "turn on the"))
    bench.refuse(code=code, status=status)
    bench.tell(Committed(1, "turn on the light in the"))
    assert len(bench.requests) == 2
    assert bench.ask(1, "turn on the light").items == ["user: turn on the light"]
    bench.answer("Done.")
    bench.tell(Heard(1), Committed(2, "and now the"))
    assert bench.last.only_read, "the next utterance is another matter"


def test_a_piece_that_was_lost_with_the_connection_is_sent_on_the_next() -> None:
    bench = ahead()
    bench.tell(Committed(1, "turn on the"))
    bench.lose()
    bench.reopen()
    assert bench.last.link == 2
    assert (bench.last.parent, bench.last.items) == (None, ["user: turn on"])
    bench.read()
    assert bench.ask(1, "turn on the light").items == ["user:  the light"]
