from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.errors import ToolError
from voice.tools.times_of_day import parse_time_of_day, spoken_clock, spoken_day, spoken_hour

THURSDAY_AFTERNOON = datetime(2026, 11, 26, 15, 20, 10)


@pytest.mark.parametrize(
    ("time", "day", "expected"),
    [
        ("7 am", "", "27 07:00"),
        ("7am", "", "27 07:00"),
        ("7 a.m.", "", "27 07:00"),
        ("7 A.M. tomorrow", "", "27 07:00"),
        ("seven", "", "26 19:00"),
        ("seven o'clock", "", "26 19:00"),
        ("three", "", "27 03:00"),
        ("7:30", "", "26 19:30"),
        ("07:30", "", "27 07:30"),
        ("7.30", "", "26 19:30"),
        ("730", "", "26 19:30"),
        ("0730", "", "27 07:30"),
        ("1930", "", "26 19:30"),
        ("19:30", "", "26 19:30"),
        ("07:30:00", "", "27 07:30"),
        ("19:00 PM", "", "26 19:00"),
        ("0:30", "", "27 00:30"),
        ("half past six", "", "26 18:30"),
        ("half six", "", "26 18:30"),
        ("quarter past 6 pm", "", "26 18:15"),
        ("a quarter to seven", "", "26 18:45"),
        ("quarter to one", "", "27 00:45"),
        ("ten minutes past six", "", "26 18:10"),
        ("twenty-five to eight in the morning", "", "27 07:35"),
        ("seven thirty", "", "26 19:30"),
        ("seven twenty five", "", "26 19:25"),
        ("twenty one thirty", "", "26 21:30"),
        ("7 oh 5", "", "26 19:05"),
        ("noon", "", "27 12:00"),
        ("midnight", "", "27 00:00"),
        ("12 noon", "", "27 12:00"),
        ("12:00 noon", "", "27 12:00"),
        ("twelve midnight", "", "27 00:00"),
        ("1 am", "tonight", "27 01:00"),
        ("9 pm", "tonight", "26 21:00"),
        ("quarter to noon", "", "27 11:45"),
        ("quarter to midnight", "", "26 23:45"),
        ("half past noon", "", "27 12:30"),
        ("12 pm", "", "27 12:00"),
        ("12 am", "", "27 00:00"),
        ("12:30", "", "27 00:30"),
        ("seven", "tomorrow", "27 07:00"),
        ("seven in the evening", "tomorrow", "27 19:00"),
        ("7 tomorrow evening", "", "27 19:00"),
        ("at nine tonight", "", "26 21:00"),
        ("tonight at one", "", "27 01:00"),
        ("3 at night", "", "27 03:00"),
        ("one at night", "tomorrow", "28 01:00"),
        ("8 am", "Monday", "30 08:00"),
        ("8 am", "next monday", "30 08:00"),
        ("8 am on Friday", "", "27 08:00"),
        ("4 pm", "thursday", "26 16:00"),
        ("2 pm", "Thu", "33 14:00"),
        ("nine", "the day after tomorrow", "28 09:00"),
        ("5 pm", "today", "26 17:00"),
    ],
)
def test_times_are_understood_as_people_say_them(time: str, day: str, expected: str) -> None:
    days, clock = expected.split()
    at = datetime.fromisoformat(f"2026-11-01 {clock}") + timedelta(days=int(days) - 1)
    assert parse_time_of_day(time, day, THURSDAY_AFTERNOON) == at


def test_tonight_is_the_night_that_is_passing_after_midnight() -> None:
    now = datetime(2026, 11, 26, 0, 30)
    assert parse_time_of_day("tonight at three", "", now) == datetime(2026, 11, 26, 3, 0)


@pytest.mark.parametrize(
    "time",
    [
        "",
        "soon",
        "in 20 minutes",
        "2 hours",
        "25",
        "7:75",
        "13 am",
        "half",
        "every day at 7",
        "1 2 3",
    ],
)
def test_what_is_no_time_is_refused_with_an_example(time: str) -> None:
    with pytest.raises(ToolError, match=r"is no time of day .*7:30 am.*set_timer"):
        parse_time_of_day(time, "", THURSDAY_AFTERNOON)


def test_an_unknown_day_is_refused() -> None:
    with pytest.raises(ToolError, match="'7 am christmas' is no time of day"):
        parse_time_of_day("7 am", "christmas", THURSDAY_AFTERNOON)


def test_a_time_that_is_past_is_refused() -> None:
    with pytest.raises(ToolError, match=r"7 am today is past \(ask the user for another day\)"):
        parse_time_of_day("7 am", "today", THURSDAY_AFTERNOON)


@pytest.mark.parametrize(
    ("clock", "spoken"),
    [
        ("07:00", "seven o'clock"),
        ("19:00", "seven o'clock"),
        ("12:00", "noon"),
        ("07:05", "7:05 AM"),
    ],
)
def test_a_full_hour_is_said_as_a_clock_strikes_it(clock: str, spoken: str) -> None:
    assert spoken_hour(datetime.fromisoformat(f"2026-11-26 {clock}")) == spoken


minutes = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(
    lambda at: at.replace(second=0, microsecond=0)
)


@given(minutes, minutes)
def test_a_spoken_time_is_understood_as_the_next_one(at: datetime, now: datetime) -> None:
    found = parse_time_of_day(spoken_clock(at), "", now)
    assert (found.hour, found.minute) == (at.hour, at.minute)
    assert timedelta() < found - now <= timedelta(days=1)


@given(minutes, st.integers(1, 7 * 24 * 60))
def test_a_spoken_time_and_day_are_understood_again(now: datetime, minutes: int) -> None:
    at = now + timedelta(minutes=minutes)
    if spoken_clock(at) != "midnight":  # belongs to two days
        assert parse_time_of_day(spoken_clock(at), spoken_day(at, now), now) == at
