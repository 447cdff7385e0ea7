"""Conversations in simulated time: what the agent's machine sends, passes on, and remembers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agent_bench import Bench, Sent, assistant, look, message, user
from voice.responses.conversation import CANCELLED
from voice.responses.events import (
    Compaction,
    Completed,
    ErrorBody,
    Failed,
    Incomplete,
    Response,
    Steer,
    SteerAccepted,
    SteerFailed,
    SteerPending,
    Usage,
)
from voice.responses.requests import Features
from voice.responses.signals import (
    Announced,
    AnswerBegun,
    AnswerFailed,
    AnswerWritten,
    Asked,
    CallTool,
    Committed,
    Discarded,
    Fact,
    Heard,
    Interrupted,
    ItemsSettled,
    LikelyEnded,
    Opened,
    StopTool,
    TextReceived,
    ToolReturned,
    WentOn,
)

# ── chains ───────────────────────────────────────────────────────────────────────────────────


def test_a_question_is_answered_word_by_word() -> None:
    bench = Bench()
    bench.ask(1, "hello")
    assert bench.machine.waiting
    bench.answer("Hi", " there.")
    assert not bench.machine.waiting
    assert not bench.machine.idle, "nobody has heard it yet"
    bench.tell(Heard(1))
    assert bench.wanted(AnswerBegun, TextReceived, AnswerWritten, ItemsSettled) == [
        AnswerBegun(1, eager=False),
        TextReceived(1, "Hi"),
        TextReceived(1, " there."),
        AnswerWritten(1),
        ItemsSettled(1, [user("hello"), assistant("Hi there.")]),
    ]
    assert bench.machine.idle


def test_a_chain_sends_only_what_is_new() -> None:
    bench = Bench()
    first = bench.converse(1, "hello", "Hi.")
    assert (first.parent, first.items) == ("r0", ["user: hello"])
    second = bench.ask(2, "and now")
    assert (second.parent, second.items) == (first.id, ["user: and now"])
    assert second.lane != first.lane, "what is settled rests"


def test_an_earlier_conversation_goes_on() -> None:
    bench = Bench(items=(user("one"), assistant("Yes.")))
    assert bench.requests[0].items == ["user: one", "assistant: Yes."], "it is read ahead"
    assert bench.ask(1, "two").items == ["user: two"]
    assert bench.items == ["user: one", "assistant: Yes."]


def test_an_announcement_reaches_the_model_with_the_next_question() -> None:
    bench = Bench()
    bench.converse(1, "set a timer", "Done.")
    bench.tell(Announced(2, "The tea is ready."))
    assert bench.heard(2) == "The tea is ready."
    assert len(bench.requests) == 2, "nobody is asked for it"
    bench.tell(Heard(2))
    asked = bench.ask(3, "thanks")
    assert (asked.parent, asked.items) == ("r1", ["assistant: The tea is ready.", "user: thanks"])


def test_an_announcement_counts_as_far_as_it_was_heard() -> None:
    bench = Bench()
    bench.tell(Announced(1, "The tea is ready."), Interrupted(1, "The tea"))
    assert bench.ask(2, "what").items == ["assistant: The tea", "user: what"]


def test_only_the_answer_that_is_on_can_be_heard_or_interrupted() -> None:
    bench = Bench()
    bench.ask(2)
    bench.tell(Heard(1), Interrupted(1, "x"))
    bench.answer("Hi.")
    bench.tell(Heard(2), Heard(2), Interrupted(2, ""))
    assert bench.settled == [["user: hello", "assistant: Hi."]]


def test_two_answers_at_a_time_are_a_mistake_of_the_session() -> None:
    bench = Bench()
    bench.ask(1)
    with pytest.raises(AssertionError, match="neither been heard nor interrupted"):
        bench.tell(Asked(2, "more"))


# ── barge-in ─────────────────────────────────────────────────────────────────────────────────


def interrupted(heard: str = "Once upon") -> tuple[Bench, Sent, Sent]:
    """A story is broken off while the server still writes it; returns also both requests."""
    bench = Bench()
    bench.converse(1, "hello", "Hi.")
    story = bench.ask(2, "a story")
    bench.begin()
    bench.say("Once upon a time there was a dog.")
    bench.tell(Interrupted(2, heard))
    bench.actions.clear()
    return bench, story, bench.ask(3, "a joke")


def test_the_next_question_is_sent_at_once_on_another_lane() -> None:
    bench, story, joke = interrupted()
    assert joke.lane not in (story.lane, bench.requests[1].lane)
    bench.answer("Right.")
    assert bench.heard(3) == "Right."


def test_it_continues_what_was_settled_with_what_was_heard() -> None:
    bench, _, joke = interrupted()
    assert joke.parent == "r1"
    assert joke.items == ["user: a story", "assistant: Once upon", "user: a joke"]
    assert bench.items[-2:] == ["user: a story", "assistant: Once upon"]


def test_words_that_nobody_heard_are_not_in_it() -> None:
    _, _, joke = interrupted(heard="")
    assert joke.items == ["user: a story", "user: a joke"]


def test_late_words_are_dropped() -> None:
    bench, story, _ = interrupted()
    bench.say(" It barked.", to=story)
    bench.finish(look("c1"), to=story)
    assert not bench.wanted(TextReceived, AnswerWritten, CallTool)
    assert bench.items[-1] == "assistant: Once upon"


def test_an_answer_that_was_written_to_its_end_is_broken_off_as_well() -> None:
    bench = Bench()
    bench.ask(1, "a story")
    bench.answer("Once upon a time.")
    bench.tell(Interrupted(1, "Once upon"))
    asked = bench.ask(2, "a joke")
    assert asked.parent == "r0"
    assert asked.items == ["user: a story", "assistant: Once upon", "user: a joke"]
    assert not bench.cancelled, "there is nothing to cancel"


def test_one_interruption_after_another_finds_the_settled_answer() -> None:
    bench = Bench()
    settled = bench.converse(1, "hello", "Hi.")
    for turn in range(2, 40):
        assert bench.ask(turn).parent == settled.id
        bench.begin()
        bench.say("Well")
        bench.tell(Interrupted(turn, "Well"))
    assert bench.last.items[-3:] == ["user: hello", "assistant: Well", "user: hello"]


# ── tools ────────────────────────────────────────────────────────────────────────────────────


def calling(*calls: str, **options: Any) -> Bench:
    bench = Bench(**options)
    bench.ask(1, "what time is it")
    bench.begin()
    bench.say("Let me see.")
    bench.finish(*(look(call) for call in calls))
    return bench


def test_outputs_continue_the_chain_on_its_lane_when_all_are_there() -> None:
    bench = calling("c1", "c2")
    first = bench.last
    assert bench.wanted(CallTool) == [CallTool(1, look("c1")), CallTool(1, look("c2"))]
    bench.tell(ToolReturned(1, "c2", "two"))
    assert bench.last is first
    assert bench.machine.waiting, "for the other tool"
    bench.tell(ToolReturned(1, "c1", "one"))
    assert (bench.last.parent, bench.last.lane) == (first.id, first.lane)
    assert bench.last.items == ["output c1: one", "output c2: two"]
    bench.answer("It is three.")
    assert bench.heard(1) == "Let me see. It is three."
    assert bench.wanted(AnswerWritten) == [AnswerWritten(1)]
    bench.tell(Heard(1))
    assert bench.items == [
        "user: what time is it",
        "assistant: Let me see.",
        "call c1",
        "call c2",
        "output c1: one",
        "output c2: two",
        "assistant: It is three.",
    ]


def test_a_call_that_is_listed_twice_runs_once() -> None:
    bench = calling("c1", "c1")
    assert len(bench.wanted(CallTool)) == 1
    bench.tell(ToolReturned(1, "c1", "three"))
    assert bench.last.items == ["output c1: three"]


def test_an_id_may_come_again_in_the_next_round() -> None:
    bench = calling("c1")
    bench.tell(ToolReturned(1, "c1", "one"))
    bench.call("c1")
    assert len(bench.wanted(CallTool)) == 2
    bench.tell(ToolReturned(1, "c1", "two"))
    assert bench.last.items == ["output c1: two"]
    bench.answer("Done.")
    bench.tell(Heard(1))
    assert bench.items[2:-1] == ["call c1", "output c1: one", "call c1", "output c1: two"]


def test_tools_that_are_interrupted_are_stopped_and_every_call_has_one_output() -> None:
    bench = calling("c1", "c2")
    bench.tell(ToolReturned(1, "c1", "one"), Interrupted(1, "Let me"))
    assert bench.wanted(StopTool) == [StopTool(1, "c2")]
    assert bench.items == [
        "user: what time is it",
        "assistant: Let me",
        "call c1",
        "call c2",
        "output c1: one",
        f"output c2: {CANCELLED}",
    ]
    asked = bench.ask(2, "never mind")
    assert asked.items == [*bench.items, "user: never mind"]


def test_a_late_output_changes_nothing() -> None:
    bench = calling("c1")
    bench.tell(Interrupted(1, ""))
    bench.ask(2, "never mind")
    before = len(bench.requests)
    bench.tell(ToolReturned(1, "c1", "three"))
    bench.call("c1")
    bench.tell(ToolReturned(1, "c1", "three"))
    assert len(bench.requests) == before, "it is the output of another turn's call"
    bench.tell(ToolReturned(2, "c1", "four"))
    assert bench.last.items == ["output c1: four"]


def test_calls_without_end_are_ended() -> None:
    bench = Bench(most_tool_rounds=3)
    bench.ask(1)
    for number in range(10):
        bench.call(f"c{number}")
        if bench.wanted(AnswerFailed):
            break
        bench.tell(ToolReturned(1, f"c{number}", "more"))
    [failed] = bench.wanted(AnswerFailed)
    assert failed.reason.startswith("the model called tools 4 times and came to no end (")
    assert len(bench.wanted(CallTool)) == 3
    bench.tell(Interrupted(1, ""))
    assert bench.items[-1] == f"output c3: {CANCELLED}"


# ── steering ─────────────────────────────────────────────────────────────────────────────────

STEERS = Features(steering=True)


def steered(features: Features = STEERS) -> tuple[Bench, Sent]:
    """A question is interrupted before the first word of its answer, and goes on."""
    bench = Bench(features=features)
    bench.converse(1, "hello", "Hi.")
    question = bench.ask(2, "the weather")
    bench.begin()
    bench.tell(Interrupted(2, ""))
    bench.actions.clear()
    bench.tell(Asked(3, "in Rome"))
    return bench, question


def accept(bench: Bench, to: Sent) -> None:
    steer = Steer(id="s1", previous_response_id=to.id)
    bench.arrive(SteerAccepted(stream_id=to.lane, steer=steer), link=to.link)


def refuse(bench: Bench, to: Sent, code: str = "response_already_completed") -> None:
    steer = Steer(previous_response_id=to.id)
    failed = SteerFailed(stream_id=to.lane, steer=steer, error=ErrorBody(code=code))
    bench.arrive(failed, link=to.link)


def give_way(bench: Bench, to: Sent) -> Sent:
    """The response ends for the words; what follows by itself is returned."""
    response = Response(id=to.id, incomplete_details={"reason": "steered"})
    bench.arrive(Incomplete(stream_id=to.lane, response=response), link=to.link)
    return Sent(99, to.link, to.event)


def asked_anew(bench: Bench, question: Sent) -> None:
    """The words are asked with from what was settled, and the answer is the answer."""
    assert bench.last.items == ["user: the weather", "user: in Rome"]
    assert bench.last.parent == "r1"
    assert bench.last.lane != question.lane
    bench.answer("Sunny.")
    assert bench.heard(3) == "Sunny."
    bench.tell(Heard(3))
    assert bench.items[2:] == ["user: the weather", "user: in Rome", "assistant: Sunny."]


def test_words_are_put_into_a_response_that_has_said_nothing_yet() -> None:
    bench, question = steered()
    [steer] = bench.steered
    assert (steer.previous_response_id, steer.input) == (question.id, [user("in Rome")])
    assert bench.last is question, "and nothing is asked anew"
    assert not bench.cancelled
    assert bench.wanted(AnswerBegun) == [AnswerBegun(3, eager=False)]


def test_the_response_that_follows_is_the_answer() -> None:
    bench, question = steered()
    accept(bench, question)
    successor = give_way(bench, question)
    assert bench.machine.waiting
    bench.answer("Sunny.", to=successor)
    assert bench.heard(3) == "Sunny."
    bench.tell(Heard(3))
    assert bench.settled == [["user: in Rome", "assistant: Sunny."]]
    asked = bench.ask(4)
    assert (asked.parent, asked.items) == (successor.id, ["user: hello"])


@pytest.mark.parametrize("code", ["steering_not_supported", "something_new"])
def test_where_it_is_refused_the_words_are_asked_with_anew(code: str) -> None:
    bench, question = steered()
    refuse(bench, question, code)
    assert bench.cancelled == [question.id]
    assert bench.noted("steer.failed") == [{"reason": code}]
    asked_anew(bench, question)


@pytest.mark.parametrize("late", ["refused", "silent"])
def test_where_the_response_has_ended_the_words_are_asked_with_anew(late: str) -> None:
    bench, question = steered()
    bench.finish(to=question)
    if late == "refused":
        refuse(bench, question)
    asked_anew(bench, question)


def test_where_the_response_has_gone_on_the_words_are_asked_with_anew() -> None:
    """At once: the server would remember words that nobody heard, and may have many more."""
    bench, question = steered()
    accept(bench, question)
    bench.say("Where?", to=question)
    assert not bench.heard(3)
    assert bench.last is not question
    successor = give_way(bench, question)
    bench.begin(successor)
    assert bench.cancelled == [question.id, successor.id]
    asked_anew(bench, question)


def test_where_it_has_gone_on_and_tells_so_only_at_its_end_they_are_too() -> None:
    bench, question = steered()
    accept(bench, question)
    response = Response(id=question.id, output=[message("Where?")])
    bench.arrive(Incomplete(stream_id=question.lane, response=response))
    bench.begin(Sent(99, question.link, question.event))
    assert bench.cancelled == ["r99"]
    asked_anew(bench, question)


def test_where_it_ends_with_calls_the_words_are_asked_with_anew() -> None:
    bench, question = steered()
    accept(bench, question)
    bench.finish(look("c1"), to=question)
    steer = Steer(id="s1", previous_response_id=question.id)
    bench.arrive(SteerPending(stream_id=question.lane, steer=steer))
    assert not bench.wanted(CallTool)
    asked_anew(bench, question)


def test_where_nothing_can_follow_the_words_are_asked_with_anew() -> None:
    bench, question = steered()
    accept(bench, question)
    give_way(bench, question)
    refuse(bench, question, "successor_creation_failed")
    assert bench.last.items[-1] == "user: in Rome"
    bench.answer("Sunny.")
    assert bench.heard(3) == "Sunny."


@pytest.mark.parametrize("said", ["", "Where?"])
@pytest.mark.parametrize("accepted", [True, False])
def test_where_the_connection_is_lost_the_words_are_asked_with_anew(
    said: str, accepted: bool
) -> None:
    bench, question = steered()
    if accepted:
        accept(bench, question)
    bench.say(said, to=question)
    bench.lose()
    bench.reopen()
    assert bench.last.items[2:] == ["user: the weather", "user: in Rome"]
    bench.answer("Sunny.")
    assert bench.heard(3) == "Sunny."
    bench.tell(Heard(3))
    assert bench.items[2:] == ["user: the weather", "user: in Rome", "assistant: Sunny."]


def test_an_interruption_while_steering_keeps_all_that_was_said() -> None:
    bench, question = steered()
    accept(bench, question)
    bench.tell(Interrupted(3, ""))
    assert bench.cancelled == [question.id]
    asked = bench.ask(4, "never mind")
    assert asked.items == ["user: the weather", "user: in Rome", "user: never mind"]
    successor = give_way(bench, question)
    successor.number = 98
    bench.answer("Right.", to=successor)
    assert bench.cancelled == [question.id, successor.id]
    assert not bench.wanted(TextReceived, AnswerWritten)
    bench.answer("All right.", to=asked)
    assert bench.heard(4) == "All right."


def test_nothing_follows_on_words_that_were_accepted_and_given_back() -> None:
    bench, question = steered()
    accept(bench, question)
    bench.tell(Interrupted(3, ""))
    refuse(bench, question, "response_not_active")
    bench.finish(to=question)
    bench.wait(120.0)
    assert not bench.opening, "no lane waits for what never comes"


def test_a_response_that_followed_can_be_steered_again() -> None:
    bench, question = steered()
    accept(bench, question)
    successor = give_way(bench, question)
    bench.begin(successor)
    bench.tell(Interrupted(3, ""), Asked(4, "or Paris"))
    assert bench.steered[-1].previous_response_id == successor.id
    accept(bench, successor)
    last = give_way(bench, successor)
    last.number = 98
    bench.answer("Rain.", to=last)
    bench.tell(Heard(4))
    assert bench.items[2:] == [
        "user: the weather", "user: in Rome", "user: or Paris", "assistant: Rain.",
    ]  # fmt: skip


def test_a_response_that_begins_to_speak_before_the_words_are_known_is_dropped() -> None:
    bench = Bench(features=STEERS)
    bench.ask(1, "the weather")
    question = bench.begin()
    bench.tell(Interrupted(1, ""))
    assert not bench.cancelled
    bench.say("Where?")
    assert bench.cancelled == [question.id]
    assert not bench.wanted(TextReceived)
    assert bench.ask(2, "in Rome").items == ["user: the weather", "user: in Rome"]


@pytest.mark.parametrize(
    "fact", [Discarded(2), Announced(2, "The tea is ready."), Interrupted(1, "")]
)
def test_a_response_waits_for_words_only_while_they_may_come(fact: Fact) -> None:
    bench = Bench(features=STEERS)
    bench.ask(1, "the weather")
    question = bench.begin()
    bench.tell(Interrupted(1, ""))
    assert not bench.machine.idle
    bench.tell(fact)
    assert bench.cancelled == ([question.id] if not isinstance(fact, Interrupted) else [])
    bench.finish(to=question)
    assert bench.machine.idle or isinstance(fact, Announced)


def test_nothing_is_begun_early_while_words_may_be_put_into_a_response() -> None:
    bench = Bench(features=STEERS)
    bench.ask(1, "the weather")
    bench.begin()
    bench.tell(Interrupted(1, ""), LikelyEnded(2, "in Rome"))
    assert len(bench.requests) == 2
    bench.tell(Asked(2, "in Rome"))
    assert len(bench.steered) == 1


def unsteered(bench: Bench) -> None:
    before = len(bench.requests)
    bench.tell(Asked(2, "in Rome"))
    assert not bench.steered
    assert len(bench.requests) == before + 1


def test_what_has_said_something_is_not_steered() -> None:
    bench = Bench(features=STEERS)
    bench.ask(1)
    bench.begin()
    bench.say("Where?")
    bench.tell(Interrupted(1, ""))
    unsteered(bench)


def test_what_goes_on_after_words_that_were_not_heard_is_not_steered() -> None:
    bench = Bench(features=STEERS)
    bench.ask(1)
    bench.begin()
    bench.say("Let me see.")
    bench.finish(look("c1"))
    bench.tell(ToolReturned(1, "c1", "three"))
    bench.begin()
    bench.tell(Interrupted(1, "Let me"))
    unsteered(bench)
    assert bench.last.items[1] == "assistant: Let me"


def test_what_has_no_name_yet_is_not_steered() -> None:
    bench = Bench(features=STEERS)
    bench.ask(1)
    bench.tell(Interrupted(1, ""))
    unsteered(bench)


def test_what_has_ended_meanwhile_is_not_steered() -> None:
    bench = Bench(features=STEERS)
    bench.ask(1)
    bench.begin()
    bench.tell(Interrupted(1, ""))
    bench.finish()
    unsteered(bench)


@pytest.mark.parametrize("features", [Features(), Features(steering=True, compaction=True)])
def test_a_server_that_cannot_or_may_not_is_not_steered(features: Features) -> None:
    bench = Bench(features=features, context_tokens=8)
    bench.ask(1)
    bench.begin()
    bench.tell(Interrupted(1, ""))
    unsteered(bench)


def test_a_server_that_may_compact_later_is_steered_until_then() -> None:
    bench = Bench(features=Features(steering=True, compaction=True))
    bench.ask(1)
    bench.begin()
    bench.tell(Interrupted(1, ""))
    bench.tell(Asked(2, "two"))
    assert len(bench.steered) == 1


# ── long conversations ───────────────────────────────────────────────────────────────────────


def converse_long(bench: Bench, turns: int) -> None:
    for turn in range(1, turns + 1):
        bench.converse(turn, f"q{turn} " + "x" * 80, f"a{turn} " + "y" * 80)


def test_a_conversation_that_grows_too_long_begins_a_new_chain_with_its_last_turns() -> None:
    bench = Bench(context_tokens=400)
    converse_long(bench, 20)
    assert bench.noted("conversation.shortened")
    assert bench.items[0].startswith("user: q")
    assert len(bench.items) < 20
    asked = [sent for sent in bench.requests if sent.parent is None and not sent.only_read]
    assert asked, "a chain of its own"
    assert all(sent.items[0].startswith("user: q") for sent in asked)
    assert all(len(sent.items) % 2 for sent in asked), "whole turns and the question"


def test_no_length_is_too_long_where_that_is_wanted() -> None:
    bench = Bench(context_tokens=0)
    converse_long(bench, 30)
    assert len(bench.items) == 60
    assert not bench.noted("conversation.shortened")
    assert all(sent.parent for sent in bench.requests[1:])


def test_the_server_counts() -> None:
    bench = Bench(context_tokens=1000)
    bench.converse(1, "one", "Yes.")
    bench.ask(2, "two")
    bench.begin()
    bench.finish(message("Two."), usage=Usage(total_tokens=5000))
    bench.tell(Heard(2))
    assert bench.noted("conversation.shortened")


def test_words_that_were_said_over_the_last_long_answer_go_to_the_new_chain() -> None:
    bench = Bench(context_tokens=400)
    for turn in range(1, 20):
        bench.ask(turn, "one two three four five " + "x" * 80)
        bench.answer("y" * 80)
        bench.tell(Committed(turn + 1, "one two three four five six"), Heard(turn))
        if bench.noted("conversation.shortened"):
            break
        bench.read()
    assert bench.last.only_read
    assert bench.last.parent is None
    assert len(bench.last.items) == len(bench.items) + 1


def test_an_earlier_conversation_that_is_too_long_is_shortened_before_it_is_read() -> None:
    items = tuple(item for n in range(50) for item in (user(f"q{n} " + "x" * 80), assistant("Y.")))
    bench = Bench(items=items, context_tokens=400)
    assert 0 < len(bench.requests[0].items) < 30


def test_a_server_that_makes_conversations_short_is_let_do_so() -> None:
    bench = Bench(features=Features(compaction=True), context_tokens=400)
    sent = bench.ask(1, "q1 " + "x" * 800)
    assert sent.event.context_management == [{"type": "compaction", "compact_threshold": 400}]
    bench.begin()
    made = Compaction(encrypted_content="secret")
    bench.finish(made, message("Yes."), usage=Usage(total_tokens=100))
    bench.tell(Heard(1))
    second = bench.ask(2, "two")
    assert (second.parent, second.items) == (sent.id, ["user: two"]), "the chain goes on"
    bench.lose()
    bench.reopen()
    assert bench.last.items == ["compaction", "assistant: Yes.", "user: two"]


def test_one_that_does_not_is_helped_at_twice_the_length() -> None:
    bench = Bench(features=Features(compaction=True), context_tokens=100)
    converse_long(bench, 3)
    assert not bench.noted("conversation.shortened")
    converse_long(bench, 5)
    assert bench.noted("conversation.shortened")


@pytest.mark.parametrize("early", [True, False])
def test_an_answer_without_end_is_cut_off(early: bool) -> None:
    bench = Bench(longest_answer_characters=20)
    if early:
        bench.tell(LikelyEnded(1, "a story"))
    else:
        bench.ask(1, "a story")
    story = bench.begin()
    for _ in range(10):
        bench.say("Once again. ")
    assert bench.heard(1) == "Once again. Once again. "
    assert bench.cancelled == [story.id]
    assert bench.wanted(AnswerWritten) == [AnswerWritten(1)]
    if early:
        bench.tell(Asked(1, "a story"))
    bench.tell(Heard(1))
    assert bench.items[-1] == "assistant: Once again. Once again."
    assert bench.ask(2).parent == "r0"


# ── whatever happens ─────────────────────────────────────────────────────────────────────────

FACTS = st.one_of(
    st.builds(Committed, st.integers(1, 3), st.sampled_from(["a b c", "a b c d e f", "x y"])),
    st.builds(LikelyEnded, st.integers(1, 3), st.just("a b c d")),
    st.builds(WentOn, st.integers(1, 3)),
    st.builds(Discarded, st.integers(1, 3)),
    st.builds(Heard, st.integers(1, 3)),
    st.builds(Interrupted, st.integers(1, 3), st.sampled_from(["", "w", "w w"])),
    st.builds(Asked, st.integers(1, 3), st.sampled_from(["a b c d", "x y z"])),
    st.builds(ToolReturned, st.integers(1, 3), st.just("c1"), st.just("three")),
)
SERVER = st.sampled_from(["begin", "say", "finish", "call", "refuse", "fail", "accept", "steer no"])
WAITS = st.floats(0.01, 100.0)
STEPS = st.lists(st.one_of(FACTS, SERVER, WAITS, st.sampled_from(["lose", "open"])), max_size=40)


@given(STEPS, st.booleans(), st.data())
def test_in_any_order_of_events_what_is_due_is_done_and_the_last_question_is_answered(
    steps: list[Fact | str | float], steering: bool, data: st.DataObject
) -> None:
    features = Features(steering=steering)
    bench = Bench(features=features, rotate_minutes=1.0, input_words=1, patience_seconds=1e6)
    on, opened = 0, 1
    for step in steps:
        if isinstance(step, float):
            bench.wait(step)
        elif step == "lose":
            bench.lose(opened)
        elif step == "open":
            for number in bench.opening:
                if number > opened:
                    opened = number
                    bench.tell(Opened(number))
        elif isinstance(step, str):
            serve(bench, step, data.draw(st.sampled_from(bench.requests[-4:])))
        elif isinstance(step, Asked):
            if on:
                bench.tell(Interrupted(on, ""))
            on = step.turn
            bench.tell(step)
        elif not isinstance(step, Heard | Interrupted) or step.turn == on:
            on = 0 if isinstance(step, Heard | Interrupted) else on
            bench.tell(step)
    if on:
        bench.tell(Interrupted(on, ""))
    bench.lose(opened)
    bench.wait(60.0)
    bench.tell(Opened(bench.opening[-1]), Asked(9, "and now"))
    bench.answer("Yes.")
    assert bench.heard(9) == "Yes."
    bench.tell(Heard(9))
    assert bench.items[-2:] == ["user: and now", "assistant: Yes."]


def serve(bench: Bench, what: str, to: Sent) -> None:
    match what:
        case "begin":
            bench.begin(to)
        case "say":
            bench.say(" w", to)
        case "finish":
            response = Response(id=to.id)
            bench.arrive(Completed(stream_id=to.lane, response=response), link=to.link)
        case "call":
            bench.call("c1", to=to)
        case "refuse":
            bench.refuse(code="previous_response_not_found", status=400, to=to)
        case "fail":
            error = ErrorBody(code="server_error", message="no")
            response = Response(id=to.id, error=error)
            bench.arrive(Failed(stream_id=to.lane, response=response), link=to.link)
        case "accept":
            accept(bench, to)
        case "steer no":
            refuse(bench, to)
