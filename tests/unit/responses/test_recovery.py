"""What helps against an error, and what the agent does about it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agent_bench import REFUSED, Bench, assistant, user
from voice.responses.answer import GO_ON
from voice.responses.events import (
    ErrorBody,
    ErrorEvent,
    Failed,
    JsonObject,
    OutputTextDelta,
    Response,
    decode_server_event,
)
from voice.responses.machine import MOST_ATTEMPTS
from voice.responses.recovery import Backoff, Cure, Failure, cure, failure, retry_after_seconds
from voice.responses.requests import Features
from voice.responses.signals import (
    AnswerFailed,
    AnswerWritten,
    Arrived,
    Asked,
    CallTool,
    CloseLink,
    Heard,
    Interrupted,
    OpenFailed,
    ToolReturned,
)

# ── what helps ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "status", "helps"),
    [
        ("previous_response_not_found", 400, Cure.RESEND),
        ("websocket_connection_limit_reached", 400, Cure.RECONNECT),
        ("websocket_stream_limit_reached", 400, Cure.RECONNECT),
        ("connection_lost", None, Cure.RECONNECT),
        ("context_length_exceeded", 400, Cure.SHORTEN),
        ("rate_limit_exceeded", None, Cure.WAIT),
        ("server_error", None, Cure.WAIT),
        ("insufficient_quota", 429, Cure.NONE),
        ("invalid_stream_id", 400, Cure.NONE),
        ("anything", 429, Cure.WAIT),
        ("anything", 503, Cure.WAIT),
        (503, None, Cure.WAIT),
        (400, None, Cure.NONE),
        (400, 429, Cure.WAIT),
        (None, 500, Cure.WAIT),
        (None, 408, Cure.WAIT),
        (None, 401, Cure.NONE),
        (None, 404, Cure.NONE),
        (None, None, Cure.NONE),
    ],
)
def test_codes_and_statuses_tell_what_helps(
    code: str | int | None, status: int | None, helps: Cure
) -> None:
    assert cure(ErrorBody(code=code), status) is helps


def test_errors_are_found_wherever_a_server_puts_them() -> None:
    nested = ErrorEvent(status=429, error=ErrorBody(code="slow_down"))
    assert failure(nested) == Failure("slow_down", Cure.WAIT)
    flat = decode_server_event('{"type":"error","code":"server_error","message":"no"}')
    assert isinstance(flat, ErrorEvent)
    assert failure(flat) == Failure("no", Cure.WAIT)
    untyped = decode_server_event('{"error":{"code":503,"message":"loading"}}')
    assert isinstance(untyped, ErrorEvent)
    assert failure(untyped) == Failure("loading", Cure.WAIT)
    failed = Failed(response=Response(error=ErrorBody(code="server_error")))
    assert failure(failed) == Failure("server_error", Cure.WAIT)
    assert failure(Failed()) is not None
    assert failure(OutputTextDelta()) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"Retry-After": 2}, 2.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3.0),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "nan", "retry-after": "3"}, 3.0),
        ({"retry-after": None}, None),
        ({"x-request-id": "1"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_the_server_says_when_to_come_back(
    headers: JsonObject, seconds: float | None, beside: bool
) -> None:
    event = ErrorEvent(error=ErrorBody())
    assert event.error
    if beside:
        event.headers = headers
    else:
        event.error.headers = headers
    assert retry_after_seconds(event) == seconds


def test_other_events_say_nothing_about_that() -> None:
    assert retry_after_seconds(ErrorEvent()) is None
    assert retry_after_seconds(OutputTextDelta()) is None


def test_waiting_doubles_up_to_a_limit_until_a_try_succeeds() -> None:
    backoff = Backoff(lambda: 1.0, first_seconds=0.5, most_seconds=4.0)
    assert [backoff.next_seconds() for _ in range(5)] == [0.5, 1.0, 2.0, 4.0, 4.0]
    backoff.reset()
    assert backoff.next_seconds() == 0.5


@given(st.floats(0, 1), st.integers(0, 2000))
def test_jitter_shortens_and_never_lengthens(random: float, tries: int) -> None:
    backoff = Backoff(lambda: random, most_seconds=30.0)
    waits = [backoff.next_seconds() for _ in range(tries)]
    assert all(0 <= wait <= 30.0 * random for wait in waits)


# ── refused ──────────────────────────────────────────────────────────────────────────────────


def asking(**options: Any) -> Bench:
    """A second question is asked: it continues the answer to the first."""
    bench = Bench(**options)
    bench.converse(1, "one", "Yes.")
    bench.ask(2, "two")
    bench.actions.clear()
    return bench


WHOLE = ["user: one", "assistant: Yes.", "user: two"]


def test_what_the_server_has_forgotten_is_told_again_at_once_on_the_same_connection() -> None:
    bench = asking()
    assert bench.last.parent == "r1"
    bench.refuse(code="previous_response_not_found", status=400)
    assert (bench.last.number, bench.last.link) == (3, 1)
    assert (bench.last.parent, bench.last.items) == ("r0", WHOLE)
    bench.refuse(code="previous_response_not_found", status=400)
    assert (bench.last.parent, bench.last.items) == (None, WHOLE)
    bench.answer("Two.")
    assert bench.heard(2) == "Two."
    assert not bench.opening


def test_a_server_that_forgets_everything_is_given_up_after_some_tries() -> None:
    bench = asking()
    for _ in range(20):
        if bench.wanted(AnswerFailed):
            break
        bench.refuse(code="previous_response_not_found", status=400)
    assert len(bench.requests) == 2 + MOST_ATTEMPTS
    assert bench.wanted(AnswerFailed) == [AnswerFailed(2, REFUSED)]


@pytest.mark.parametrize(
    "code", ["websocket_connection_limit_reached", "websocket_stream_limit_reached"]
)
def test_a_connection_that_has_reached_a_limit_is_left_for_another(code: str) -> None:
    bench = asking()
    bench.refuse(code=code, status=400)
    assert bench.wanted(CloseLink) == [CloseLink(1)]
    assert bench.reopen() == 2
    assert (bench.last.link, bench.last.parent, bench.last.items) == (2, None, WHOLE)


def test_the_end_of_a_connection_may_be_told_between_the_turns() -> None:
    bench = Bench()
    bench.converse(1, "one", "Yes.")
    limit = ErrorBody(code="websocket_connection_limit_reached", message="60 minutes")
    bench.tell(Arrived(1, ErrorEvent(error=limit)))
    assert bench.wanted(CloseLink) == [CloseLink(1)]
    bench.reopen()
    assert bench.last.only_read
    bench.read()
    assert bench.ask(2, "two").parent == bench.requests[-2].id


@pytest.mark.parametrize(("code", "status"), [("server_error", 500), (None, 429)])
def test_an_overloaded_server_is_given_time_with_jitter(code: str | None, status: int) -> None:
    bench = asking(random=0.5)
    bench.refuse(code=code, status=status)
    bench.wait(0.24)
    assert len(bench.requests) == 3
    bench.wait(0.02)
    assert len(bench.requests) == 4
    bench.refuse(code=code, status=status)
    bench.wait(0.49)
    assert len(bench.requests) == 4, "the second time it is twice as long"
    bench.wait(0.02)
    bench.answer("Two.")
    assert bench.heard(2) == "Two."
    assert [round(f["after_seconds"], 2) for f in bench.noted("request.retried")] == [0.25, 0.5]


def test_what_the_server_has_is_not_told_again_because_it_was_overloaded() -> None:
    bench = asking()
    bench.refuse(status=429)
    bench.wait(1.0)
    assert (bench.last.parent, bench.last.items) == ("r1", ["user: two"])


def test_after_an_answer_trouble_is_new_trouble() -> None:
    bench = Bench(random=0.5)
    for turn in (1, 2):
        bench.ask(turn)
        bench.refuse(code="server_error", status=500)
        bench.wait(0.25)
        bench.answer("Yes.")
        bench.tell(Heard(turn))
    assert [note["after_seconds"] for note in bench.noted("request.retried")] == [0.25, 0.25]


@pytest.mark.parametrize("beside", [True, False])
def test_a_server_that_names_a_time_is_left_alone_until_then(beside: bool) -> None:
    bench = asking()
    event = ErrorEvent(stream_id=bench.last.lane, status=429, error=ErrorBody(message="busy"))
    assert event.error
    if beside:
        event.headers = {"retry-after": "3"}
    else:
        event.error.headers = {"retry-after": "3"}
    bench.arrive(event)
    bench.wait(2.99)
    assert len(bench.requests) == 3
    bench.wait(0.02)
    assert len(bench.requests) == 4


def test_what_is_asked_meanwhile_waits_as_well() -> None:
    bench = asking()
    bench.refuse(status=429, headers={"retry-after": "3"})
    bench.tell(Interrupted(2, ""), Asked(3, "three"))
    bench.wait(2.99)
    assert len(bench.requests) == 3
    bench.wait(0.02)
    assert bench.last.items[-1] == "user: three"


def test_a_server_that_wants_more_time_than_anybody_has_is_not_waited_for() -> None:
    bench = asking(patience_seconds=10.0)
    bench.refuse(status=429, headers={"retry-after": "60"})
    [failed] = bench.wanted(AnswerFailed)
    assert failed.reason == "the server asks to wait 60 s: no (say it again then)"


def test_a_server_that_fails_again_and_again_is_given_up() -> None:
    bench = asking(random=0.1)
    for _ in range(20):
        if bench.wanted(AnswerFailed):
            break
        bench.refuse(code="server_error", status=500)
        bench.wait(1.0)
    assert len(bench.requests) == 2 + MOST_ATTEMPTS


@pytest.mark.parametrize(
    ("code", "status"), [("invalid_prompt", 400), (None, 401), ("insufficient_quota", 429)]
)
def test_what_no_other_try_would_help_fails_at_once(code: str | None, status: int) -> None:
    bench = asking()
    bench.refuse(code=code, status=status)
    assert bench.wanted(AnswerFailed) == [AnswerFailed(2, REFUSED)]
    assert len(bench.requests) == 3
    assert not bench.machine.waiting
    bench.tell(Interrupted(2, ""))
    asked = bench.ask(3)
    assert (asked.parent, asked.items) == ("r1", ["user: two", "user: hello"])


def test_a_failure_after_some_words_is_gone_on_from() -> None:
    bench = asking(random=0.0)
    bench.begin()
    bench.say("It is")
    error = ErrorBody(code="server_error", message="no")
    bench.arrive(
        Failed(stream_id=bench.last.lane, response=Response(id=bench.last.id, error=error))
    )
    assert bench.last.items[-3:] == ["user: two", "assistant: It is", f"developer: {GO_ON}"]
    assert bench.last.parent == "r1", "the parent is still there"


# ── too long ─────────────────────────────────────────────────────────────────────────────────


def long_talk(turns: int) -> list[Any]:
    return [
        item
        for number in range(turns)
        for item in (user(f"q{number} " + "x" * 40), assistant(f"a{number} " + "y" * 40))
    ]


def test_a_conversation_that_does_not_fit_is_shortened_until_it_does() -> None:
    bench = Bench(items=tuple(long_talk(16)))
    bench.ask(1, "now")
    lengths = []
    for _ in range(2):
        bench.refuse(code="context_length_exceeded", status=400)
        assert bench.last.parent is None
        assert bench.last.items[0].startswith("user: q")
        assert bench.last.items[-1] == "user: now"
        lengths.append(len(bench.last.items))
    assert 33 > lengths[0] > lengths[1] > 1
    bench.answer("Now.")
    bench.tell(Heard(1))
    assert bench.items[-2:] == ["user: now", "assistant: Now."]


def test_a_question_that_alone_does_not_fit_fails() -> None:
    bench = Bench()
    bench.ask(1)
    bench.refuse(code="context_length_exceeded", status=400)
    assert len(bench.wanted(AnswerFailed)) == 1
    assert len(bench.requests) == 2


# ── lost connections ─────────────────────────────────────────────────────────────────────────


def test_a_connection_lost_before_the_first_word_costs_nothing_but_time() -> None:
    bench = asking()
    bench.begin()
    bench.lose()
    bench.wait(0.7)
    bench.reopen()
    assert (bench.last.link, bench.last.parent, bench.last.items) == (2, None, WHOLE)
    bench.answer("Two.")
    assert bench.heard(2) == "Two."
    assert bench.noted("connection.lost") == [{"reason": "the cable"}]
    assert bench.noted("connection.recovered") == [{"seconds": 0.7}]


def test_an_answer_goes_on_after_the_words_that_were_passed_on() -> None:
    bench = asking()
    bench.begin()
    bench.say("It is")
    bench.lose()
    bench.reopen()
    assert bench.last.items == [*WHOLE, "assistant: It is", f"developer: {GO_ON}"]
    bench.answer("half past three.")
    assert bench.heard(2) == "It is half past three."
    bench.tell(Heard(2))
    assert bench.items[-1] == "assistant: It is half past three.", "and it is one message"
    assert bench.ask(3).items[-2:] == ["assistant: It is half past three.", "user: hello"]


def test_no_tool_runs_twice() -> None:
    bench = asking()
    bench.call("c1")
    bench.lose()
    bench.reopen()
    assert bench.last.number == 2, "there is nothing to ask yet"
    bench.tell(ToolReturned(2, "c1", "three"))
    assert bench.last.link == 2
    assert bench.last.items == [*WHOLE, "call c1", "output c1: three"]
    bench.lose(2)
    bench.wait(0.5)
    assert bench.reopen() == 3
    assert bench.last.items == [*WHOLE, "call c1", "output c1: three"]
    bench.answer("It is three.")
    assert bench.heard(2) == "It is three."
    assert len(bench.wanted(CallTool)) == 1


def test_a_call_that_was_lost_before_it_was_complete_is_made_by_the_next_try() -> None:
    bench = asking()
    bench.begin()
    bench.lose()
    bench.reopen()
    bench.call("c2")
    assert [action.call.call_id for action in bench.wanted(CallTool)] == ["c2"]


def test_late_events_of_a_lost_connection_are_nobodys() -> None:
    bench = asking()
    old = bench.begin()
    bench.lose()
    bench.reopen()
    bench.actions.clear()
    bench.say("late words", to=old)
    bench.finish(to=old)
    assert not bench.actions


def test_a_question_waits_patiently_for_a_lost_server_and_then_says_so() -> None:
    bench = Bench(patience_seconds=10.0)
    bench.lose()
    bench.wait(3.0)
    bench.tell(Asked(1, "hello"))
    for number in range(2, 20):
        if bench.wanted(AnswerFailed):
            break
        if number in bench.opening:
            bench.tell(OpenFailed(number, "no route"))
        bench.wait(1.0)
    assert bench.wanted(AnswerFailed) == [AnswerFailed(1, "no route")]
    assert bench.now == pytest.approx(13.0, abs=1.0)
    bench.tell(Interrupted(1, ""))
    bench.wait(60.0)
    bench.reopen()
    assert bench.last.only_read, "it is still tried"


def test_a_question_does_not_wait_for_the_next_try_to_connect() -> None:
    bench = Bench(random=1.0)
    bench.lose()
    for number in range(2, 8):
        bench.tell(OpenFailed(number, "no route"))
        bench.wait(31.0)
    assert bench.opening[-1] == 8
    bench.tell(OpenFailed(8, "no route"))
    bench.wait(1.0)
    assert bench.opening[-1] == 8
    bench.tell(Asked(1, "hello"))
    assert bench.opening[-1] == 9


def test_the_first_connection_may_take_its_time() -> None:
    bench = Bench(connected=False)
    bench.tell(Asked(1, "hello"))
    bench.wait(100.0)
    assert not bench.wanted(AnswerFailed)
    bench.reopen()
    assert bench.last.items == ["user: hello"]


def test_trouble_late_in_an_answer_is_met_with_as_much_patience() -> None:
    """The tool took its time; that the server forgot the parent then is no reason to give up."""
    bench = asking(patience_seconds=10.0)
    bench.call("c1")
    bench.wait(15.0)
    bench.tell(ToolReturned(2, "c1", "three"))
    bench.refuse(code="previous_response_not_found", status=400)
    bench.answer("It is three.")
    assert not bench.wanted(AnswerFailed)
    assert bench.heard(2) == "It is three."


def test_a_tool_that_returns_while_the_connection_is_away_leaves_time_for_another() -> None:
    bench = asking(patience_seconds=5.0)
    bench.call("c1")
    bench.lose()
    bench.wait(7.0)
    bench.tell(ToolReturned(2, "c1", "three"))
    bench.wait(1.0)
    assert not bench.wanted(AnswerFailed)
    bench.reopen()
    assert bench.last.items[-1] == "output c1: three"


# ── silence ──────────────────────────────────────────────────────────────────────────────────


def test_a_server_that_says_nothing_for_too_long_is_left() -> None:
    bench = asking(stall_seconds=60.0)
    bench.begin()
    bench.wait(59.0)
    bench.say("It is")
    bench.wait(59.0)
    assert not bench.wanted(CloseLink)
    bench.wait(2.0)
    assert bench.wanted(CloseLink) == [CloseLink(1)]
    bench.reopen()
    assert bench.last.items[-2:] == ["assistant: It is", f"developer: {GO_ON}"]


def test_one_that_nobody_waits_for_may_be_silent_and_the_connection_is_replaced_in_time() -> None:
    bench = asking(stall_seconds=60.0)
    bench.begin()
    bench.tell(Interrupted(2, ""))
    bench.wait(61.0)
    assert not bench.wanted(CloseLink)
    assert bench.opening == [2], "its lane would never be free again"
    bench.reopen()
    bench.read()
    assert bench.wanted(CloseLink) == [CloseLink(1)]


# ── what the server keeps ────────────────────────────────────────────────────────────────────


def test_a_stored_response_is_continued_on_another_connection() -> None:
    bench = asking(store=True)
    bench.lose()
    bench.reopen()
    assert (bench.last.link, bench.last.parent, bench.last.items) == (2, "r1", ["user: two"])
    bench.refuse(code="previous_response_not_found", status=400)
    assert (bench.last.parent, bench.last.items) == (None, WHOLE), "if it really has it"


def test_a_stored_response_is_continued_also_where_lanes_are_not_remembered() -> None:
    bench = Bench(store=True, remembers=False)
    bench.converse(1, "one", "Yes.")
    assert bench.ask(2, "two").parent == "r0"


def test_an_answer_that_nobody_wanted_is_not_what_is_continued_there() -> None:
    bench = asking(store=True)
    story = bench.begin()
    bench.tell(Interrupted(2, ""))
    bench.finish(to=story)
    bench.lose()
    bench.reopen()
    assert (bench.last.parent, bench.last.items) == ("r1", ["user: two"])


@pytest.mark.parametrize("features", [Features(chaining=False), Features()])
def test_without_a_memory_everything_is_told_each_time(features: Features) -> None:
    """HTTP, or a server that continues nothing with `store: false`."""
    bench = Bench(features=features, remembers=features != Features())
    assert not bench.requests
    bench.converse(1, "one", "Yes.")
    asked = bench.ask(2, "two")
    assert (asked.parent, asked.items) == (None, WHOLE)
    bench.call("c1")
    bench.tell(ToolReturned(2, "c1", "three"))
    assert bench.last.items == [*WHOLE, "call c1", "output c1: three"]
    bench.answer("Two.")
    assert bench.wanted(AnswerWritten)[-1] == AnswerWritten(2)
