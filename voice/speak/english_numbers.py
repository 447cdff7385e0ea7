"""Numbers with what belongs to them, as English has them said.

espeak reads plain and ordinal numbers, decimals and percentages well. What is rewritten here it
read wrongly or in a way that nobody speaks.
"""

from __future__ import annotations

import re

from voice.speak.english_dates import DATES, TIMES, YEARS
from voice.speak.english_units import MONEY, SCALES, UNITS
from voice.speak.placed import Rule

_DENOMINATORS = {3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 7: "seventh", 8: "eighth",
                 9: "ninth"}  # fmt: skip
_FRACTION = re.compile(r"(?<![\w./,-])(?:(\d+)\s)?(\d{1,3})/(\d{1,4})(?![\w/-]|[.,]\d)")
_SIGNS_OF_FRACTIONS = {"½": "a half", "¼": "a quarter", "¾": "3 quarters", "⅓": "a third",
                       "⅔": "2 thirds", "⅛": "an eighth"}  # fmt: skip
_MIXED = re.compile(r"(?<=\d)\s?([½¼¾⅓⅔⅛])")
_PHONE = re.compile(
    r"""(?<![\w.,/+-])(?:
      \+\d{1,3}(?:[ .-]?\(?\d{2,4}\)?){2,5}
    | \(\d{3,5}\)\s?\d{3,4}[ .-]?\d{3,4}
    | (?:1[ .-])?\d{3}([ .-])\d{3}\1\d{4}
    | \d{3}-\d{3}[1-9]
    | 0\d{2,4}[ -]\d{3,4}[ -]?\d{3,4}
    | \d+(?:-\d+){3,}
    )(?![\w/-]|[.,]\d)""",
    re.VERBOSE,
)
_DIALLED = re.compile(r"(?<=\b(?:call|dial|text)\s)(\d{3})\b", re.IGNORECASE)
_CODE = re.compile(
    r"\b(?:PIN|code|zip|extension|password)(?: code| number)?(?: is|:)? (\d{3,6})(?![\w.,]\d|\d)",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"(?<![\w.,])\d{4,}(?<!000)(?![\w]|[.,]\d)")
_DOTTED = re.compile(r"(?<![\w.])([vV]?)(\d+(?:\.\d+){2,})(?![\w]|\.\d)")
_RANGE = re.compile(
    r"(?<![\w.,:/-])(\d+(?:[.,:]\d+)*(?:%|°)?)(\s?)[-–](\s?)(?=\d+(?:[.,:]\d+)*(?:%|°|\b)(?![-–/]))"
)
_HOURS_RANGE = re.compile(r"(?<=[ap]m|m\.)\s?[-–]\s?(?=\d)")
_FEET = re.compile(r"(?<![\w])(\d)['’′](\d{1,2})[\"”″]")
_SCALED = re.compile(r"(?<![\w.,])(\d+(?:\.\d+)?)(M|B|bn)(?!\w)")
_POWER = re.compile(r"(?<=[\w)])(?:\^\(?(-?\d+|[a-z])\)?|([²³]))")
_TIMES = re.compile(r"(?<=\d)(\s?)[x×*](\s?)(?=\d)")
_FACTOR = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)x(?!\w)")


def _digits(text: str) -> str:
    groups = re.findall(r"\d+", text)
    said = ", ".join(" ".join(group) for group in groups)
    return f"plus {said}" if text.startswith("+") else said


def _fraction(found: re.Match[str]) -> str:
    whole, top, bottom = found[1], int(found[2]), int(found[3])
    if top >= bottom or top == 0:
        said = f"{top} {bottom}"
    elif bottom == 2:
        said = "a half" if whole else "one half"
    elif name := _DENOMINATORS.get(bottom):
        said = f"{'one' if top == 1 else top} {name}{'s' if top > 1 else ''}"
    else:
        said = f"{top} out of {bottom}"
    if whole:
        return f"{whole} and {said}"
    return "9 11" if found[0] == "9/11" else said


def _long_number(found: re.Match[str]) -> str:
    return _digits(found[0]) if len(found[0]) >= 7 or found[0][0] == "0" else found[0]


def _dotted(found: re.Match[str]) -> str:
    parts = found[2].split(".")
    version = f"{found[1]} " if found[1] else ""
    return version + (" dot " if len(parts) == 4 else " point ").join(parts)


def _range(found: re.Match[str]) -> str:
    spaced = found[2] and found[3]
    return f"{found[1]} {'minus' if spaced and '=' in found.string else 'to'} "


def _power(found: re.Match[str]) -> str:
    power = {"²": "2", "³": "3"}.get(found[2] or "", found[1])
    return {"2": " squared", "3": " cubed"}.get(power, f" to the power of {power}")


def _times(found: re.Match[str]) -> str:
    product = "*" in found[0] or "×" in found[0] or "=" in found.string
    return " times " if product else " by "


RULES: tuple[Rule, ...] = (
    *DATES,
    (_PHONE, lambda found: _digits(found[0])),
    (_DIALLED, lambda found: _digits(found[0])),
    (_CODE, lambda found: found[0].removesuffix(found[1]) + " ".join(found[1])),
    *MONEY,
    (_DOTTED, _dotted),
    (_RANGE, _range),
    (_HOURS_RANGE, " to "),
    *TIMES,
    (_FRACTION, _fraction),
    (_MIXED, lambda found: f" and {_SIGNS_OF_FRACTIONS[found[1]]}"),
    (_FEET, lambda found: f"{found[1]} foot {found[2]}"),
    *UNITS,
    (_SCALED, lambda found: f"{found[1]} {SCALES[found[2].lower()]}"),
    (_LONG_NUMBER, _long_number),
    *YEARS,
    (_POWER, _power),
    (_TIMES, _times),
    (_FACTOR, lambda found: f"{found[1]} times"),
)
"""In this order: a rule sees what those before it left."""
