"""Timers and alarms that speak up when they are over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from voice.errors import ToolError
from voice.tools.alarms import Alarm, Timer, Wanted, capitalized, plain_name
from voice.tools.durations import parse_duration
from voice.tools.function import FunctionTool, function_tool
from voice.tools.policy import Policy
from voice.tools.times_of_day import parse_time_of_day

LONGEST_SECONDS = 24 * 3600
"""Of a timer; whatever is further off is an appointment."""

_CLOCK_CHANGED_SECONDS = 2.0
"""Two clocks that run apart by more than this have been set, and not only drifted."""


@dataclass(frozen=True, slots=True)
class KeptTimer:
    """A timer or an alarm as it outlives the program.

    `seconds` is a timer's length, and 0 for an alarm. `at` is in UTC for a timer, and local without
    a zone for an alarm: it rings at seven o'clock wherever its user wakes up.
    """

    name: str
    seconds: int
    at: datetime


class Timers:
    """Timers and alarms: a machine that is told the time and holds no clock of its own.

    Whoever owns it calls `timeout` when `deadline` has come; both may change with every call of a
    tool. `now` is asked when a tool is called (seconds, the same clock as `timeout`'s). The tools
    are coroutines, so they run where the owner runs and need no lock.

    Timers run on that clock and do not notice when the wall clock is set. Alarms are compared with
    `wall` (local time, without a zone) at every `timeout`, and `deadline` is derived from it each
    time it is asked. Someone who sets the wall clock tells nobody: ask at least once a minute
    while an alarm is set. A clock that stands still while the machine is suspended makes timers
    late by that time, and alarms ring when it wakes.
    """

    def __init__(
        self, now: Callable[[], float], wall: Callable[[], datetime] = datetime.now
    ) -> None:
        self._now = now
        self._wall = wall
        self._timers: list[Timer] = []
        self._alarms: list[Alarm] = []
        self._missed: list[str] = []
        self._kept: tuple[KeptTimer, ...] = ()

    def tools(self) -> list[FunctionTool]:
        """The functions that a model may call."""
        changing = (self.set_timer, self.set_alarm, self.cancel_timers)
        return [
            *(function_tool(function, policy=Policy(once=True)) for function in changing),
            function_tool(self.list_timers, policy=Policy(read_only=True)),
        ]

    def deadline(self) -> float | None:
        """When the next timer or alarm is over."""
        now, wall = self._now(), self._wall()
        ends = [timer.ends for timer in self._timers]
        ends += [now + (alarm.at - wall).total_seconds() for alarm in self._alarms]
        ends += [now] if self._missed else []
        return min(ends, default=None)

    def timeout(self, now: float) -> list[str]:
        """What to announce for the timers and alarms that are over; they are forgotten."""
        if not (self._timers or self._alarms or self._missed):
            return []
        wall = self._wall()
        over = sorted((t for t in self._timers if t.ends <= now), key=lambda timer: timer.ends)
        due = sorted((a for a in self._alarms if a.at <= wall), key=lambda alarm: alarm.at)
        self._timers = [timer for timer in self._timers if timer.ends > now]
        self._alarms = [alarm for alarm in self._alarms if alarm.at > wall]
        missed, self._missed = self._missed, []
        return [
            *missed,
            *(capitalized(f"{timer.title} is over.") for timer in over),
            *(alarm.announcement(wall) for alarm in due),
        ]

    def restore(self, kept: Iterable[KeptTimer]) -> None:
        """Go on with what ran when the program ended; `timeout` tells what ended meanwhile."""
        self._kept = tuple(kept)
        for one in self._kept:
            if missed := self._restore_timer(one) if one.seconds else self._restore_alarm(one):
                self._missed.append(f"While I was off, {missed}.")

    def clear(self) -> None:
        """Forget all of them; none is announced."""
        self._timers, self._alarms, self._missed = [], [], []

    def unsaved(self) -> tuple[KeptTimer, ...] | None:
        """All that has to be kept, if it is not what was kept last."""
        kept = (*self._running(), *(KeptTimer(alarm.name, 0, alarm.at) for alarm in self._alarms))
        if len(kept) == len(self._kept) and all(map(_alike, kept, self._kept)):
            return None
        self._kept = kept
        return kept

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
        timer = Timer(plain_name(name), seconds, self._now() + seconds)
        self._timers.append(timer)
        return f"{capitalized(timer.title)} is set"

    async def set_alarm(self, time: str, name: str = "", day: str = "") -> str:
        """Set an alarm that speaks up at a time of day.

        Args:
            time: the time of day as the user said it, for example "7 am" or "half past six"
            name: what the alarm is for, in a word or two; empty if not said
            day: "today", "tomorrow" or a weekday; empty if not said
        """
        now = self._wall()
        alarm = Alarm(plain_name(name), parse_time_of_day(time, day, now))
        if alarm not in self._alarms:
            self._alarms.append(alarm)
        return alarm.state(now)

    async def cancel_timers(self, name: str = "") -> str:
        """Cancel running timers and alarms.

        Args:
            name: which one, for example "tea" or "7 am"; "timers" or "alarms" for all of these;
                empty for all
        """
        wanted = Wanted.read(name)
        gone = wanted.among(self._timers, self._alarms, self._wall())
        if not gone:
            return wanted.missing()
        self._timers = [timer for timer in self._timers if timer not in gone]
        self._alarms = [alarm for alarm in self._alarms if alarm not in gone]
        return "Cancelled " + " and ".join(one.title for one in gone)

    async def list_timers(self) -> str:
        """Tell which timers and alarms are set and how much time the timers have left."""
        now, wall = self._now(), self._wall()
        states = [t.state(now) for t in sorted(self._timers, key=lambda timer: timer.ends)]
        states += [a.state(wall) for a in sorted(self._alarms, key=lambda alarm: alarm.at)]
        return "; ".join(states) or "No timer is running"

    def _restore_timer(self, kept: KeptTimer) -> str:
        """What to say of it if it ended while nobody looked."""
        left = (kept.at - _in_utc(self._wall())).total_seconds()
        if left <= 0:
            return f"the {kept.name} timer ended" if kept.name else "the timer ended"
        # More than all of it is left where the wall clock was set back.
        ends = self._now() + min(left, kept.seconds)
        self._timers.append(Timer(kept.name, kept.seconds, ends))
        return ""

    def _restore_alarm(self, kept: KeptTimer) -> str:
        alarm = Alarm(kept.name, kept.at)
        if alarm.at <= self._wall():
            return alarm.was_due()
        self._alarms.append(alarm)
        return ""

    def _running(self) -> list[KeptTimer]:
        """The timers by the wall clock as it is now."""
        now, wall = self._now(), _in_utc(self._wall())
        return [
            KeptTimer(timer.name, timer.seconds, wall + timedelta(seconds=timer.ends - now))
            for timer in self._timers
        ]


def _in_utc(local: datetime) -> datetime:
    return local.astimezone(UTC)


def _alike(one: KeptTimer, other: KeptTimer) -> bool:
    if (one.name, one.seconds) != (other.name, other.seconds):
        return False
    return abs((one.at - other.at).total_seconds()) < _CLOCK_CHANGED_SECONDS
