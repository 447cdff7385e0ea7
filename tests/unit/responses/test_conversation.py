"""The tree of what was said: branches, what is settled, what was heard, and what is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agent_bench import assistant, brief, look, message, user
from voice.responses.conversation import (
    CANCELLED,
    Conversation,
    Node,
    input_items,
    joined,
    unanswered,
)
from voice.responses.events import (
    Compaction,
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
)


def output(call_id: str, text: str = "three") -> FunctionCallOutput:
    return FunctionCallOutput(call_id=call_id, output=text)


def talk(turns: int, characters: int = 40) -> list[InputItem]:
    """So many turns: a question and an answer of so many characters each."""
    items: list[InputItem] = []
    for number in range(turns):
        items += [
            user(f"q{number}".ljust(characters, ".")),
            assistant(f"a{number}".ljust(characters, ".")),
        ]
    return items


# ── nodes ────────────────────────────────────────────────────────────────────────────────────


def test_a_node_stands_for_everything_from_the_root() -> None:
    settled = Node().child([user("hello"), assistant("Hi.")])
    asked = settled.child([user("what time is it")])
    assert asked.since(None) == [user("hello"), assistant("Hi."), user("what time is it")]
    assert asked.since(settled) == [user("what time is it")]
    assert asked.since(asked) == []


def test_branches_do_not_know_each_other() -> None:
    settled = Node().child([user("hello")])
    one, other = settled.child([user("one")]), settled.child([user("other")])
    assert one.since(settled) == [user("one")]
    with pytest.raises(AssertionError, match="not an ancestor"):
        one.since(other)


def test_the_server_counts_better_than_we_do() -> None:
    node = Node().child([user("x" * 400)])
    assert 100 <= node.tokens <= 110, "four characters a token"
    assert node.child([assistant("y" * 400)], tokens=37).tokens == 37
    assert node.child([assistant("y" * 400)]).tokens > 200, "and where it did not, all are counted"


# ── messages in pieces, and what the server made short ───────────────────────────────────────


def test_a_message_that_begins_with_a_blank_continues_the_users_last() -> None:
    pieces: list[InputItem] = [user("turn on"), user(" the light"), user(" in the hall.")]
    assert joined(pieces) == [user("turn on the light in the hall.")]
    assert pieces[0] == user("turn on"), "what was sent stays as it was sent"


def test_only_a_users_words_are_continued_and_only_by_a_blank() -> None:
    items: list[InputItem] = [user("one"), user("two"), assistant("Yes."), user(" three")]
    assert joined(items) == items


def test_everything_before_the_last_compaction_is_left_out() -> None:
    first, second = Compaction(encrypted_content="a"), Compaction(encrypted_content="b")
    items = [user("one"), first, user("two"), second, assistant("Two.")]
    assert joined(items) == [second, assistant("Two.")]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_however_words_are_cut_they_are_one_message(sizes: list[int]) -> None:
    words = [f"w{n}" for n in range(sum(sizes))]
    node, at = Node(), 0
    for size in sizes:
        piece = " ".join(words[at : at + size])
        node = node.child([user(piece if at == 0 else f" {piece}")])
        at += size
    assert node.since(None) == [user(" ".join(words))]


# ── a response's output ──────────────────────────────────────────────────────────────────────


def test_output_is_sent_back_without_what_is_the_servers_own() -> None:
    call = FunctionCall(id="fc_1", call_id="c1", name="look", arguments='{"a":1}', status="x")
    items = input_items([message("Let me see."), message(""), call])
    assert items == [assistant("Let me see."), look("c1", '{"a":1}')]


def test_a_compaction_is_sent_back_as_it_came() -> None:
    compaction = Compaction(id="cmp_1", encrypted_content="secret")
    assert input_items([compaction]) == [compaction]


def test_calls_without_an_output_are_found_also_where_ids_come_again() -> None:
    assert unanswered([look("c1"), look("c2"), output("c2")]) == ["c1"]
    assert unanswered([look("c1"), output("c1"), look("c1")]) == ["c1"]
    assert unanswered([look("c1"), output("c1"), look("c1"), output("c1")]) == []


# ── what was heard ───────────────────────────────────────────────────────────────────────────


def heard(branch: list[InputItem], text: str) -> list[InputItem]:
    """The conversation after `branch` was broken off when `text` of it was heard."""
    conversation = Conversation([user("hello"), assistant("Hi.")])
    tip = conversation.settled.child(branch)
    conversation.settle(conversation.heard(tip, text))
    return conversation.settled.since(None)[2:]


STORY = "Once upon a time there was a dog."


@pytest.mark.parametrize(
    ("text", "kept"), [("Once upon", "Once upon"), ("Once upon ", "Once upon"), (STORY, STORY)]
)
def test_an_answer_is_kept_as_far_as_it_was_heard(text: str, kept: str) -> None:
    assert heard([user("a story"), assistant(STORY)], text) == [user("a story"), assistant(kept)]


def test_words_that_nobody_heard_were_not_said() -> None:
    assert heard([user("a story"), assistant(STORY)], "") == [user("a story")]


def test_heard_words_of_a_response_that_is_not_complete_are_kept() -> None:
    assert heard([user("a story")], "Once upon") == [user("a story"), assistant("Once upon")]


def test_hearing_runs_on_across_tool_calls() -> None:
    branch = [user("time"), assistant("Let me see."), look("c1"), output("c1")]
    told = [*branch, assistant("It is three.")]
    assert heard(told, "Let me see. It is") == [*branch, assistant("It is")]
    assert heard(told, "Let me") == [user("time"), assistant("Let me"), look("c1"), output("c1")]
    assert heard(branch, "Let me see. It") == [*branch, assistant("It")], "and beyond the tip"


def test_a_call_that_was_broken_off_gets_an_output_that_says_so() -> None:
    branch = [user("time"), look("c1"), look("c2"), output("c1")]
    assert heard(branch, "") == [*branch, output("c2", CANCELLED)]


def test_a_branch_that_was_heard_whole_stays_the_same_node() -> None:
    conversation = Conversation()
    tip = conversation.settled.child([user("hello"), assistant("Hi.")])
    assert conversation.heard(tip, "Hi.") is tip
    assert conversation.heard(tip, "Hi") is not tip


ANSWERS = st.lists(
    st.sampled_from(["One two.", "Three four five.", "Six."]), min_size=1, max_size=3
)


@given(ANSWERS, st.integers(0, 40), st.data())
def test_what_was_heard_is_a_beginning_and_every_call_has_one_output(
    answers: list[str], characters: int, data: st.DataObject
) -> None:
    branch: list[InputItem] = [user("question")]
    for number, answer in enumerate(answers):
        branch.append(assistant(answer))
        if number < len(answers) - 1:
            branch.append(look(f"c{number}"))
            if data.draw(st.booleans()):
                branch.append(output(f"c{number}"))
    text = " ".join(answers)[:characters]
    kept = heard(branch, text)
    said = [i.content for i in kept if isinstance(i, InputMessage) and i.role == "assistant"]
    assert " ".join(said) == text.strip()
    calls = [i.call_id for i in kept if isinstance(i, FunctionCall)]
    outputs = [i.call_id for i in kept if isinstance(i, FunctionCallOutput)]
    assert sorted(calls) == sorted(outputs) == [f"c{n}" for n in range(len(answers) - 1)]


# ── what is settled ──────────────────────────────────────────────────────────────────────────


def test_a_branch_is_settled_as_one_node() -> None:
    conversation = Conversation()
    before = conversation.settled
    tip = (
        before.child([user("turn on")]).child([user(" the light")]).child([assistant("Done.")], 99)
    )
    settled = conversation.settle(tip)
    assert settled is conversation.settled
    assert settled.parent is before
    assert settled.since(before) == [user("turn on the light"), assistant("Done.")]
    assert settled.tokens == 99


def test_settling_what_is_settled_changes_nothing() -> None:
    conversation = Conversation([user("hello")])
    settled = conversation.settled
    assert conversation.settle(settled) is settled


# ── long conversations ───────────────────────────────────────────────────────────────────────


def test_a_conversation_that_fits_is_left_alone() -> None:
    conversation = Conversation(talk(10))
    assert not conversation.shorten(conversation.settled.tokens)
    assert len(conversation.settled.since(None)) == 20


def test_the_last_turns_are_kept_whole() -> None:
    conversation = Conversation(talk(20))
    most = conversation.settled.tokens - 1
    assert conversation.shorten(most)
    kept = conversation.settled.since(None)
    assert kept == talk(20)[-len(kept) :]
    assert kept[0] in [user(f"q{n}".ljust(40, ".")) for n in range(20)]
    assert most // 2 - 40 < conversation.settled.tokens <= most // 2


def test_a_shortened_conversation_is_a_chain_of_its_own() -> None:
    conversation = Conversation(talk(20))
    before = conversation.settled
    conversation.shorten(100)
    assert conversation.settled.parent is not None
    assert conversation.settled.parent.parent is None
    with pytest.raises(AssertionError):
        conversation.settled.since(before)


def test_the_last_turn_is_kept_whatever_its_size() -> None:
    conversation = Conversation([*talk(3), user("x" * 4000), assistant("Yes.")])
    assert conversation.shorten(100)
    assert brief(conversation.settled.since(None)) == [f"user: {'x' * 4000}", "assistant: Yes."]
    assert not conversation.shorten(100), "and there is no more to leave out"


def test_calls_stay_with_their_outputs() -> None:
    turn = [user("time"), look("c1"), output("c1"), assistant("Three.")]
    conversation = Conversation(turn * 10)
    assert conversation.shorten(100)
    kept = conversation.settled.since(None)
    assert kept
    assert kept == turn * (len(kept) // 4)


def test_what_the_server_made_of_the_rest_may_begin_it() -> None:
    made = Compaction(encrypted_content="x" * 80)
    conversation = Conversation([user("old"), made, assistant("y" * 400), *talk(1)])
    assert conversation.settled.since(None)[0] is made
    assert conversation.shorten(100)
    assert brief(conversation.settled.since(None)) == brief(talk(1))


def test_without_a_users_words_nothing_can_be_left_out() -> None:
    conversation = Conversation([assistant("x" * 400)])
    assert not conversation.shorten(10)
