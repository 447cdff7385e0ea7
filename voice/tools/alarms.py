"""Timers and alarms as values: what they are called, and which of them is meant."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from voice.errors import ToolError
from voice.tools.durations import parse_duration, spoken_duration
from voice.tools.times_of_day import parse_time_of_day, spoken_clock, spoken_day, spoken_hour

_PUNCTUAL = timedelta(minutes=1)
"""An alarm that rings later than this says when it was due."""


@dataclass(frozen=True, slots=True)
class Timer:
    """It is over at `ends` (seconds of the session's clock)."""

    name: str
    seconds: int
    ends: float

    @property
    def title(self) -> str:
        """For example "the tea timer for 5 minutes"."""
        length = spoken_duration(self.seconds)
        return f"the {self.name} timer for {length}" if self.name else f"the timer for {length}"

    def state(self, now: float) -> str:
        """For example "The tea timer for 5 minutes has 10 seconds left"."""
        left = spoken_duration(math.ceil(self.ends - now))
        return capitalized(f"{self.title} has {left} left")


@dataclass(frozen=True, slots=True)
class Alarm:
    """It rings at `at` (local time on the wall, without a zone)."""

    name: str
    at: datetime

    @property
    def title(self) -> str:
        """For example "the alarm for work at 7 AM"."""
        return f"the alarm{self._purpose} at {spoken_clock(self.at)}"

    def state(self, now: datetime) -> str:
        """For example "The alarm for work is set for 7 AM tomorrow"."""
        day = spoken_day(self.at, now)
        return f"The alarm{self._purpose} is set for {spoken_clock(self.at)} {day}"

    def announcement(self, now: datetime) -> str:
        """For example "It is seven o'clock: your alarm for work."."""
        if now - self.at < _PUNCTUAL:
            return capitalized(f"it is {spoken_hour(self.at)}: your alarm{self._purpose}.")
        return capitalized(f"{self.was_due()}.")

    def was_due(self) -> str:
        """For example "your alarm for work was due at 7 AM"."""
        return f"your alarm{self._purpose} was due at {spoken_clock(self.at)}"

    @property
    def _purpose(self) -> str:
        return f" for {self.name}" if self.name else ""


_KIND = re.compile(r"\b(timer|alarm)s?\b")
_SMALL_WORDS = re.compile(r"\b(?:my|the|all|every|any|called|named|of|for|at)\b")
_NAMELESS = re.compile(r"\b(?:timer|alarm|seconds?|minutes?|hours?|[ap]m)\b|\d")


def plain_name(name: str) -> str:
    """The name as it is said; models add "timer" to it, or make it up from the duration."""
    words = _spaced(name).removesuffix(" timer").removesuffix(" alarm")
    return "" if _NAMELESS.search(words) else words


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which timers and alarms are meant by what a model gives as their name."""

    name: str
    """What is left of it without "timer" and "alarm"; "": all of them."""

    timers: bool
    alarms: bool

    @classmethod
    def read(cls, name: str) -> Wanted:
        """From a text such as "tea", "all alarms", "the 5 minute timer", "7 am"."""
        words = _spaced(name)
        kinds = set(_KIND.findall(words))
        return cls(
            _bare(words),
            timers=not kinds or "timer" in kinds,
            alarms=not kinds or "alarm" in kinds,
        )

    def among(
        self, timers: Iterable[Timer], alarms: Iterable[Alarm], now: datetime
    ) -> list[Timer | Alarm]:
        """Those with this name or, where there are none, of this length or at this time."""
        timers = tuple(timers) if self.timers else ()
        alarms = tuple(alarms) if self.alarms else ()
        known: list[Timer | Alarm] = [*timers, *alarms]
        return [one for one in known if self.name in ("", _bare(one.name))] or [
            *(timer for timer in timers if timer.seconds == self._seconds()),
            *(alarm for alarm in alarms if alarm.at in self._times(alarm, now)),
        ]

    def missing(self) -> str:
        """That there is none of these."""
        called = f" called {self.name}" if self.name else ""
        return f"No timer{called} is running" if self.timers else f"No alarm{called} is set"

    def _seconds(self) -> int | None:
        with suppress(ToolError):
            return parse_duration(self.name)
        return None

    def _times(self, alarm: Alarm, now: datetime) -> list[datetime]:
        """What the name means as a time of day, today and shortly before the alarm."""
        times = []
        for seen_from in (now, alarm.at - timedelta(minutes=1)):
            with suppress(ToolError):
                times.append(parse_time_of_day(self.name, "", seen_from))
        return times


def capitalized(sentence: str) -> str:
    """With a capital first letter; the others stay as they are."""
    return sentence[:1].upper() + sentence[1:]


def _bare(words: str) -> str:
    """Without what says nothing about which one it is."""
    rest = " ".join(_SMALL_WORDS.sub(" ", _KIND.sub(" ", words)).split())
    return "" if rest == "and" else rest  # of "timers and alarms"


def _spaced(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
