"""Timers that speak up when they are over."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from voice.errors import ToolError
from voice.tools.durations import parse_duration, spoken_duration
from voice.tools.function import FunctionTool, function_tool

LONGEST_SECONDS = 24 * 3600
"""Of a timer; whatever is further off is an appointment."""


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


class Timers:
    """Kitchen timers: a machine that is told the time and holds no clock of its own.

    Whoever owns it calls `timeout` when `deadline` has come; both may change with every call of a
    tool. `now` is asked when a tool is called (seconds, the same clock as `timeout`'s). The tools
    are coroutines, so they run where the owner runs and need no lock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._timers: list[Timer] = []

    def tools(self) -> list[FunctionTool]:
        """The functions that a model may call."""
        return [function_tool(f) for f in (self.set_timer, self.cancel_timers, self.list_timers)]

    def deadline(self) -> float | None:
        """When the next timer is over."""
        return min((timer.ends for timer in self._timers), default=None)

    def timeout(self, now: float) -> list[str]:
        """What to announce for the timers that are over; they are forgotten."""
        over = sorted((t for t in self._timers if t.ends <= now), key=lambda timer: timer.ends)
        self._timers = [timer for timer in self._timers if timer.ends > now]
        return [_capitalized(f"{timer.title} is over.") for timer in over]

    async def set_timer(self, duration: str, name: str = "") -> str:
        """Set a timer that speaks up when it is over.

        Args:
            duration: how long, with its unit, for example "5 minutes" or "30 seconds"
            name: what the timer is for, in a word or two; empty if not said
        """
        seconds = parse_duration(duration)
        if seconds == 0:
            raise ToolError("a timer needs a duration", "ask the user for how long")
        if seconds > LONGEST_SECONDS:
            raise ToolError("a timer runs for a day at most", "tell the user")
        timer = Timer(_plain(name), seconds, self._now() + seconds)
        self._timers.append(timer)
        return f"{_capitalized(timer.title)} is set"

    async def cancel_timers(self, name: str = "") -> str:
        """Cancel running timers.

        Args:
            name: the name of the timer to cancel; empty for all timers
        """
        wanted = _plain(name)
        gone = [timer for timer in self._timers if wanted in ("", timer.name)]
        if not gone:
            return f"No timer called {name} is running" if wanted else "No timer is running"
        self._timers = [timer for timer in self._timers if timer not in gone]
        return "Cancelled " + " and ".join(timer.title for timer in gone)

    async def list_timers(self) -> str:
        """Tell which timers are running and how much time they have left."""
        if not self._timers:
            return "No timer is running"
        now = self._now()
        running = sorted(self._timers, key=lambda timer: timer.ends)
        return "; ".join(
            _capitalized(f"{timer.title} has {spoken_duration(math.ceil(timer.ends - now))} left")
            for timer in running
        )


_NAMELESS = re.compile(r"\b(?:timer|alarm|seconds?|minutes?|hours?)\b|\d")


def _plain(name: str) -> str:
    """The name as it is said; models add "timer" to it, or make it up from the duration."""
    words = " ".join(name.replace("_", " ").casefold().split()).removesuffix(" timer")
    return "" if _NAMELESS.search(words) else words


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
