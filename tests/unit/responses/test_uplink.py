"""The way to the server: whose events they are, cancels, silence, rotation."""

from __future__ import annotations

from tests.support.agent_bench import REFUSED, Bench, Sent, message
from voice.responses.events import (
    Completed,
    Created,
    ErrorBody,
    ErrorEvent,
    Incomplete,
    InProgress,
    InputTokensDetails,
    OutputItemDone,
    OutputTextDelta,
    Response,
    ServerEvent,
    Usage,
)
from voice.responses.requests import Features
from voice.responses.signals import (
    AnswerFailed,
    AnswerWritten,
    Arrived,
    Asked,
    CloseLink,
    Committed,
    Heard,
    Interrupted,
    Lost,
    Noted,
    Opened,
    OpenFailed,
    OpenLink,
    TextReceived,
)

# ── what a response may look like ────────────────────────────────────────────────────────────


def asked(turn: int = 1) -> Bench:
    bench = Bench(eager=False)
    bench.ask(turn)
    bench.actions.clear()
    return bench


def test_a_response_without_deltas_is_passed_on_whole() -> None:
    bench = asked()
    bench.begin()
    bench.finish(message("Hi."))
    assert bench.wanted(TextReceived, AnswerWritten) == [TextReceived(1, "Hi."), AnswerWritten(1)]


def test_a_response_that_repeats_nothing_at_its_end_is_made_of_its_deltas() -> None:
    bench = asked()
    sent = bench.begin()
    bench.say("Hi")
    bench.say(" there.")
    bench.arrive(Completed(stream_id=sent.lane, response=Response(id=sent.id)))
    bench.tell(Heard(1))
    assert bench.items[-1] == "assistant: Hi there."


def test_items_that_come_one_by_one_are_enough() -> None:
    bench = asked()
    sent = bench.begin()
    done = OutputItemDone(stream_id=sent.lane, item=message("Hi."))
    bench.arrive(done, Completed(stream_id=sent.lane))
    bench.tell(Heard(1))
    assert bench.items[-1] == "assistant: Hi."


def test_an_answer_that_ends_early_is_an_answer() -> None:
    bench = asked()
    sent = bench.begin()
    bench.say("Hi")
    reason = {"reason": "max_output_tokens"}
    response = Response(id=sent.id, incomplete_details=reason)
    bench.arrive(Incomplete(stream_id=sent.lane, response=response))
    assert bench.wanted(AnswerWritten) == [AnswerWritten(1)]


def test_an_empty_delta_is_no_word() -> None:
    bench = asked()
    bench.begin()
    bench.say("")
    assert not bench.wanted(TextReceived)
    bench.finish()
    assert bench.wanted(AnswerWritten) == [AnswerWritten(1)]


def test_events_that_mean_nothing_to_us_are_passed_over() -> None:
    bench = asked()
    sent = bench.begin()
    progress = InProgress(stream_id=sent.lane, response=Response(id=sent.id))
    bench.arrive(progress, OutputItemDone(stream_id=sent.lane, item={"type": "surprise"}))
    bench.say("Hi.")
    bench.finish()
    assert bench.heard(1) == "Hi."


def test_what_was_read_is_told_with_its_size() -> None:
    bench = Bench(connected=False)
    bench.tell(Opened(1))
    details = InputTokensDetails(cached_tokens=30)
    bench.begin()
    bench.finish(usage=Usage(input_tokens=100, input_tokens_details=details))
    [read] = bench.noted("input.read")
    assert read == {"purpose": "prime", "tokens": 100, "new_tokens": 70}


def test_a_request_is_told_with_its_lane_and_size() -> None:
    bench = Bench()
    bench.converse(1, "hello", "Hi.")
    bench.actions.clear()
    sent = bench.ask(2, "and now")
    [note] = bench.noted("request.sent")
    assert note == {"lane": sent.lane, "items": 1, "characters": 7, "chained": True}


# ── events without a lane ────────────────────────────────────────────────────────────────────


def plain(bench: Bench, *events: ServerEvent) -> None:
    bench.tell(*(Arrived(1, event) for event in events))


def named(sent: Sent) -> Response:
    return Response(id=sent.id)


def test_a_server_that_names_no_lanes_is_understood() -> None:
    bench = asked()
    sent = bench.last
    plain(bench, Created(response=named(sent)), OutputTextDelta(delta="Bare."))
    plain(bench, Completed(response=named(sent)))
    assert bench.heard(1) == "Bare."
    assert bench.wanted(AnswerWritten) == [AnswerWritten(1)]
    bench.tell(Heard(1))
    assert bench.ask(2).parent == sent.id


