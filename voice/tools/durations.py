"""Durations as people say them, both ways."""

from __future__ import annotations

import re

from voice.errors import ToolError

_UNITS = {"h": 3600, "hr": 3600, "hour": 3600, "m": 60, "min": 60, "minute": 60}
_UNITS |= {"s": 1, "sec": 1, "second": 1}

ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = {word: float(number) for number, word in enumerate(ONES)}
_NUMBERS |= {word: float(10 * number) for number, word in enumerate(_TENS, start=2)}

_PARTS = {"half": 0.5, "quarter": 0.25, "quarters": 0.25}
_ADDED = {"+half": 0.5, "+quarter": 0.25}
_AND_A_HALF = re.compile(r"\band (?:an? )?(half|quarter)\b")
_WORD = re.compile(r"\d+(?:\.\d+)?|\+?[a-z]+")


def parse_duration(text: str) -> int:
    """Seconds in a text such as "30 seconds", "half an hour" or "an hour and a half".

    Raises `ToolError` for what is none; the message tells the model what is missing.
    """
    total, unit = 0.0, 0
    amount: float | None = None
    for word in _WORD.findall(_AND_A_HALF.sub(r"+\1", text.lower())):
        if word in _ADDED and amount is not None:  # "one and a half hours"
            amount += _ADDED[word]
        elif word in _ADDED and unit:  # "an hour and a half"
            total += _ADDED[word] * unit
        elif word in _PARTS:
            amount = (1.0 if amount is None else amount) * _PARTS[word]
        elif (number := number_of(word)) is not None:
            amount = (amount or 0.0) + number
        elif found := _UNITS.get(word) or _UNITS.get(word.removesuffix("s")):
            unit = found
            total += (1.0 if amount is None else amount) * unit
            amount = None
        elif word not in ("a", "an", "and", "of"):
            raise _not_understood(text)
    if amount is not None or not unit:
        raise _not_understood(text)
    return round(total)


def spoken_duration(seconds: int) -> str:
    """For example "1 hour, 5 minutes and 1 second"."""
    hours, rest = divmod(max(0, seconds), 3600)
    amounts = ((hours, "hour"), (rest // 60, "minute"), (rest % 60, "second"))
    parts = [f"{n} {unit}{'s' if n > 1 else ''}" for n, unit in amounts if n] or ["0 seconds"]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def number_of(word: str) -> float | None:
    """The number that a word ("twenty") or figures ("2.5") stand for; None: it is no number."""
    return float(word) if word[0].isdigit() else _NUMBERS.get(word)


def _not_understood(text: str) -> ToolError:
    return ToolError(
        f"{text!r} is no duration", 'give it with its unit, such as "5 minutes" or "1 hour"'
    )
