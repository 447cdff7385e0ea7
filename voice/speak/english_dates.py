"""Dates, times of day, years and decades, as English has them said.

espeak reads "two thousand twenty six dash eleven dash twenty six", "ten zero zero" and "nineteen
hundred ninety z" for 2026-11-26, 10:00 and 1990s.
"""

from __future__ import annotations

import re

from voice.speak.abbreviations import words
from voice.speak.placed import Rule

MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
]  # fmt: skip
MONTH = r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)"
"""A month's name cut short."""

_ISO_DATE = re.compile(r"(?<![\w-])(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d)(?::\d\d)?Z?)?(?![\w-])")
_SLASH_DATE = re.compile(r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4}|\d\d)(?![\w/])")
_TIME = re.compile(
    r"(?<![\w:.])(\d{1,2}):([0-5]\d)(?!\d|:|\.\d| o['’]clock|(?![ap]\.?m\b)[^\W\d])"
    r"(?=(\s?[ap]\.?m\b)?)",
    re.IGNORECASE,
)
_RATIO = re.compile(r"(?<![\w:.])(\d{1,3}):(\d)(?![\w:]|\.\d)")
_YEAR = re.compile(r"(?<![\w.,:/$€£#-])(1[1-9])(\d\d)(?!\w|[.,:/-]\d)(?=(?: ([a-z]+)\b)?)")
_YEAR_BEFORE = re.compile(
    r"\b(?:in|since|until|from|by|of|year|before|after|to|and|[A-Z][a-z]+ \d{1,2},)\s$"
)
_AFTER_YEAR = words("was is as has its this does which times")
_DECADE = re.compile(r"(?<![\w.,])['’]?(1[1-9]|20)?(\d)0s\b")
_TENS = [
    "hundreds", "tens", "twenties", "thirties", "forties", "fifties", "sixties", "seventies",
    "eighties", "nineties",
]  # fmt: skip


def _date(year: str, month: int, day: int) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{MONTHS[month - 1]} {day}, {year}"


def _iso_date(found: re.Match[str]) -> str:
    said = _date(found[1], int(found[2]), int(found[3]))
    if said is None:
        return found[0]
    return f"{said}, {found[4]}" if found[4] else said


def _slash_date(found: re.Match[str]) -> str:
    first, second = int(found[1]), int(found[2])
    year = found[3] if len(found[3]) == 4 else f"20{found[3]}"
    month, day = (second, first) if first > 12 else (first, second)
    return _date(year, month, day) or found[0]


def _time(found: re.Match[str]) -> str:
    hour, minute, half = int(found[1]), found[2], found[3]
    if hour > 24:
        return found[0]
    if minute == "00":
        if half:
            return str(hour)
        return f"{hour} o'clock" if 1 <= hour <= 12 else f"{hour} hundred" if hour else "midnight"
    return f"{hour} oh {minute[1]}" if minute[0] == "0" else f"{hour} {minute}"


def _year(found: re.Match[str]) -> str:
    century, rest, following = found[1], found[2], found[3] or ""
    start = found.start()
    named = _YEAR_BEFORE.search(found.string[max(0, start - 20) : start])
    counted = following == "people" or (following.endswith("s") and following not in _AFTER_YEAR)
    if counted or not (named or int(century) >= 17) or (rest == "00" and not named):
        return found[0]
    if rest == "00":
        return f"{century} hundred"
    return f"{century} oh {rest[1]}" if rest[0] == "0" else f"{century} {rest}"


def _decade(found: re.Match[str]) -> str:
    century, ten = found[1], int(found[2])
    if century == "20" and ten == 0:
        return "two thousands"
    if not century and ten == 0:
        return found[0]
    return f"{century} {_TENS[ten]}" if century else _TENS[ten]


DATES: tuple[Rule, ...] = ((_ISO_DATE, _iso_date), (_SLASH_DATE, _slash_date))
TIMES: tuple[Rule, ...] = (
    (_TIME, _time),
    (_RATIO, lambda found: f"{found[1]} to {found[2]}"),
)
YEARS: tuple[Rule, ...] = ((_DECADE, _decade), (_YEAR, _year))
