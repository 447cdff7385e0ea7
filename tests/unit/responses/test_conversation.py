"""The conversation's truth: what a request holds after completions, tools and interruptions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice.responses.conversation import CANCELLED, Conversation, Head
from voice.responses.events import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    InputMessage,
    OutputItem,
    OutputMessage,
    OutputText,
)


def _said(text: str) -> list[OutputItem]:
    return [OutputMessage(id="m", content=[OutputText(text=text)])]


def _user(text: str) -> InputMessage:
    return InputMessage(role="user", content=text)


def _assistant(text: str) -> InputMessage:
    return InputMessage(role="assistant", content=text)


def test_a_first_request_sends_everything() -> None:
    conversation = Conversation()
    conversation.add_user("hello")
    context = conversation.context()
    assert context.head is None
    assert context.items == (_user("hello"),)


def test_a_heard_answer_is_continued_from() -> None:
    conversation = Conversation()
    conversation.add_user("hello")
    conversation.add_response("r1", "a", _said("Hi!"))
    conversation.settle()
    conversation.add_user("how are you?")
    context = conversation.context()
    assert context.head == Head("r1", "a", 2)
    assert context.items == (_user("how are you?"),)


def test_an_interrupted_answer_is_forked_from_its_parent_with_the_heard_words() -> None:
    conversation = Conversation()
    conversation.add_user("hello")
    conversation.add_response("r1", "a", _said("Hi!"))
    conversation.settle()
    conversation.add_user("tell me a story")
    conversation.add_response("r2", "b", _said("Once upon a time there was a dog."))
    conversation.interrupt("Once upon a")
    conversation.add_user("a joke instead")
    context = conversation.context()
    assert context.head == Head("r1", "a", 2)
    assert context.items == (
        _user("tell me a story"),
        _assistant("Once upon a"),
        _user("a joke instead"),
    )


def test_an_answer_interrupted_while_it_streams_keeps_what_was_heard() -> None:
    conversation = Conversation()
    conversation.add_user("tell me a story")
    conversation.interrupt("Once upon ")
    assert conversation.items == (_user("tell me a story"), _assistant("Once upon"))


def test_an_answer_interrupted_before_its_first_sound_leaves_no_words() -> None:
    conversation = Conversation()
    conversation.add_user("what is the weather")
    conversation.add_response("r1", "a", _said("Where?"))
    conversation.interrupt("")
    conversation.add_user("in New York")
    assert conversation.context().head is None
    assert conversation.context().items == (_user("what is the weather"), _user("in New York"))


def test_tool_calls_run_ahead_and_the_settled_head_stays() -> None:
    conversation = Conversation()
    conversation.add_user("hello")
    conversation.add_response("r1", "a", _said("Hi!"))
    conversation.settle()
    conversation.add_user("what time is it")
    call = FunctionCall(call_id="c1", name="get_time", arguments="{}")
    conversation.add_response("r2", "b", [call])
    conversation.add_tool_output("c1", "three")
    context = conversation.context()
    assert context.head == Head("r2", "b", 4)
    assert context.items == (FunctionCallOutput(call_id="c1", output="three"),)
    assert conversation.settled == Head("r1", "a", 2)
    conversation.add_response("r3", "b", _said("It is three."))
    conversation.interrupt("It is")
    context = conversation.context()
    assert context.head == Head("r1", "a", 2)
    assert context.items == (
        _user("what time is it"),
        FunctionCall(call_id="c1", name="get_time", arguments="{}"),
        FunctionCallOutput(call_id="c1", output="three"),
        _assistant("It is"),
    )


def test_a_call_without_output_gets_one_when_interrupted() -> None:
    conversation = Conversation()
    conversation.add_user("what time is it")
    call = FunctionCall(call_id="c1", name="get_time", arguments="{}")
    conversation.add_response("r1", "a", [*_said("Let me see."), call])
    conversation.interrupt("Let me")
    assert conversation.items[-1] == FunctionCallOutput(call_id="c1", output=CANCELLED)
    assert _assistant("Let me") in conversation.items


def test_words_before_and_after_a_tool_call_are_cut_where_hearing_stopped() -> None:
    conversation = Conversation()
    conversation.add_user("what time is it")
    call = FunctionCall(call_id="c1", name="get_time", arguments="{}")
    conversation.add_response("r1", "a", [*_said("Let me see."), call])
    conversation.add_tool_output("c1", "three")
    conversation.add_response("r2", "a", _said("It is three."))
    conversation.interrupt("Let me see. It is")
    texts = [item.content for item in conversation.items if isinstance(item, InputMessage)]
    assert texts == ["what time is it", "Let me see.", "It is"]


def test_an_announcement_reaches_the_model_with_the_next_request() -> None:
    conversation = Conversation()
    conversation.add_user("hello")
    conversation.add_response("r1", "a", _said("Hi!"))
    conversation.settle()
    conversation.add_assistant("Your timer is over.")
    conversation.settle()
    conversation.add_user("thanks")
    context = conversation.context()
    assert context.head == Head("r1", "a", 2)
    assert context.items == (_assistant("Your timer is over."), _user("thanks"))


def test_without_the_servers_memory_everything_is_sent() -> None:
    conversation = Conversation()
    conversation.add_user("hello")
    conversation.add_response("r1", "a", _said("Hi!"))
    conversation.settle()
    conversation.add_user("and now?")
    conversation.forget_heads()
    assert conversation.context().head is None
    assert conversation.context().items == (_user("hello"), _assistant("Hi!"), _user("and now?"))


_WORDS = st.lists(st.sampled_from(["one", "two", "three."]), min_size=1, max_size=5).map(" ".join)


@given(st.lists(st.tuples(_WORDS, st.one_of(st.none(), st.integers(0, 12)), st.booleans())))
def test_server_and_client_agree_on_what_was_heard(
    turns: list[tuple[str, int | None, bool]],
) -> None:
    """A server that follows the ids ends up with exactly the items that were heard."""
    conversation = Conversation()
    contexts: dict[str, tuple[InputItem, ...]] = {}
    expected: list[InputItem] = []
    for number, (answer, heard_characters, lost) in enumerate(turns):
        conversation.add_user(f"question {number}")
        expected.append(_user(f"question {number}"))
        if lost:
            conversation.forget_heads()
            contexts.clear()
        context = conversation.context()
        known = contexts[context.head.response_id] if context.head else ()
        assert list(known + context.items) == expected
        contexts[f"r{number}"] = (*known, *context.items, _assistant(answer))
        conversation.add_response(f"r{number}", "lane", _said(answer))
        if heard_characters is None:
            conversation.settle()
            expected.append(_assistant(answer))
            continue
        heard = answer[:heard_characters].strip()
        conversation.interrupt(heard)
        if heard:
            expected.append(_assistant(heard))