def test_without_lanes_late_words_of_an_abandoned_answer_are_still_dropped() -> None:
    """Such a server writes one response after the other, and does not hear of a cancel."""
    bench = asked()
    story = bench.last
    plain(bench, Created(response=named(story)), OutputTextDelta(delta="Once upon"))
    bench.tell(Interrupted(1, "Once"))
    joke = bench.ask(2, "a joke")
    plain(bench, OutputTextDelta(delta=" a time"), Completed(response=named(story)))
    assert not bench.heard(2)
    assert not bench.wanted(AnswerWritten)
    plain(bench, Created(response=named(joke)), OutputTextDelta(delta="Right."))
    plain(bench, Completed(response=named(joke)))
    assert bench.heard(2) == "Right."
    assert bench.wanted(AnswerWritten) == [AnswerWritten(2)]


def test_without_lanes_an_answer_that_was_cancelled_may_just_end() -> None:
    bench = asked()
    plain(bench, Created(response=named(bench.last)), OutputTextDelta(delta="Once upon"))
    bench.tell(Interrupted(1, "Once"))
    joke = bench.ask(2, "a joke")
    plain(bench, Created(response=named(joke)), OutputTextDelta(delta="Right."))
    assert bench.heard(2) == "Right."


def test_an_error_without_a_lane_refuses_what_has_not_begun() -> None:
    bench = asked()
    bench.begin()
    bench.tell(Interrupted(1, ""))
    bench.ask(2, "a joke")
    plain(bench, ErrorEvent(status=400, error=ErrorBody(code="invalid_prompt", message="no")))
    assert bench.wanted(AnswerFailed) == [AnswerFailed(2, REFUSED)]


# ── several at once ──────────────────────────────────────────────────────────────────────────


def reading_and_asked() -> tuple[Bench, Sent, Sent]:
    """A question waits on a lane behind its first words, which are just being read."""
    bench = Bench(eager=False, input_words=2)
    bench.tell(Committed(1, "turn on the"))
    reading = bench.begin()
    question = bench.ask(1, "turn on the light")
    assert question.lane == reading.lane
    return bench, reading, question


def test_of_two_on_a_lane_each_gets_its_own_events() -> None:
    bench, reading, question = reading_and_asked()
    bench.read(reading)
    bench.answer("Done.", to=question)
    assert bench.heard(1) == "Done."
    bench.tell(Heard(1))
    assert bench.ask(2).parent == question.id


def test_an_error_on_a_lane_refuses_the_one_that_waits() -> None:
    bench, reading, question = reading_and_asked()
    bench.refuse(code="previous_response_not_found", status=400, to=question)
    again = bench.last
    assert (again.number, again.parent) == (question.number + 1, reading.id)
    bench.read(reading)
    bench.answer("Done.", to=again)
    assert bench.heard(1) == "Done."


# ── abandoned ────────────────────────────────────────────────────────────────────────────────


def test_an_abandoned_answer_is_cancelled_once_and_its_events_are_dropped() -> None:
    bench = asked()
    story = bench.begin()
    bench.say("Once upon")
    bench.tell(Interrupted(1, "Once"))
    assert bench.cancelled == [story.id]
    assert not bench.machine.waiting, "nobody waits for it"
    bench.actions.clear()
    bench.say(" a time", to=story)
    bench.finish(to=story)
    assert not bench.wanted(TextReceived, AnswerWritten)
    assert not bench.cancelled


def test_what_an_abandoned_answer_writes_is_not_kept() -> None:
    """A server that ignores the cancel may write on for ever."""
    bench = asked()
    story = bench.begin()
    bench.say("Once upon")
    bench.tell(Interrupted(1, "Once"))
    for _ in range(3):
        bench.say(" and on", to=story)
    [left] = bench.machine._uplink.links[0].lanes.running
    assert left.text == "Once upon"


def test_the_cancel_waits_for_the_name_of_the_response() -> None:
    bench = asked()
    story = bench.last
    bench.tell(Interrupted(1, ""))
    assert not bench.cancelled
    bench.begin(story)
    assert bench.cancelled == [story.id]


def test_a_server_that_knows_no_cancel_is_not_sent_any() -> None:
    bench = Bench(features=Features(cancel=False))
    bench.ask(1)
    bench.begin()
    bench.tell(Interrupted(1, ""))
    assert not bench.cancelled


def test_over_http_a_cancel_closes_the_stream_and_needs_no_server_that_knows_it() -> None:
    bench = Bench(features=Features(cancel=False), remembers=False)
    bench.ask(1)
    story = bench.begin()
    bench.tell(Interrupted(1, ""))
    assert bench.cancelled == [story.id]


def test_what_an_abandoned_answer_ended_with_is_not_continued() -> None:
    bench = Bench()
    settled = bench.converse(1, "hello", "Hi.")
    bench.ask(2, "a story")
    story = bench.begin()
    bench.tell(Interrupted(2, ""))
    bench.say("Once.", to=story)
    bench.finish(to=story)
    assert bench.ask(3, "a joke").parent == settled.id


# ── rotation ─────────────────────────────────────────────────────────────────────────────────


