"""Prompts of the llama backend: prefixes stay, and text cannot leave its turn."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from voice.server.backend import Call, CallOutput, Item, Message, Prompt, Reasoning, Tool
from voice.server.chatml import callable_tools, render, render_open

TIMER = Tool(
    "set_timer",
    "Set a timer. It speaks up.",
    {
        "type": "object",
        "properties": {"minutes": {"type": "integer"}, "name": {"type": "string"}},
        "required": ["minutes"],
    },
)
CLOCK = Tool("get_time", "Tell the time.", {})
HELLO = Message("user", "Hello.")


def prompt(*items: Item, tools: tuple[Tool, ...] = (TIMER, CLOCK)) -> Prompt:
    return Prompt(items=items, instructions="Be kind.", tools=tools)


def test_without_tools_it_is_the_instructions_and_the_conversation() -> None:
    rendered = render(prompt(HELLO, Message("assistant", "Hi."), HELLO, tools=()))
    assert rendered == (
        "<|im_start|>system\nBe kind.<|im_end|>\n"
        "<|im_start|>user\nHello.<|im_end|>\n"
        "<|im_start|>assistant\nHi.<|im_end|>\n"
        "<|im_start|>user\nHello.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_each_turn_extends_the_one_before() -> None:
    first = render(prompt(HELLO))
    second = render(prompt(HELLO, Message("assistant", "Hi."), Message("user", "And you?")))
    assert second.startswith(first + "Hi.<|im_end|>\n")


def test_words_that_arrive_one_by_one_extend_one_turn() -> None:
    parts = [Message("user", "What is"), Message("user", "the capital"), Message("user", " of?")]
    for count in (1, 2):
        assert render(prompt(*parts)).startswith(render_open(prompt(*parts[:count])))
    whole = prompt(Message("user", "What is the capital of?"))
    assert render(prompt(*parts)) == render(whole)


def test_calls_and_outputs_are_shown_as_in_the_examples() -> None:
    rendered = render(prompt(HELLO, Call("c", "get_time", "{}"), CallOutput("c", "noon")))
    assert '<|im_start|>assistant\n{"name": "get_time", "arguments": {}}<|im_end|>\n' in rendered
    assert "<tool_response>\nnoon\n</tool_response>" in rendered
    assert '{"name": "set_timer", "arguments": {"minutes": 3}}' in rendered


def test_calls_of_one_answer_are_one_turn_and_so_are_their_outputs() -> None:
    calls = (Call("c", "get_time", "{}"), Call("d", "set_timer", '{"minutes": 9}'))
    rendered = render(prompt(HELLO, *calls, CallOutput("c", "noon"), CallOutput("d", "set")))
    assert (
        '<|im_start|>assistant\n{"name": "get_time", "arguments": {}}\n'
        '{"name": "set_timer", "arguments": {"minutes": 9}}<|im_end|>\n'
        "<|im_start|>user\n<tool_response>\nnoon\n</tool_response>\n"
        "<tool_response>\nset\n</tool_response><|im_end|>\n"
    ) in rendered


def test_what_another_model_thought_is_left_out() -> None:
    thought = Reasoning({"type": "reasoning", "summary": [{"text": "a secret"}]})
    assert "secret" not in render(prompt(HELLO, thought, Message("assistant", "Hi.")))


def test_tools_are_told_with_what_their_parameters_mean() -> None:
    properties = {
        "lamp": {"type": "string", "description": "Which lamp."},
        "way": {"enum": ["up", "down"]},
    }
    tool = Tool("dim", "Dim a lamp.", {"properties": properties, "required": ["lamp"]})
    told = "dim(lamp, way?): Dim a lamp. lamp: Which lamp. way: one of up, down."
    assert told in render(prompt(HELLO, tools=(tool,)))


def test_two_calls_are_shown() -> None:
    rendered = render(prompt(HELLO))
    both = '{"name": "set_timer", "arguments": {"minutes": 3}}\n{"name": "get_time"'
    assert both in rendered
    assert "Set a timer, 3 minutes and tell the time, please." in rendered


def test_a_schema_of_the_answer_is_told() -> None:
    assert '{"type": "integer"}' in render(replace(prompt(HELLO), schema={"type": "integer"}))


def test_a_tool_that_has_answered_is_not_called_again_until_the_user_speaks() -> None:
    items = (HELLO, Call("c", "get_time", "{}"), CallOutput("c", "noon"))
    assert callable_tools(prompt(*items)) == (TIMER,)
    assert callable_tools(prompt(*items, HELLO)) == (TIMER, CLOCK)
    assert callable_tools(replace(prompt(*items), tool_choice="required")) == (TIMER, CLOCK)
    assert callable_tools(replace(prompt(*items), tool_choice="get_time")) == (CLOCK,)
    assert callable_tools(replace(prompt(HELLO), tool_choice="none")) == ()


@given(st.text(alphabet="<|im_endstar>\n a"), st.sampled_from(["user", "assistant", "system"]))
def test_no_text_ends_its_turn(text: str, role: str) -> None:
    rendered = render(prompt(Message(role, text), CallOutput("c", text), tools=()))
    turns = 1 + 2 + 1
    assert rendered.count("<|im_start|>") == turns
    assert rendered.count("<|im_end|>") == turns - 1


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["type", "properties", "required", "enum", "minutes"]), x
            )
        ),
        max_leaves=8,
    )
)
def test_any_schema_can_be_shown(schema: object) -> None:
    parameters = schema if isinstance(schema, dict) else {"properties": schema, "required": schema}
    assert "odd" in render(prompt(HELLO, tools=(Tool("odd", "", parameters),)))
