from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.tools.runner import Toolbox
from voice.tools.timers import KeptTimer, Timers


class Bedroom:
    """Timers and alarms, with two clocks that stand still unless they are set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.wall = datetime(2026, 11, 26, 21, 30)  # a Thursday
        self.timers = Timers(lambda: self.now, lambda: self.wall)
        self.tools = Toolbox(self.timers.tools())

    async def call(self, tool: str, **arguments: str) -> str:
        return await self.tools.run(tool, json.dumps(arguments))

    def timeout(self) -> list[str]:
        return self.timers.timeout(self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.wall += timedelta(seconds=seconds)


async def test_an_alarm_speaks_up_at_its_time() -> None:
    bedroom = Bedroom()
    said = await bedroom.call("set_alarm", time="7 am", name="Work")
    assert said == "The alarm for work is set for 7 AM tomorrow"
    assert bedroom.timers.deadline() == 100.0 + 9.5 * 3600
    bedroom.sleep(9.5 * 3600 - 1)
    assert bedroom.timeout() == []
    bedroom.sleep(1)
    assert bedroom.timeout() == ["It is seven o'clock: your alarm for work."]
    assert bedroom.timeout() == []
    assert bedroom.timers.deadline() is None


async def test_several_alarms_and_timers_end_in_their_order() -> None:
    bedroom = Bedroom()
    await bedroom.call("set_alarm", time="7:30", day="friday")
    await bedroom.call("set_alarm", time="10 pm", name="bed")
    await bedroom.call("set_timer", duration="5 minutes", name="tea")
    assert await bedroom.call("list_timers") == (
        "The tea timer for 5 minutes has 5 minutes left; "
        "The alarm for bed is set for 10 PM today; The alarm is set for 7:30 AM tomorrow"
    )
    bedroom.sleep(1800)
    assert bedroom.timeout() == [
        "The tea timer for 5 minutes is over.",
        "It is ten o'clock: your alarm for bed.",
    ]
    bedroom.sleep(9.5 * 3600)
    assert bedroom.timeout() == ["It is 7:30 AM: your alarm."]


async def test_the_same_alarm_is_set_once() -> None:
    bedroom = Bedroom()
    for time in ("7 am", "07:00"):
        assert await bedroom.call("set_alarm", time=time) == "The alarm is set for 7 AM tomorrow"
    bedroom.sleep(9.5 * 3600)
    assert bedroom.timeout() == ["It is seven o'clock: your alarm."]


async def test_a_length_of_time_is_no_alarm() -> None:
    said = await Bedroom().call("set_alarm", time="in 20 minutes")
    assert said.startswith("Error: 'in 20 minutes' is no time of day")


async def test_the_wall_clock_moves_alarms_and_no_timers() -> None:
    bedroom = Bedroom()
    await bedroom.call("set_alarm", time="10 pm")
    await bedroom.call("set_timer", duration="1 hour")
    bedroom.wall += timedelta(minutes=29)
    assert bedroom.timers.deadline() == 160.0
    assert bedroom.timeout() == []
    bedroom.wall -= timedelta(minutes=29)
    assert bedroom.timers.deadline() == 1900.0
    bedroom.wall += timedelta(hours=2)
    assert bedroom.timeout() == ["Your alarm was due at 10 PM."]
    assert bedroom.timers.deadline() == 3700.0


async def all_kinds() -> Bedroom:
    bedroom = Bedroom()
    await bedroom.call("set_timer", duration="5 minutes", name="tea")
    await bedroom.call("set_timer", duration="10 minutes")
    await bedroom.call("set_alarm", time="7 am", name="work")
    await bedroom.call("set_alarm", time="9:15 am", day="saturday")
    return bedroom


TEA, TEN = "the tea timer for 5 minutes", "the timer for 10 minutes"
WORK, LATE = "the alarm for work at 7 AM", "the alarm at 9:15 AM"


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("", [TEA, TEN, WORK, LATE]),
        ("all", [TEA, TEN, WORK, LATE]),
        ("timer", [TEA, TEN]),
        ("all timers", [TEA, TEN]),
        ("alarms", [WORK, LATE]),
        ("my alarm", [WORK, LATE]),
        ("all timers and alarms", [TEA, TEN, WORK, LATE]),
        ("tea", [TEA]),
        ("Tea timer", [TEA]),
        ("work alarm", [WORK]),
        ("alarm for work", [WORK]),
        ("ten_minute_timer", [TEN]),
        ("5 minutes", [TEA]),
        ("7 am", [WORK]),
        ("seven", [WORK]),
        ("7 am tomorrow", [WORK]),
        ("the alarm at 9:15", [LATE]),
        ("saturday at 9:15", [LATE]),
    ],
)
async def test_what_is_cancelled_is_what_was_named(name: str, gone: list[str]) -> None:
    bedroom = await all_kinds()
    assert await bedroom.call("cancel_timers", name=name) == "Cancelled " + " and ".join(gone)
    listed = await bedroom.call("list_timers")
    assert len(listed.split("; ")) == 4 - len(gone) or listed == "No timer is running"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rice", "No timer called rice is running"),
        ("work timer", "No timer called work is running"),
        ("tea alarm", "No alarm called tea is set"),
        ("7 pm", "No timer called 7 pm is running"),
        ("6 minute timer", "No timer called 6 minute is running"),
    ],
)
async def test_what_is_not_there_is_not_cancelled(name: str, said: str) -> None:
    bedroom = await all_kinds()
    assert await bedroom.call("cancel_timers", name=name) == said
    assert len((await bedroom.call("list_timers")).split("; ")) == 4


async def test_a_name_of_several_words_is_found_again() -> None:
    bedroom = await all_kinds()
    await bedroom.call("set_alarm", time="6 am", name="wake up for school")
    said = await bedroom.call("cancel_timers", name="wake up for school")
    assert said == "Cancelled the alarm for wake up for school at 6 AM"


async def test_no_alarm_is_set() -> None:
    assert await Bedroom().call("cancel_timers", name="alarm") == "No alarm is set"


# ── what outlives the program ────────────────────────────────────────────────────────────


async def restarted(bedroom: Bedroom, seconds: float) -> Bedroom:
    kept = bedroom.timers.unsaved()
    assert kept is not None
    later = Bedroom()
    later.now = 7.0
    later.wall = bedroom.wall + timedelta(seconds=seconds)
    later.timers.restore(kept)
    return later


async def test_after_a_restart_everything_goes_on() -> None:
    bedroom = await restarted(await all_kinds(), 60)
    assert bedroom.timeout() == []
    assert await bedroom.call("list_timers") == (
        "The tea timer for 5 minutes has 4 minutes left; The timer for 10 minutes has 9 minutes"
        " left; The alarm for work is set for 7 AM tomorrow; The alarm is set for 9:15 AM on"
        " Saturday"
    )
    assert bedroom.timers.unsaved() is None


async def test_what_ended_while_the_program_was_off_is_told_once() -> None:
    bedroom = await restarted(await all_kinds(), 12 * 3600)
    assert bedroom.timers.deadline() == bedroom.now
    assert bedroom.timeout() == [
        "While I was off, the tea timer ended.",
        "While I was off, the timer ended.",
        "While I was off, your alarm for work was due at 7 AM.",
    ]
    assert bedroom.timeout() == []
    left = bedroom.timers.unsaved()
    assert left == (KeptTimer("", 0, datetime(2026, 11, 28, 9, 15)),)


async def test_a_clock_that_was_set_back_makes_no_timer_longer() -> None:
    bedroom = await restarted(await all_kinds(), -3600)
    assert bedroom.timers.deadline() == 7.0 + 300


async def test_only_changes_are_unsaved() -> None:
    bedroom = Bedroom()
    assert bedroom.timers.unsaved() is None
    await bedroom.call("set_timer", duration="1 minute", name="egg")
    kept = bedroom.timers.unsaved()
    assert kept == (KeptTimer("egg", 60, bedroom.wall.astimezone(UTC) + timedelta(minutes=1)),)
    bedroom.sleep(30)
    assert bedroom.timers.unsaved() is None
    bedroom.wall += timedelta(hours=1)
    (moved,) = bedroom.timers.unsaved() or ()
    assert moved.at == kept[0].at + timedelta(hours=1)
    bedroom.sleep(30)
    bedroom.timeout()
    assert bedroom.timers.unsaved() == ()
    assert bedroom.timers.unsaved() is None


START = datetime(2026, 11, 26, 21, 30)
ALL = (
    KeptTimer("tea", 300, START.astimezone(UTC) + timedelta(minutes=5)),
    KeptTimer("", 7200, START.astimezone(UTC) + timedelta(hours=1)),
    KeptTimer("bed", 0, START + timedelta(minutes=30)),
    KeptTimer("work", 0, START + timedelta(hours=9)),
)
seconds = st.floats(0, 8 * 3600)


@given(st.lists(st.tuples(seconds, seconds | seconds.map(float.__neg__))))
def test_whatever_the_clocks_do_everything_is_told_once(steps: list[tuple[float, float]]) -> None:
    """Each step lets time pass, and then sets the wall clock on or back."""
    bedroom = Bedroom()
    bedroom.timers.restore(ALL)
    told: list[str] = []
    for passed, jump in [*steps, (3600.0, 30 * 24 * 3600.0 + 8 * 3600 * len(steps))]:
        bedroom.sleep(passed)
        bedroom.wall += timedelta(seconds=jump)
        deadline = bedroom.timers.deadline()
        said = bedroom.timeout()
        assert bool(said) == (deadline is not None and deadline <= bedroom.now)
        told += said
    assert len(told) == len({*told}) == len(ALL)
    assert bedroom.timers.deadline() is None
