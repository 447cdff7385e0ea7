from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from voice.errors import ToolError
from voice.tools.schema import (
    arguments_type,
    function_name,
    parameters_of_type,
    parameters_schema,
    read_arguments,
)


@dataclass
class Address:
    street: str
    number: int | None = None


class Hidden:
    pass


def send(
    to: list[Address],
    urgency: Literal["low", "high"] | None = None,
    copies: Annotated[int, Meta(ge=1)] = 1,
    hidden: Hidden | None = None,
) -> None: ...


SEND = arguments_type(send, {"copies": "how many"}, without=["hidden"])


def read(json: str) -> dict[str, Any]:
    return read_arguments(SEND, json)


def test_arguments_are_read_with_their_defaults() -> None:
    assert read('{"to": [{"street": "Elm"}]}') == {
        "to": [Address("Elm")],
        "urgency": None,
        "copies": 1,
    }
    assert read('{"to": [], "urgency": "high", "copies": "2"}') == {
        "to": [],
        "urgency": "high",
        "copies": 2,
    }


def test_a_parameter_that_is_left_out_is_no_argument() -> None:
    assert set(parameters_schema(SEND)["properties"]) == {"to", "urgency", "copies"}
    with pytest.raises(ToolError, match="hidden"):
        read('{"to": [], "hidden": null}')


@pytest.mark.parametrize(
    ("json", "parts"),
    [
        ('{"to": [{"street": "Elm"}, {"number": 1}]}', ["argument `to[1]`", "`street`"]),
        ('{"to": [{"street": "Elm", "number": "x"}]}', ["argument `to[0].number`"]),
        ('{"to": {}}', ["argument `to`", "`array`", "`object`"]),
        ('{"to": [], "urgency": "some"}', ["argument `urgency`", "some"]),
        ('{"to": [], "copies": 0}', ["argument `copies`", ">= 1"]),
        ('{"to": []} and more', ["not JSON"]),
        ("", ["`to`"]),
        ('{"to": [' + '{"street":' * 5000, ["`to[0].street`", "`str`"]),
        ('{"to": "\ud800"}', ["not JSON"]),
    ],
)
def test_wrong_arguments_are_named_with_what_is_taken(json: str, parts: list[str]) -> None:
    with pytest.raises(ToolError) as caught:
        read(json)
    usage = 'it takes {to: array, urgency: "high" | "low" | null, copies: integer}'
    assert all(part in str(caught.value) for part in ["send: ", usage, *parts])


def test_parameters_are_found_by_type() -> None:
    def function(a: int, b: Hidden, c: list[Hidden], d: Hidden | None) -> Hidden:
        return b

    assert parameters_of_type(function, Hidden) == ["b"]


@pytest.mark.parametrize(
    ("function", "name"), [(send, "send"), (Hidden(), "Hidden"), (Address("a").__eq__, "__eq__")]
)
def test_names(function: Callable[..., Any], name: str) -> None:
    assert function_name(function) == name
