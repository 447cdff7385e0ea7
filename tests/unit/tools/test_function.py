from __future__ import annotations

import asyncio
import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from voice.errors import ToolError
from voice.tools.decorator import tool
from voice.tools.function import function_tool
from voice.tools.policy import Policy
from voice.tools.tool import Tool, ToolContext


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
    assert schema["properties"]["mood"] == {
        "type": "string",
        "enum": ["cold", "warm"],
        "default": "warm",
    }
    assert schema["properties"]["room"] == {
        "type": "string",
        "enum": ["hall", "kitchen"],
        "description": "where it is, in the house",
    }
    msgspec.json.encode(definition)


async def test_arguments_become_python_values() -> None:
    text = '{"room": "hall", "level": "40", "colour": {"red": 3}}'
    assert await function_tool(set_light).call(text) == "hall 40 Colour(red=3, green=0) warm"


async def test_a_plain_function_and_a_method_are_tools_too() -> None:
    class Counter:
        count = 0

        def increase(self, by: int = 1) -> int:
            """Count up."""
            self.count += by
            return self.count

    counter = function_tool(Counter().increase)
    assert await counter.call("") == 1
    assert await counter.call(" null ") == 2
    assert await counter.call('{"by": 4}') == 6
    assert await function_tool(add).call('{"first": 1, "second": 2}') == 3


async def test_an_object_with_an_async_call_is_awaited() -> None:
    class Lamp:
        """Not read."""

        async def __call__(self, on: bool, context: ToolContext) -> str:
            """Not read either."""
            context.report("soon")
            await asyncio.sleep(0)
            return f"on: {on}"

    said: list[str] = []
    context = ToolContext(report=said.append)
    assert await function_tool(Lamp()).call('{"on": "true"}', context) == "on: True"
    assert said == ["soon"]


def download(name: str, context: ToolContext) -> str:
    """Download a file.

    Args:
        name: which one
        context: not for the model
    """
    context.report(f"{name} is half done")
    return f"{context.key} {threading.current_thread().name}"


async def play(context: ToolContext, song: str = "") -> str:
    """Play."""
    context.report(song)
    return context.key


async def test_a_context_is_handed_in_and_not_in_the_schema() -> None:
    said: list[tuple[str, str]] = []
    context = ToolContext(
        "turn 1", lambda text: said.append((text, threading.current_thread().name))
    )
    here = threading.current_thread().name
    assert set(function_tool(download).definition()["parameters"]["properties"]) == {"name"}
    assert await function_tool(download).call('{"name": "a"}', context) == "turn 1 tool"
    assert await function_tool(play).call('{"song": "b"}', context) == "turn 1"
    assert said == [("a is half done", here), ("b", here)]


async def test_a_model_cannot_hand_in_a_context() -> None:
    with pytest.raises(ToolError, match="context"):
        await function_tool(play).call('{"context": {"key": "mine"}}')


async def test_reports_after_the_end_are_dropped() -> None:
    said: list[str] = []
    given_up, reported = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def search(context: ToolContext) -> None:
        """Search."""
        given_up.wait()
        context.report("late")
        loop.call_soon_threadsafe(reported.set)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(
            function_tool(search).call("", ToolContext(report=said.append)), timeout=0.01
        )
    given_up.set()
    await reported.wait()
    assert said == []


@tool(confirm=True, limit_seconds=5, question="Shall I delete {name} for good?")
def delete(name: str, copies: list[Room] | None = None) -> None:
    """Delete something."""


def test_the_decorators_settings_hold_unless_others_are_given() -> None:
    assert function_tool(delete).policy == Policy(confirm=True, limit_seconds=5.0)
    assert function_tool(delete, policy=Policy()).policy == Policy()
    assert function_tool(add).policy == Policy()
    as_tool: Tool = function_tool(delete)
    assert as_tool.question('{"name": "tea"}') == "Shall I delete tea for good?"
    other = function_tool(delete, question="Is {name} to go?")
    assert other.question('{"name": "tea"}') == "Is tea to go?"


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        ('{"name": ""}', "Shall I delete?"),
        ('{"name": "", "copies": ["hall"]}', "Shall I delete, with copies hall?"),
        ("{}", ""),
        ("nonsense", ""),
        ('{"name": "{copies}"}', "Shall I delete copies for good?"),
    ],
)
async def test_a_question_without_its_values_is_a_plain_one(arguments: str, question: str) -> None:
    assert function_tool(delete).question(arguments) == question
    if not question:  # the call does not run
        with pytest.raises(ToolError):
            await function_tool(delete).call(arguments)


def test_a_question_knows_the_defaults() -> None:
    play_it = function_tool(play, question="Shall I play {song}?")
    assert play_it.question('{"song": "Help"}') == "Shall I play Help?"
    assert function_tool(set_light).question('{"room": "hall", "level": 3}') == (
        "Shall I set light, with room hall, level 3 and mood warm?"
    )


def test_a_question_speaks_of_parameters_only() -> None:
    with pytest.raises(ToolError, match=r"`delete`.*\{place\}"):
        function_tool(delete, question="Shall I delete {place}?")
    with pytest.raises(ToolError, match=r"\{context\}"):
        function_tool(play, question="{context}?")


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
        ('"hall"', ["`object`", "`str`"]),
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