def old() -> Bench:
    """A connection with one turn behind it, that has just become old."""
    bench = Bench(rotate_minutes=1.0)
    bench.converse(1, "one", "Yes.")
    bench.wait(60.0)
    assert bench.opening == [2]
    return bench


WHOLE = ["user: one", "assistant: Yes."]


def test_a_new_connection_reads_the_conversation_and_takes_over() -> None:
    bench = old()
    bench.reopen()
    reading = bench.last
    assert (reading.link, reading.only_read, reading.items) == (2, True, WHOLE)
    assert not bench.wanted(CloseLink)
    bench.read()
    assert bench.wanted(CloseLink) == [CloseLink(1)]
    assert len(bench.noted("connection.rotated")) == 1
    asked = bench.ask(2, "two")
    assert (asked.link, asked.parent, asked.items) == (2, reading.id, ["user: two"])


def test_a_turn_that_begins_meanwhile_is_not_delayed_and_the_change_waits_for_its_end() -> None:
    bench = old()
    bench.reopen()
    reading = bench.last
    question = bench.ask(2, "two")
    assert (question.link, question.parent) == (1, "r1")
    bench.read(reading)
    assert not bench.wanted(CloseLink)
    bench.answer("Two.", to=question)
    assert not bench.wanted(CloseLink), "it has not been heard yet"
    bench.tell(Heard(2))
    assert bench.wanted(CloseLink) == [CloseLink(1)]
    asked = bench.ask(3, "three")
    assert (asked.link, asked.parent) == (2, reading.id)
    assert asked.items == ["user: two", "assistant: Two.", "user: three"]


def test_nor_does_it_change_while_somebody_speaks() -> None:
    bench = old()
    bench.tell(Committed(2, "well"))
    bench.reopen()
    bench.read()
    assert not bench.wanted(CloseLink)
    assert bench.ask(2, "well then").link == 1


def test_where_the_old_connection_is_lost_meanwhile_the_new_one_takes_over_at_once() -> None:
    bench = old()
    bench.reopen()
    reading = bench.last
    question = bench.ask(2, "two")
    bench.lose(1)
    again = bench.last
    assert (again.number, again.link) == (question.number + 1, 2)
    assert again.items == [*WHOLE, "user: two"]
    bench.read(reading)
    bench.answer("Two.", to=again)
    assert bench.heard(2) == "Two."
    assert bench.opening == [2]
    assert bench.noted("connection.recovered") == [{"seconds": 0.0}]


def test_late_in_an_answer_too() -> None:
    """Patience is for what goes wrong, and until now nothing did."""
    bench = Bench(rotate_minutes=1.0, patience_seconds=10.0)
    bench.ask(1)
    bench.begin()
    bench.wait(59.0)
    bench.say("It is")
    bench.wait(1.0)
    bench.reopen()
    bench.lose(1)
    assert not bench.wanted(AnswerFailed)
    assert bench.last.link == 2
    assert bench.last.items[1] == "assistant: It is"


def test_where_a_rotation_fails_it_is_tried_again_and_nobody_notices() -> None:
    bench = old()
    bench.tell(OpenFailed(2, "no route"))
    question = bench.ask(2, "two")
    assert (question.link, question.parent) == (1, "r1")
    bench.answer("Two.")
    bench.tell(Heard(2))
    bench.wait(1.0)
    assert bench.opening == [2, 3]
    bench.reopen()
    bench.read()
    assert bench.wanted(CloseLink) == [CloseLink(1)]


def test_a_new_connection_that_is_lost_before_it_took_over_is_replaced() -> None:
    bench = old()
    bench.reopen()
    bench.tell(Lost(2, "the cable"))
    assert not bench.noted("connection.lost"), "the one in use is fine"
    bench.wait(1.0)
    assert bench.opening == [2, 3]


def test_a_connection_that_comes_when_nobody_waits_for_it_is_closed() -> None:
    bench = Bench()
    bench.tell(Opened(7))
    assert bench.wanted(CloseLink) == [CloseLink(7)]
    bench.tell(Lost(7, "closed"), Arrived(7, Created()))
    assert not bench.wanted(OpenLink)


def test_an_error_that_is_about_nothing_of_ours_is_noted() -> None:
    bench = Bench()
    plain(bench, ErrorEvent(status=400, error=ErrorBody(code="odd", message="what is that?")))
    assert bench.actions == [Noted("server.reported", 0, {"reason": "what is that?"})]


def test_a_server_that_throws_us_out_at_once_is_not_called_again_and_again() -> None:
    bench = Bench(random=1.0)
    for number in range(1, 7):
        bench.lose(number)
        bench.wait(31.0)
        bench.reopen()
    openings = len(bench.opening)
    assert openings == 6
    bench.lose(7)
    assert len(bench.opening) == openings, "not at once"
    bench.tell(Asked(1, "hello"))
    assert not bench.wanted(AnswerFailed)
