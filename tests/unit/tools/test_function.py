from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from voice.errors import ToolError
from voice.tools.function import function_tool


class Room(enum.Enum):
    KITCHEN = "kitchen"
    HALL = "hall"


@dataclass
class Colour:
    red: int
    green: int = 0


async def set_light(
    room: Room,
    level: Annotated[int, Meta(ge=0, le=100)],
    colour: Colour | None = None,
    mood: Literal["warm", "cold"] = "warm",
) -> str:
    """Switch a light
    in one of the rooms.

    More that is not for the model.

    Args:
        room: where it is,
            in the house
        level (int): brightness in percent

    Returns:
        mood: not a parameter's description
    """
    return f"{room.value} {level} {colour} {mood}"


def add(first: int, second: int) -> int:
    """Add two numbers."""
    return first + second


def test_the_definition_is_flat_and_complete() -> None:
    assert function_tool(add).definition() == {
        "type": "function",
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"first": {"type": "integer"}, "second": {"type": "integer"}},
            "required": ["first", "second"],
            "additionalProperties": False,
        },
        "strict": True,
    }


def test_descriptions_limits_and_defaults_are_in_the_schema() -> None:
    definition = function_tool(set_light).definition()
    assert definition["description"] == "Switch a light in one of the rooms."
    assert definition["strict"] is False
    schema = definition["parameters"]
    assert schema["required"] == ["room", "level"]
    assert schema["properties"]["level"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 100,
        "description": "brightness in percent",
    }
    assert schema["properties"]["mood"] == {"enum": ["cold", "warm"], "default": "warm"}
    assert schema["properties"]["room"]["description"] == "where it is, in the house"
    assert set(schema["$defs"]) == {"Room", "Colour"}
    msgspec.json.encode(definition)


async def test_arguments_become_python_values() -> None:
    tool = function_tool(set_light)
    text = '{"room": "hall", "level": "40", "colour": {"red": 3}}'
    assert await tool.call(text) == "hall 40 Colour(red=3, green=0) warm"


async def test_a_plain_function_and_a_method_are_tools_too() -> None:
    class Counter:
        count = 0

        def increase(self, by: int = 1) -> int:
            """Count up."""
            self.count += by
            return self.count

    tool = function_tool(Counter().increase)
    assert await tool.call("") == 1
    assert await tool.call('{"by": 4}') == 5
    assert await function_tool(add).call('{"first": 1, "second": 2}') == 3


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ('{"room": "hall"}', ["level", "required"]),
        ('{"room": "attic", "level": 1}', ["argument `room`", "attic"]),
        ('{"room": "hall", "level": "much"}', ["argument `level`", "`int`"]),
        ('{"room": "hall", "level": 101}', ["argument `level`", "<= 100"]),
        ('{"room": "hall", "level": 1, "colour": {"red": []}}', ["`colour.red`", "`int`"]),
        ('{"room": "hall", "level": 1, "size": 2}', ["size"]),
        ("[1]", ["`object`", "`array`"]),
        ('{"room": ', ["not JSON"]),
    ],
)
async def test_wrong_arguments_are_named(arguments: str, parts: list[str]) -> None:
    with pytest.raises(ToolError) as caught:
        await function_tool(set_light).call(arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in ["set_light: ", *parts])
    assert 'it takes {room: "hall" | "kitchen", level: integer' in message


def no_hint(a) -> None:  # type: ignore[no-untyped-def]
    """Text."""


def no_docstring(a: int) -> None: ...


def star(*a: int) -> None:
    """Text."""


def stars(**a: int) -> None:
    """Text."""


def positional(a: int, /) -> None:
    """Text."""


def no_json(a: Callable[[], int]) -> None:
    """Text."""


def unknown_type(a: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Text."""


def described_wrongly(a: int) -> None:
    """Text.

    Args:
        b: nothing
    """


def shared_default(a: list[int] = [1]) -> None:  # noqa: B006
    """Text."""


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (no_hint, ["`no_hint`", "`a`", "no type hint"]),
        (no_docstring, ["`no_docstring`", "no docstring"]),
        (star, ["`star`", "`*a", "any number"]),
        (stars, ["`stars`", "`**a", "any number"]),
        (positional, ["`positional`", "`a`", "by name"]),
        (no_json, ["`no_json`", "`a`", "Callable"]),
        (unknown_type, ["`unknown_type`", "Missing"]),
        (described_wrongly, ["`described_wrongly`", "`b`"]),
        (shared_default, ["`shared_default`", "default"]),
        (lambda: 1, ["<lambda>"]),
    ],
)
def test_bad_functions_are_refused(function: Callable[..., Any], parts: list[str]) -> None:
    with pytest.raises(ToolError) as caught:
        function_tool(function)
    assert "\n" not in str(caught.value)
    assert caught.value.cure
    assert all(part in caught.value.problem for part in parts)
