from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.tools.durations import parse_duration, spoken_duration
from voice.tools.runner import Toolbox
from voice.tools.timers import Timers


class Kitchen:
    """Timers and a clock that stands still unless it is set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers = Timers(lambda: self.now)
        self.tools = Toolbox(self.timers.tools())

    async def call(self, name: str, arguments: str = "{}") -> str:
        return await self.tools.run(name, arguments)


async def test_a_timer_speaks_up_when_it_is_over() -> None:
    kitchen = Kitchen()
    assert kitchen.timers.deadline() is None
    said = await kitchen.call("set_timer", '{"duration": "2 minutes and 5 seconds", "name": "Tea"}')
    assert said == "The tea timer for 2 minutes and 5 seconds is set"
    assert kitchen.timers.deadline() == 225.0
    assert kitchen.timers.timeout(224.9) == []
    assert kitchen.timers.timeout(225.0) == ["The tea timer for 2 minutes and 5 seconds is over."]
    assert kitchen.timers.timeout(226.0) == []
    assert kitchen.timers.deadline() is None


async def test_several_timers_end_in_their_order() -> None:
    kitchen = Kitchen()
    await kitchen.call("set_timer", '{"duration": "1 hour"}')
    await kitchen.call("set_timer", '{"duration": "1 second", "name": "egg timer"}')
    assert kitchen.timers.deadline() == 101.0
    kitchen.now = 100.7
    said = await kitchen.call("list_timers")
    assert (
        said == "The egg timer for 1 second has 1 second left; The timer for 1 hour has 1 hour left"
    )
    assert kitchen.timers.timeout(9999.0) == [
        "The egg timer for 1 second is over.",
        "The timer for 1 hour is over.",
    ]


async def test_cleared_timers_are_not_announced() -> None:
    timers = Timers(lambda: 0.0)
    await timers.set_timer("5 seconds")
    await timers.set_alarm("7 am")
    timers.clear()
    assert timers.deadline() is None
    assert timers.timeout(10.0) == []


async def test_timers_are_cancelled_by_name_or_all() -> None:
    kitchen = Kitchen()
    for name in ("tea", "egg", ""):
        await kitchen.call("set_timer", f'{{"duration": "a minute", "name": "{name}"}}')
    assert (
        await kitchen.call("cancel_timers", '{"name": "Tea timer"}')
        == "Cancelled the tea timer for 1 minute"
    )
    assert (
        await kitchen.call("cancel_timers", '{"name": "rice"}') == "No timer called rice is running"
    )
    assert (
        await kitchen.call("cancel_timers")
        == "Cancelled the egg timer for 1 minute and the timer for 1 minute"
    )
    assert await kitchen.call("cancel_timers") == "No timer is running"
    assert await kitchen.call("list_timers") == "No timer is running"
    assert kitchen.timers.deadline() is None


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ("{}", "duration"),
        ('{"duration": "0 minutes"}', "needs a duration"),
        ('{"duration": "25 hours"}', "a day at most"),
        ('{"duration": "soon"}', "is no duration"),
        ('{"duration": "five"}', "is no duration"),
        ('{"duration": 5}', "duration"),
    ],
)
async def test_impossible_timers_are_refused(arguments: str, part: str) -> None:
    kitchen = Kitchen()
    said = await kitchen.call("set_timer", arguments)
    assert said.startswith("Error: ")
    assert part in said
    assert kitchen.timers.deadline() is None


@given(st.integers(0, 90_000))
def test_durations_are_spoken_whole(seconds: int) -> None:
    units = {"hour": 3600, "minute": 60, "second": 1}
    words = spoken_duration(seconds).replace(" and", "").replace(",", "").split()
    pairs = list(zip(map(int, words[::2]), words[1::2], strict=True))
    assert sum(number * units[unit.rstrip("s")] for number, unit in pairs) == seconds
    assert all(unit.endswith("s") == (number != 1) for number, unit in pairs)


def test_durations_have_one_and() -> None:
    assert spoken_duration(3661) == "1 hour, 1 minute and 1 second"
    assert spoken_duration(120) == "2 minutes"
    assert spoken_duration(0) == "0 seconds"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30 seconds", 30),
        ("thirty seconds", 30),
        ("5 min", 300),
        ("twenty-five minutes", 1500),
        ("an hour", 3600),
        ("half an hour", 1800),
        ("a quarter of an hour", 900),
        ("three quarters of an hour", 2700),
        ("an hour and a half", 5400),
        ("one and a half hours", 5400),
        ("1.5 hours", 5400),
        ("3 hours and 10 minutes", 11400),
        ("1h 5m 10s", 3910),
    ],
)
def test_durations_are_understood_as_people_say_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@given(st.integers(1, 86_400))
def test_a_spoken_duration_is_understood_again(seconds: int) -> None:
    assert parse_duration(spoken_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "name", ["", "timer", "timer_for_30_seconds", "ten minute timer", "timer1"]
)
async def test_a_name_that_only_repeats_the_duration_is_left_out(name: str) -> None:
    kitchen = Kitchen()
    said = await kitchen.call("set_timer", f'{{"duration": "30 seconds", "name": "{name}"}}')
    assert said == "The timer for 30 seconds is set"
