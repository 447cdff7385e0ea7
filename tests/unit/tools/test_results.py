from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from voice.tools.results import MOST_CHARACTERS, as_text, failure_text


@dataclass
class Point:
    x: int
    label: str | None = None


class Size(msgspec.Struct):
    width: float


class Colour(enum.Enum):
    RED = "red"


class Named(str, enum.Enum):  # noqa: UP042  # what users write
    KITCHEN = "kitchen"


class Odd:
    def __repr__(self) -> str:
        return "Odd()"


cycle: list[Any] = []
cycle.append(cycle)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "done"),
        ("as it is", "as it is"),
        ("", ""),
        ("caf\udce9.txt", "caf?.txt"),
        (Named.KITCHEN, "kitchen"),
        (True, "true"),
        (3, "3"),
        (2**80, str(2**80)),
        (math.nan, "null"),
        ([1.5, math.inf], "[1.5,null]"),
        (Point(3), '{"x":3,"label":null}'),
        ([Size(2.0)], '[{"width":2.0}]'),
        ({"colour": Colour.RED}, '{"colour":"red"}'),
        ({1: object}, f'{{"1":"{object}"}}'),
        ({(1, 2): "pair"}, '{"(1, 2)":"pair"}'),
        ({"a"}, '["a"]'),
        ((1, "b"), '[1,"b"]'),
        (datetime(2026, 11, 26, 7, 30, tzinfo=UTC), '"2026-11-26T07:30:00Z"'),
        (date(2026, 11, 26), '"2026-11-26"'),
        (timedelta(seconds=90), '"PT90S"'),
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Path("a/b"), '"a/b"'),
        (Odd(), '"Odd()"'),
        (b"text", "text"),
        (bytearray(b"text"), "text"),
        (b"\xff\xfe", "(2 bytes that are no text)"),
        ({"name": "caf\udce9"}, "{'name': 'caf\\udce9'}"),
        (cycle, "[[...]]"),
    ],
)
def test_results_are_text(result: Any, text: str) -> None:
    assert as_text(result) == text
    as_text(result).encode()


def test_long_results_are_cut_and_say_so() -> None:
    text = as_text("x" * (MOST_CHARACTERS + 5))
    assert text.startswith("x" * MOST_CHARACTERS + " …")
    assert str(MOST_CHARACTERS + 5) in text


def test_failures_are_one_short_line() -> None:
    assert failure_text("lamp", ValueError("a\n  b")) == "Error: lamp failed: ValueError: a b"
    assert failure_text("lamp", KeyError()) == "Error: lamp failed: KeyError"
    assert len(failure_text("lamp", ValueError("x" * 9000))) < 340
    assert failure_text("lamp", OSError("caf\udce9")) == "Error: lamp failed: OSError: caf?"
