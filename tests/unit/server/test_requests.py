"""Requests as real clients send them, and what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voice.server.backend import Call, CallOutput, Message, Tool
from voice.server.refusals import Refused
from voice.server.requests import CreateRequest, parse


def create(**fields: Any) -> CreateRequest:
    request = parse(json.dumps({"type": "response.create", "model": "m", **fields}))
    assert isinstance(request, CreateRequest)
    return request


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"role": "user", "content": "Hi"}, Message("user", "Hi")),
        (
            {"type": "message", "role": "developer", "content": [{"text": "A"}, "B"]},
            Message("developer", "AB"),
        ),
        (
            {
                "role": "assistant",
                "id": "msg_1",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
            },
            Message("assistant", "Hi"),
        ),
        (
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            Call("c", "f", "{}"),
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": [{"text": "x"}]},
            CallOutput("c", "x"),
        ),
    ],
)
def test_items_are_read_leniently(item: dict[str, Any], expected: object) -> None:
    assert create(input=[item]).items == (expected,)


def test_unknown_keys_stream_and_nulls_are_accepted() -> None:
    request = create(input="Hi", stream=True, whatever={"a": 1}, temperature=None, tools=None)
    assert request.items == (Message("user", "Hi"),)
    assert request.generate


def test_hosted_tools_are_left_out() -> None:
    request = create(tools=[{"type": "web_search"}, {"type": "function", "name": "f"}])
    assert request.tools == (Tool("f", "", {}),)


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (None, None),
        ({}, None),
        ({"verbosity": "low"}, None),
        ({"format": None}, None),
        ({"format": {"type": "text"}}, None),
        ({"format": {"type": "json_object"}}, {"type": "object"}),
        ({"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}, SCHEMA),
        (
            {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}},
            SCHEMA,
        ),
    ],
)
def test_the_format_of_the_text_is_a_schema_of_the_prompt(text: Any, schema: Any) -> None:
    assert create(text=text).prompt(()).schema == schema


@pytest.mark.parametrize(("given", "expected"), [(None, True), (True, True), (False, False)])
def test_whether_calls_may_be_several_is_in_the_prompt(given: Any, expected: bool) -> None:
    assert create(parallel_tool_calls=given).prompt(()).parallel_calls == expected


def test_as_much_metadata_as_the_api_takes_is_taken() -> None:
    metadata = {f"{n:064d}": "x" * 512 for n in range(16)}
    assert create(metadata=metadata).body.metadata == metadata


@pytest.mark.parametrize(
    "fields", [{"background": False}, {"conversation": None}, {"prompt": None}]
)
def test_a_wish_that_is_none_is_not_refused(fields: dict[str, Any]) -> None:
    create(**fields)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0]",
        ),
        ({"input": [{"type": "strange"}]}, "input[0]"),
        ({"input": [5]}, "input[0]"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"text": "json"}, "text"),
        ({"text": {"format": "json"}}, "text.format"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": []}}},
            "text.format.schema",
        ),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"k": "x" * 513}}, "metadata"),
        ({"metadata": {"k": 5}}, "metadata"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ],
)
def test_what_is_refused_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as refused:
        create(**fields)
    error = refused.value.body
    where = error.param or ""
    assert where.startswith(param)
    assert error.type == "invalid_request_error"
    assert refused.value.status == 400


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_is_nested_too_deeply_to_be_written_again_is_refused(opening: str) -> None:
    """JSON's reader goes deeper than its writer, so 990 levels were read, and then a crash."""
    closing = "]" if opening == "[" else "}"
    for levels in (127, 128, 900, 990, 5000):
        item = '{"type": "function_call", "call_id": "c", "name": "f", "arguments": %s}'
        nested = opening * levels + "0" + closing * levels
        message = f'{{"type": "response.create", "input": [{item % nested}]}}'
        with pytest.raises(Refused) as refused:
            parse(message)
        assert refused.value.body.code == "invalid_json"
    assert create(input=[{"role": "user", "content": [{"text": "a", "x": [[[]]] * 500}]}])


@pytest.mark.parametrize("message", ["", "{", "[]", "null", '{"type": 5}', "[" * 100_000, b"\xff"])
def test_what_is_not_a_request_is_refused(message: str | bytes) -> None:
    with pytest.raises(Refused):
        parse(message)
