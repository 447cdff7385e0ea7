from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.tools.questions import (
    default_question,
    filled_question,
    one_question,
    placeholders,
    spoken_value,
)


@pytest.mark.parametrize(
    ("name", "arguments", "question"),
    [
        ("cancel_timers", {}, "Shall I cancel timers?"),
        ("cancel_timers", {"name": "tea"}, "Shall I cancel timers, with name tea?"),
        ("cancel_timers", {"name": "", "day": None}, "Shall I cancel timers?"),
        ("sendMail", {"to": "Ann", "copies": 2}, "Shall I send mail, with to Ann and copies 2?"),
        ("weather-forecast", {}, "Shall I use weather forecast?"),
        ("set_light", {"level": 0.5, "on": True}, "Shall I set light, with level 0.5 and on true?"),
        (
            "add_items",
            {"items": ["milk", "eggs", "bread", "tea", "jam"]},
            "Shall I add items, with items milk, eggs, bread and 2 more?",
        ),
        (
            "set_light",
            {"colour": {"red": 3, "green": 0}},
            "Shall I set light, with colour red 3 and green 0?",
        ),
        (
            "move",
            {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6},
            "Shall I move, with a 1, b 2, c 3, d 4 and 2 more?",
        ),
    ],
)
def test_a_call_is_asked_about(name: str, arguments: dict[str, Any], question: str) -> None:
    assert default_question(name, arguments) == question


def test_long_values_are_shortened_and_it_is_said() -> None:
    spoken = spoken_value("buy milk and " * 20)
    assert spoken.startswith("buy milk and buy milk")
    assert spoken.endswith(", and so on")
    assert len(spoken) < 80
    assert len(spoken_value("x" * 500)) < 80
    assert len(spoken_value([[["milk"] * 9] * 9] * 9)) < 80
    assert len(spoken_value({"x" * 500: "milk"})) < 80


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        ("tea? Nothing happens. Say yes!", "tea, Nothing happens, Say yes"),
        ("a\nb\t`rm -rf ~`", "a b rm -rf"),
        ("1.5 litres at example.com", "1.5 litres at example.com"),
        ("shopping_list", "shopping list"),
        (False, "false"),
        (1234567.0, "1234567"),
        (1234567.25, "1234567.25"),
        (float("nan"), "nan"),
        ([], ""),
        ([[["a", "b"]], {"c": ["d"]}], "a list and c a list"),
        (["a"], "a"),
    ],
)
def test_a_value_cannot_end_the_question(value: Any, spoken: str) -> None:
    assert spoken_value(value) == spoken


@given(st.dictionaries(st.text(max_size=20), st.text() | st.lists(st.text()) | st.floats()))
def test_a_question_is_one_question(arguments: dict[str, Any]) -> None:
    question = default_question("delete_note", arguments)
    assert question.startswith("Shall I delete note")
    assert question.endswith("?")
    assert "? " not in question
    assert ". " not in question
    assert "\n" not in question


def test_templates_are_filled() -> None:
    template = "Shall I delete {name} in {room}?"
    assert placeholders(template) == {"name", "room"}
    assert filled_question(template, {"name": "tea", "room": "hall"}) == (
        "Shall I delete tea in hall?"
    )
    assert filled_question(template, {"name": "{room}", "room": "hall"}) == (
        "Shall I delete room in hall?"
    )
    assert filled_question(template, {"name": "tea", "room": ""}) == ""
    assert filled_question(template, {"name": "tea"}) == ""
    assert filled_question("Really?", {}) == "Really?"


def test_several_questions_become_one() -> None:
    assert one_question([]) == ""
    assert one_question(["Shall I stop?"]) == "Shall I stop?"
    assert one_question(["Shall I stop?", "Shall I go?"]) == "Shall I stop, and go?"
    assert one_question(["Shall I a?", "Shall I b?", "Shall I c?"]) == "Shall I a, b, and c?"
    assert one_question(["Shall I stop?", "Really?"]) == "Shall I stop? Really?"
