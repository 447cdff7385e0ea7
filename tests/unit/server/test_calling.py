"""When a tool is called, by the odds, and what is read from the model's tokens."""

from __future__ import annotations

import math
from typing import Any

import pytest

from voice.server.backend import Tool
from voice.server.calling import (
    arguments_grammars,
    begins_call,
    is_another,
    is_call,
    least_odds,
    names_tool,
    probabilities,
    takes_nothing,
    valid_arguments,
)

TOOLS = [Tool("get_time", "", {}), Tool("set_timer", "", {})]


def test_both_signals_must_agree() -> None:
    small, larger = least_odds(491_400_064), least_odds(1_117_320_768)
    assert is_call(0.9, 0.95, small)  # a timer
    assert is_call(0.13, 0.999, small)  # a time asked for in a roundabout way
    assert not is_call(0.96, 0.03, small)  # a call, but of a function that there is not
    assert not is_call(0.45, 0.7, small)  # a story
    assert not is_call(0.001, 0.97, small)  # words, however sure the name
    assert is_call(0.4, 0.7, larger)  # clearer in what it means
    assert not is_call(0.4, 0.7, small)
    assert not is_call(0.0001, 0.9, larger)


def test_another_call_needs_less() -> None:
    assert is_another(0.000007, 0.998)  # lights and a timer: the least sure of the doubles
    assert is_another(0.26, 0.999)  # two timers
    assert not is_another(0.00004, 0.9)  # rain tomorrow: the surest of those that are one
    assert not is_another(0.0, 0.99)


def test_braces_begin_calls() -> None:
    assert begins_call({'{"': 0.5, " {": 0.2, "The": 0.3}) == pytest.approx(0.7)


def test_names_are_found_token_by_token() -> None:
    found = names_tool({"get": 0.4, "set_timer": 0.3, "joke": 0.2, "": 0.1}, TOOLS)
    assert found == pytest.approx(0.7)
    after = names_tool({"_time": 0.5, "_capital": 0.3, '_time",': 0.1}, TOOLS, "get")
    assert after == pytest.approx(0.6)


def test_probabilities_come_from_logarithms() -> None:
    top = [{"token": "a", "logprob": math.log(0.5)}, {"token": 5}, {}]
    assert probabilities(top) == {"a": pytest.approx(0.5)}


@pytest.mark.parametrize("text", ["", "5", "[]", '{"a": ', "{} {}", "[" * 100_000])
def test_what_is_not_an_object_is_no_arguments(text: str) -> None:
    assert valid_arguments(text, TOOLS[0]) is None


def test_arguments_are_kept() -> None:
    assert valid_arguments(' {"name":"Tee für Ömer"} ', TOOLS[1]) == '{"name": "Tee für Ömer"}'


def test_a_number_is_whole_where_only_rounding_made_it_another() -> None:
    assert valid_arguments('{"a": 30.000000000000004, "b": 0.5}', TOOLS[1]) == '{"a": 30, "b": 0.5}'
    assert valid_arguments('{"a": 1e999}', TOOLS[1]) is not None


def test_an_optional_text_that_is_no_text_is_left_out() -> None:
    tool = Tool("t", "", {"properties": {"label": {}, "id": {}}, "required": ["id"]})
    assert valid_arguments('{"label": "your_label_here", "id": "the_id"}', tool) == (
        '{"id": "the_id"}'
    )
    assert valid_arguments('{"label": "label"}', tool) == '{"label": "label"}'


def test_each_grammar_asks_less_than_the_one_before() -> None:
    properties = {"minutes": {"type": "integer"}, "name": {"type": "string"}}
    tool = Tool("set_timer", "", {"properties": properties, "required": ["minutes"]})
    whole, least, anything = arguments_grammars(tool)
    assert '"name"' in whole
    assert '"minutes"' in whole
    assert '"name"' not in least
    assert '"minutes"' in least
    assert '"minutes"' not in anything
    assert len(arguments_grammars(Tool("get_time", "", {}))) == 2


@pytest.mark.parametrize(
    ("schema", "nothing"),
    [
        ({}, True),
        ({"type": "object", "properties": {}, "required": [], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"name": {}}}, False),
        ({"type": "object", "additionalProperties": True}, False),
        ({"$ref": "#/$defs/place", "properties": {}}, False),
    ],
)
def test_a_tool_takes_nothing_if_its_schema_leaves_nothing_else(
    schema: dict[str, Any], nothing: bool
) -> None:
    assert takes_nothing(Tool("t", "", schema)) is nothing


def test_arguments_that_the_schema_does_not_name_are_not_allowed_unless_it_says_so() -> None:
    assert '"additionalProperties": false' in arguments_grammars(TOOLS[0])[0]
    free = Tool("free", "", {"additionalProperties": True})
    assert '"additionalProperties": true' in arguments_grammars(free)[0]
