"""When a tool is called, by the odds, and what is read from the model's tokens."""

from __future__ import annotations

import math

import pytest

from voice.server.backend import Tool
from voice.server.calling import (
    arguments_schemas,
    begins_call,
    is_call,
    names_tool,
    probabilities,
    valid_arguments,
)

TOOLS = [Tool("get_time", "", {}), Tool("set_timer", "", {})]


def test_both_signals_must_agree() -> None:
    assert is_call(0.9, 0.95)  # a timer
    assert is_call(0.13, 0.999)  # a time asked for in a roundabout way
    assert not is_call(0.96, 0.03)  # a call, but of a function that there is not
    assert not is_call(0.6, 0.76)  # a story
    assert not is_call(0.84, 0.71)  # two plus two, after a question for the time
    assert not is_call(0.001, 0.97)  # words, however sure the name


def test_braces_begin_calls() -> None:
    assert begins_call({'{"': 0.5, " {": 0.2, "The": 0.3}) == pytest.approx(0.7)


def test_names_are_found_by_their_first_token() -> None:
    found = names_tool({"get": 0.4, "set_timer": 0.3, "joke": 0.2, "": 0.1}, TOOLS)
    assert found == pytest.approx(0.7)


def test_probabilities_come_from_logarithms() -> None:
    top = [{"token": "a", "logprob": math.log(0.5)}, {"token": 5}, {}]
    assert probabilities(top) == {"a": pytest.approx(0.5)}


@pytest.mark.parametrize("text", ["", "5", "[]", '{"a": ', "{} {}", "[" * 100_000])
def test_what_is_not_an_object_is_no_arguments(text: str) -> None:
    assert valid_arguments(text) is None


def test_arguments_are_kept() -> None:
    assert valid_arguments(' {"name":"Tee für Ömer"} ') == '{"name": "Tee für Ömer"}'


def test_the_second_schema_has_only_what_is_required() -> None:
    properties = {"minutes": {"type": "integer"}, "name": {"type": "string"}}
    tool = Tool("set_timer", "", {"properties": properties, "required": ["minutes"]})
    whole, least = arguments_schemas(tool)
    assert whole["properties"] == properties
    assert least["properties"] == {"minutes": {"type": "integer"}}
    assert whole["type"] == least["type"] == "object"
    assert len(arguments_schemas(Tool("get_time", "", {}))) == 1
