"""Chat completions: what a conversation becomes, and what streamed chunks mean."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.errors import ServerError
from voice.server.backend import (
    Call,
    CallOutput,
    Finished,
    Item,
    Message,
    Piece,
    Prompt,
    PromptTooLong,
    Reasoning,
    ReasoningDelta,
    TextDelta,
    Tool,
    ToolCall,
)
from voice.server.chat import ChatReader, body, messages, model_names

HELLO = Message("user", "Hello.")
LAMP = Tool("lamp", "Light the lamp.", {"type": "object", "properties": {"on": {}}})
CLOCK = Tool("get_time", "Tell the time.", {})
URL = "http://there/v1/chat/completions"
NOTHING = Prompt(())


def told(*items: Item, instructions: str = "") -> list[dict[str, Any]]:
    return messages(Prompt(items, instructions))


def said(*items: Item) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in told(*items)]


# ── what is asked ────────────────────────────────────────────────────────────────────────────


def test_a_plain_question_asks_for_a_stream_and_its_counts_and_leaves_the_rest_open() -> None:
    assert body(Prompt((HELLO,), "Be kind."), "m") == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello."},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_the_request_sets_is_passed_on() -> None:
    prompt = Prompt((HELLO,), temperature=0.0, top_p=0.9, max_output_tokens=7, stop=("a", "b"))
    asked = body(prompt, "m")
    assert (asked["temperature"], asked["top_p"], asked["max_tokens"]) == (0.0, 0.9, 7)
    assert asked["stop"] == ["a", "b"]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", None),
        ("none", "none"),
        ("required", "required"),
        ("lamp", {"type": "function", "function": {"name": "lamp"}}),
    ],
)
def test_tools_go_along_with_the_choice(choice: str, sent: Any) -> None:
    asked = body(Prompt((HELLO,), tools=(LAMP, CLOCK), tool_choice=choice), "m")
    assert asked.get("tool_choice") == sent
    assert asked["parallel_tool_calls"] is True
    assert asked["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "lamp",
                "description": "Light the lamp.",
                "parameters": {"type": "object", "properties": {"on": {}}},
            },
        },
        {
            "type": "function",
            "function": {
                "name": "get_time",
                "description": "Tell the time.",
                "parameters": {"type": "object", "properties": {}},
            },
        },
    ]


def test_a_choice_without_tools_is_none() -> None:
    asked = body(Prompt((HELLO,), tool_choice="required"), "m")
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(asked)


def test_one_call_at_most_is_asked_for_and_held_to() -> None:
    asked = body(Prompt((HELLO,), tools=(LAMP,), parallel_calls=False), "m")
    assert asked["parallel_tool_calls"] is False
    reader = ChatReader(URL, replace(NOTHING, parallel_calls=False))
    both = [call("{}", 0, "lamp", "x"), call("{}", 1, "get_time", "y")]
    assert reader.pieces(chunk({"tool_calls": both}, "tool_calls")) == []
    assert reader.end() == [ToolCall("lamp", "{}"), Finished(0, 0, 0)]


def test_a_schema_of_the_answer_goes_along() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert body(Prompt((HELLO,), schema=schema), "m")["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }


def test_thoughts_of_earlier_answers_are_not_sent() -> None:
    thought = Reasoning({"type": "reasoning", "summary": []})
    items = (HELLO, thought, Call("a", "lamp", "{}"), CallOutput("a", "ok"), thought)
    assert said(*items) == [("user", "Hello."), ("assistant", ""), ("tool", "ok")]


def test_words_that_go_on_with_a_blank_are_one_message() -> None:
    parts = [Message("user", "What is"), Message("user", " the capital"), Message("user", "\tof?")]
    assert said(*parts) == [("user", "What is the capital\tof?")]
    assert said(HELLO, Message("user", "Again.")) == [("user", "Hello."), ("user", "Again.")]


def test_developers_are_the_system_and_system_messages_in_a_row_are_one() -> None:
    items = (Message("system", "Two."), HELLO, Message("developer", "Go on."))
    assert [
        (message["role"], message["content"]) for message in told(*items, instructions="One.")
    ] == [("system", "One.\n\nTwo."), ("user", "Hello."), ("system", "Go on.")]


def test_messages_without_words_are_left_out() -> None:
    items = (HELLO, Message("assistant", ""), Message("user", ""), Message("user", " More."))
    assert said(*items) == [("user", "Hello. More.")]


def test_calls_are_one_message_with_the_words_before_them_and_their_outputs_behind() -> None:
    items = (
        HELLO,
        Message("assistant", "One moment."),
        Call("a", "lamp", '{"on": true}'),
        Call("b", "get_time", ""),
        CallOutput("b", "noon"),
        CallOutput("a", "ok"),
        Message("assistant", "Done."),
    )
    assert told(*items) == [
        {"role": "user", "content": "Hello."},
        {
            "role": "assistant",
            "content": "One moment.",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "lamp", "arguments": '{"on": true}'},
                },
                {
                    "id": "b",
                    "type": "function",
                    "function": {"name": "get_time", "arguments": "{}"},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "b", "content": "noon"},
        {"role": "tool", "tool_call_id": "a", "content": "ok"},
        {"role": "assistant", "content": "Done."},
    ]


def test_rounds_of_calls_stay_apart_even_with_the_same_id() -> None:
    call = Call("a", "get_time", "{}")
    items = (HELLO, call, CallOutput("a", "noon"), call, CallOutput("a", "one"))
    roles = [message["role"] for message in told(*items)]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]
    assert [message["content"] for message in told(*items)][2::2] == ["noon", "one"]


def test_an_output_is_behind_its_call_though_words_came_in_between() -> None:
    items = (HELLO, Call("a", "lamp", "{}"), Message("user", "Quick!"), CallOutput("a", "ok"))
    assert said(*items)[2:] == [("tool", "ok"), ("user", "Quick!")]


def test_an_output_whose_call_was_left_out_is_left_out_too() -> None:
    assert said(HELLO, CallOutput("a", "ok")) == [("user", "Hello.")]


@pytest.mark.parametrize("arguments", ["{oops", "[1]", "null", '{"a": 1}{"a": 2}'])
def test_arguments_that_nobody_can_read_do_not_spoil_the_conversation(arguments: str) -> None:
    [_, message] = told(HELLO, Call("a", "lamp", arguments))
    sent = json.loads(message["tool_calls"][0]["function"]["arguments"])
    assert sent == {"unreadable": arguments}


NAMES = st.sampled_from(["a", "b", "c"])
WORDS = st.text("ab \n", max_size=4)
ITEMS = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(["user", "assistant", "system", "developer"]), WORDS),
        st.builds(Call, NAMES, st.just("lamp"), WORDS),
        st.builds(CallOutput, NAMES, WORDS),
    ),
    max_size=12,
)


@given(ITEMS)
def test_every_output_follows_a_message_with_its_call_and_no_word_is_lost(
    items: list[Item],
) -> None:
    sent = told(*items)
    for n, message in enumerate(sent):
        if message["role"] == "tool":
            calls = next(m for m in reversed(sent[:n]) if m["role"] != "tool")
            assert message["tool_call_id"] in [call["id"] for call in calls["tool_calls"]]
    roles = [message["role"] for message in sent]
    assert ("system", "system") not in itertools.pairwise(roles)
    for role in ("user", "assistant"):
        words = "".join(i.text for i in items if isinstance(i, Message) and i.role == role)
        assert "".join(m["content"] for m in sent if m["role"] == role) == words


# ── what comes back ──────────────────────────────────────────────────────────────────────────


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return json.dumps({"choices": [choice], **fields}).encode()


def call(arguments: Any, index: int | None = None, name: str = "", call_id: str = "") -> Any:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    fields = {"index": index} if index is not None else {}
    return {"function": function, **fields} | ({"id": call_id} if call_id else {})


def read(*chunks: bytes, prompt: Prompt = NOTHING) -> list[Piece]:
    reader = ChatReader(URL, prompt)
    pieces: list[Piece] = []
    for data in chunks:
        pieces += reader.pieces(data)
    return pieces + reader.end()


def calls(*fragments: Any, finish_reason: str = "tool_calls") -> list[tuple[str, str]]:
    """The calls that these fragments make, each in a chunk of its own."""
    chunks = [chunk({"tool_calls": [one]}) for one in fragments]
    pieces = read(*chunks, chunk({}, finish_reason))
    return [(piece.name, piece.arguments) for piece in pieces if isinstance(piece, ToolCall)]


def test_words_come_as_they_are_written_and_counts_at_the_end() -> None:
    counts = {
        "prompt_tokens": 30,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 16},
    }
    assert read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Good"}),
        chunk({"content": " morning"}),
        chunk({}, "stop"),
        json.dumps({"choices": [], "usage": counts}).encode(),
    ) == [TextDelta("Good"), TextDelta(" morning"), Finished(30, 16, 2)]


@pytest.mark.parametrize(
    "names", [("reasoning",), ("reasoning_content",), ("reasoning", "content")]
)
def test_thoughts_are_no_words_and_are_counted(names: tuple[str, ...]) -> None:
    fields = {"reasoning": "Hm.", "reasoning_content": "Hm.", "content": ""}
    counts = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 7}}
    assert read(
        chunk({name: fields[name] for name in names}),
        chunk({"content": "Noon."}),
        chunk({}, "stop", usage=counts),
    ) == [ReasoningDelta("Hm."), TextDelta("Noon."), Finished(0, 0, 9, reasoning_tokens=7)]


def test_thoughts_in_the_words_are_told_apart_and_no_word_is_lost_at_the_end() -> None:
    assert read(chunk({"content": "<think>Hm."}), chunk({"content": "</think>Noon."}, "stop")) == [
        ReasoningDelta("Hm."),
        TextDelta("Noon."),
        Finished(0, 0, 0),
    ]
    assert read(chunk({"content": "<thi"}, "stop")) == [TextDelta("<thi"), Finished(0, 0, 0)]
    assert read(chunk({"reasoning": {"steps": 1}, "content": "x"}, "stop"))[0] == TextDelta("x")


@pytest.mark.parametrize(
    ("usage", "finished"),
    [
        (None, Finished(0, 0, 0)),
        ({}, Finished(0, 0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": None}, Finished(5, 0, 0)),
        ({"prompt_tokens": 5, "prompt_tokens_details": None}, Finished(5, 0, 0)),
    ],
)
def test_counts_that_are_not_told_are_zero(usage: Any, finished: Finished) -> None:
    assert read(chunk({}, "stop", usage=usage)) == [finished]


def test_counts_are_the_last_ones_that_are_told() -> None:
    told = [{"prompt_tokens": 5, "completion_tokens": n} for n in (1, 2)]
    chunks = [chunk({"content": "x"}, usage=usage) for usage in told]
    assert read(*chunks, chunk({}, "stop"))[-1] == Finished(5, 0, 2)


def test_an_answer_that_reached_its_limit_says_so() -> None:
    assert read(chunk({"content": "x"}, "length"))[-1] == Finished(0, 0, 0, reached_limit=True)


def test_several_calls_in_fragments_are_put_together_by_their_numbers() -> None:
    assert calls(
        call("", 0, "lamp", "call_1"),
        call('{"on', 0),
        call("", 1, "get_time", "call_2"),
        call('": true}', 0),
        call("{}", 1),
    ) == [("lamp", '{"on": true}'), ("get_time", "{}")]


@pytest.mark.parametrize("index", [None, 0])
def test_whole_calls_with_one_number_or_none_are_told_apart_by_their_ids(index: int | None) -> None:
    assert calls(call('{"n": 1}', index, "lamp", "x"), call('{"n": 2}', index, "lamp", "y")) == [
        ("lamp", '{"n": 1}'),
        ("lamp", '{"n": 2}'),
    ]


@pytest.mark.parametrize("index", [None, 0])
def test_whole_calls_without_ids_are_told_apart_by_their_names(index: int | None) -> None:
    assert calls(call('{"n": 1}', index, "lamp"), call('{"n": 2}', index, "lamp")) == [
        ("lamp", '{"n": 1}'),
        ("lamp", '{"n": 2}'),
    ]


def test_fragments_without_numbers_go_on_with_the_last_call() -> None:
    assert calls(
        call('{"n"', None, "lamp", "x"), call(": 1}"), call("{", None, "lamp", "y"), call("}")
    ) == [("lamp", '{"n": 1}'), ("lamp", "{}")]


def test_an_id_and_a_name_in_every_fragment_are_one_call() -> None:
    assert calls(call('{"n"', 0, "lamp", "x"), call(": 1}", 0, "lamp", "x")) == [
        ("lamp", '{"n": 1}')
    ]


def test_calls_in_one_chunk_and_arguments_that_are_no_text() -> None:
    both = [call({"n": 1}, name="lamp"), call(None, name="get_time")]
    pieces = read(chunk({"content": "So.", "tool_calls": both}), chunk({}, "stop"))
    assert pieces == [
        TextDelta("So."),
        ToolCall("lamp", '{"n": 1}'),
        ToolCall("get_time", "{}"),
        Finished(0, 0, 0),
    ]


def test_calls_that_are_written_as_words_are_made_where_tools_may_be_called() -> None:
    words = ("```json\n", '{"name": "lamp", "arguments": {"on": true}}', "\n```\nI lit it.")
    chunks = [*(chunk({"content": part}) for part in words), chunk({}, "stop")]
    may = Prompt((), tools=(LAMP, CLOCK))
    assert read(*chunks, prompt=may) == [ToolCall("lamp", '{"on": true}'), Finished(0, 0, 0)]
    for prompt in (
        NOTHING,
        replace(may, tool_choice="none"),
        replace(may, schema={"type": "object"}),
        replace(may, tools=(CLOCK,)),
    ):
        pieces = read(*chunks, prompt=prompt)
        assert "".join(p.text for p in pieces if isinstance(p, TextDelta)) == "".join(words)
    twice = [*chunks[:2], chunk({"content": words[1] + "```"}, "stop")]
    assert len(read(*twice, prompt=may)) == 3
    assert len(read(*twice, prompt=replace(may, parallel_calls=False))) == 2


def test_a_call_that_was_cut_at_the_limit_is_not_made() -> None:
    fragments = [call('{"n": 1}', 0, "lamp", "x"), call('{"n": ', 1, "lamp", "y")]
    assert calls(*fragments, finish_reason="length") == [("lamp", '{"n": 1}')]
    assert len(calls(*fragments)) == 2, "a mistake of the model's is told to it by the tool"


@pytest.mark.parametrize("data", [b"<html>", b"[1]", b'{"choices": 5}', b'{"choices": ["\xff"]}'])
def test_what_is_no_chunk_is_named(data: bytes) -> None:
    with pytest.raises(ServerError, match=r"there/v1.*no chunk of an answer.*check"):
        ChatReader(URL, NOTHING).pieces(data)


@pytest.mark.parametrize(
    "told",
    [
        {"error": {"message": "out of\nmemory", "code": 500}},
        {"error": "out of memory"},
        {"object": "error", "message": "out of memory", "code": 500},
        {"error_type": "x", "error_message": "out of memory"},
    ],
)
def test_an_error_in_the_stream_is_told_in_its_words(told: Any) -> None:
    with pytest.raises(ServerError, match=r"there/v1.*out of memory"):
        ChatReader(URL, NOTHING).pieces(json.dumps(told).encode())


def test_a_conversation_too_long_and_an_engine_that_fails_are_known_in_the_stream_too() -> None:
    told = {"error": {"message": "This model's maximum context length is 8 tokens."}}
    with pytest.raises(PromptTooLong, match="8 tokens"):
        ChatReader(URL, NOTHING).pieces(json.dumps(told).encode())
    for reason in ("error", "abort"):
        with pytest.raises(ServerError, match=reason):
            ChatReader(URL, NOTHING).pieces(chunk({}, reason))


@given(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["choices", "delta", "tool_calls", "function", "usage", "error", "content"]), x
)))  # fmt: skip
def test_any_json_is_understood_or_refused(told: Any) -> None:
    reader = ChatReader(URL, NOTHING)
    try:
        reader.pieces(json.dumps(told).encode())
    except ServerError:
        return
    assert isinstance(reader.end()[-1], Finished)


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b'{"data": [{"id": "a"}, {"id": "b"}]}', ["a", "b"]),
        (b'{"data": [{"id": 5}, "a", {}]}', []),
        (b'{"data": {}}', []),
        (b"[]", []),
        (b"<html>", []),
    ],
)
def test_models_are_listed_by_name(data: bytes, names: list[str]) -> None:
    assert model_names(data) == names
