from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, defstruct

from voice.tools.json_schema import is_strict
from voice.tools.schema import parameters_schema


class Room(enum.Enum):
    HALL = "hall"


@dataclass
class Point:
    x: int
    room: Room


@dataclass
class Loose:
    x: int = 0


@dataclass
class Tree:
    children: list[Tree]


class Cat(Struct, tag=True):
    name: str


class Dog(Struct, tag=True):
    name: str


def schema_of(hint: Any) -> dict[str, Any]:
    return parameters_schema(defstruct("call", [("value", hint)]))


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1, 2], {"type": "integer", "enum": [1, 2]}),
        (Literal["a", None], {"type": ["null", "string"], "enum": [None, "a"]}),
        (Room, {"type": "string", "enum": ["hall"]}),
        (
            Annotated[Room, Meta(description="where")],
            {"type": "string", "enum": ["hall"], "description": "where"},
        ),
        (list[Room], {"type": "array", "items": {"type": "string", "enum": ["hall"]}}),
        (
            Annotated[int, Meta(ge=1, le=9)],
            {"type": "integer", "minimum": 1, "maximum": 9},
        ),
        (
            Point,
            {
                "type": "object",
                "properties": {
                    "x": {"type": "integer"},
                    "room": {"type": "string", "enum": ["hall"]},
                },
                "required": ["x", "room"],
                "additionalProperties": False,
            },
        ),
        (datetime.date, {"type": "string", "format": "date"}),
    ],
)
def test_what_a_strict_server_takes(hint: Any, schema: dict[str, Any]) -> None:
    whole = schema_of(hint)
    assert whole["properties"]["value"] == schema
    assert "$defs" not in whole
    assert is_strict(whole)


@pytest.mark.parametrize(
    "hint",
    [
        Any,
        dict[str, int],
        list[dict[str, str]],
        set[str],
        tuple[int, str],
        bytes,
        Loose,
        list[Loose],
        Loose | None,
        Cat | Dog,
        Annotated[str, Meta(min_length=2)],
    ],
)
def test_what_a_strict_server_refuses_is_not_called_strict(hint: Any) -> None:
    assert not is_strict(schema_of(hint))


def test_a_default_is_not_strict() -> None:
    assert not is_strict(parameters_schema(defstruct("call", [("value", int, 1)])))
    assert is_strict(parameters_schema(defstruct("call", [])))


def test_a_type_that_contains_itself_keeps_its_reference() -> None:
    children = {"type": "array", "items": {"$ref": "#/$defs/Tree"}}
    tree = {
        "type": "object",
        "properties": {"children": children},
        "required": ["children"],
        "additionalProperties": False,
    }
    whole = schema_of(Tree)
    assert whole["properties"]["value"] == tree
    assert whole["$defs"] == {"Tree": tree}
    assert is_strict(whole)


def test_a_property_called_title_is_no_title() -> None:
    whole = parameters_schema(defstruct("call", [("title", str), ("enum", str)]))
    assert set(whole["properties"]) == {"title", "enum"}
    assert "title" not in whole
