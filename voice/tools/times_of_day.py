"""Times of day as people say them, both ways. All times are local and have no zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from voice.errors import ToolError
from voice.tools.durations import ONES, number_of

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS = {"today": 0, "tonight": 0, "tomorrow": 1, "overmorrow": 2}
_PARTS = {"am": "am", "morning": "am", "pm": "pm", "afternoon": "pm", "evening": "pm"}
_PARTS |= {"night": "night", "tonight": "night", "midnight": "night", "noon": "noon"}
_PARTS |= {"midday": "noon"}
_TWELVE = frozenset(("noon", "midday", "midnight"))
_FILLING = frozenset(("at", "on", "by", "for", "in", "the", "this", "next", "o'clock", "sharp"))
_FILLING |= {"oclock", "and", "oh", "o", "of"}

_TOKEN = re.compile(r"\d+|[a-z']+")
_HALF_OF_DAY = re.compile(r"(?<![a-z'])([ap])\.?\s?m\b\.?")
_WHOLE = re.compile(r"\b(\d{1,2})[:.](\d{2})(?:[:.]\d{2})?\b|\b(\d{1,2})(\d{2})\b")
_MINUTES_BEFORE = re.compile(r"\bminutes?(?= (?:past|after|to|before|till|until)\b)")
_NIGHT_ENDS = 5
"""Hour before which "tonight at three" belongs to the day after."""


def parse_time_of_day(time: str, day: str, now: datetime) -> datetime:
    """The next such time after `now`: "7 am", "19:30", "half past six", "noon", "seven".

    `day` is "", "today", "tomorrow" or a weekday, and may be in `time` as well. Without "am" or
    "pm" the nearer of the two is meant, unless the hour has a leading zero. Raises `ToolError` for
    what is none and for what is past; the message tells the model what to do.
    """
    said = _read(f"{day} {time}", f"{time} {day}".strip())
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for days in _days(said, now):
        for hour in _hours(said):
            at = midnight + timedelta(days=days, hours=hour, minutes=said.minute)
            if at > now:
                return at
    raise ToolError(f"{said.text} is past", "ask the user for another day")


def spoken_clock(at: datetime) -> str:
    """For example "7:30 AM", "7 AM", "noon"."""
    if at.minute == 0 and at.hour in (0, 12):
        return "noon" if at.hour else "midnight"
    minutes = f":{at.minute:02}" if at.minute else ""
    return f"{at.hour % 12 or 12}{minutes} {'AM' if at.hour < 12 else 'PM'}"


def spoken_hour(at: datetime) -> str:
    """For example "seven o'clock"; with minutes as `spoken_clock` says it."""
    if at.minute or at.hour in (0, 12):
        return spoken_clock(at)
    return f"{ONES[at.hour % 12]} o'clock"


def spoken_day(at: datetime, now: datetime) -> str:
    """For example "today", "tomorrow", "on Friday"; as seen from `now`."""
    days = (at.date() - now.date()).days
    return {0: "today", 1: "tomorrow"}.get(days, f"on {at:%A}")


@dataclass(frozen=True, slots=True)
class _Said:
    """A time as it was said: `day` counts from today, and `weekday` from Monday."""

    text: str
    hour: int
    minute: int
    part: str
    exact: bool
    """Whether the hour is one of 24 and not one of 12."""

    day: int | None
    weekday: int | None


def _days(said: _Said, now: datetime) -> tuple[int, ...]:
    """The days to look at, in order."""
    if said.weekday is not None:
        days = (said.weekday - now.weekday()) % 7
        return (days, days + 7)
    return (0, 1) if said.day is None else (said.day,)


def _hours(said: _Said) -> tuple[int, ...]:
    """The hours that may be meant, in order; 24 is the end of the day."""
    if said.exact:
        return (said.hour,)
    hour = said.hour % 12
    night = hour + (12 if hour >= _NIGHT_ENDS else 24)
    # Before it is over, "tonight" is the night that is passing.
    passing = night >= 24 and not said.day and said.weekday is None
    return {
        "am": (hour,),
        "pm": (hour + 12,),
        "noon": (hour or 12,),
        "night": (hour, night) if passing else (night,),
    }.get(said.part, (hour, hour + 12))


def _read(words: str, text: str) -> _Said:
    plain = words.lower().replace("’", "'").replace("day after tomorrow", "overmorrow")
    plain = _MINUTES_BEFORE.sub("", _HALF_OF_DAY.sub(r" \1m ", plain))
    part, rest = "", list[str]()
    day = weekday = None
    for token in _TOKEN.findall(_WHOLE.sub(r"\1\3 \2\4", plain)):
        if token in _TWELVE and (not rest or number_of(rest[-1]) is None):
            rest.append("12")  # and "12 noon" is no more than noon
        if token in _DAYS or token in _PARTS:
            day = _DAYS.get(token, day)
            part = _PARTS.get(token, part) if part != "night" else part  # "tonight, 1 am"
        elif (found := _weekday(token)) is not None:
            weekday = found
        elif token not in _FILLING:
            rest.append(token)
    hour, minute = _clock(rest, text)
    if not (0 <= hour <= 23 and 0 <= minute <= 59) or (part == "am" and hour > 12):
        raise _not_understood(text)
    leading_zero = rest[0].startswith("0") and not part
    return _Said(
        text, hour, minute, part, hour in (0, *range(13, 24)) or leading_zero, day, weekday
    )


def _weekday(word: str) -> int | None:
    short = word.removesuffix("'s")
    found = (n for n, name in enumerate(_WEEKDAYS) if len(short) > 2 and name.startswith(short))
    return next(found, None)


def _clock(words: list[str], text: str) -> tuple[int, int]:
    """Hour and minute, from words such as "6", "half past six", "seven twenty five"."""
    match _joined(words):
        case [int(hour)]:
            return hour, 0
        case [int(hour), int(minute)]:
            return hour, minute
        case ["half" | "quarter" | int() as part, "past" | "after", int(hour)]:
            return hour, _minutes(part)
        case ["quarter" | int() as part, "to" | "before" | "till" | "until", int(hour)]:
            return (hour - 1) or 12, 60 - _minutes(part)
        case ["half", int(hour)]:
            return hour, 30
    raise _not_understood(text)


def _minutes(part: int | str) -> int:
    return part if isinstance(part, int) else {"half": 30, "quarter": 15}[part]


def _joined(words: list[str]) -> list[int | str]:
    """The words with numbers as such: "twenty", "five" is 25."""
    joined: list[int | str] = []
    before = ""
    for word in words:
        number = number_of(word)
        tens = joined[-1] if joined and before.endswith("ty") else 0
        if number is None:
            joined.append(word)
        elif isinstance(tens, int) and tens and 0 < number < 10 and word.isalpha():
            joined[-1] = tens + int(number)
        else:
            joined.append(int(number))
        before = word
    return [word for word in joined if word not in ("a", "an")]


def _not_understood(text: str) -> ToolError:
    return ToolError(
        f"{text!r} is no time of day",
        'give one such as "7:30 am", and as day "today", "tomorrow" or a weekday; '
        "set_timer takes a length of time",
    )
