"""The noise floor in steps of 20 ms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.listen.noise_floor import HIGHEST_FIRST_DBFS, LOWEST_DBFS, NoiseFloor

_FRAMES_PER_SECOND = 50


def _floor(*stretches: tuple[float, float]) -> NoiseFloor:
    """The floor after some (level, seconds)."""
    floor = NoiseFloor(1 / _FRAMES_PER_SECOND, window_seconds=5.0, rise_db_per_second=3.0)
    for level, seconds in stretches:
        for _ in range(round(seconds * _FRAMES_PER_SECOND)):
            floor.follow(level)
    return floor


def test_a_steady_background_is_the_floor() -> None:
    assert _floor((-50.0, 3)).dbfs == pytest.approx(-50.0, abs=0.1)


def test_a_background_that_ends_is_forgotten_at_once() -> None:
    assert _floor((-40.0, 10), (-60.0, 0.3)).dbfs < -57


def test_a_fan_that_starts_is_background_after_the_window_and_the_rise() -> None:
    assert _floor((-60.0, 5), (-45.0, 4.5)).dbfs == pytest.approx(-60.0, abs=0.1)
    assert _floor((-60.0, 5), (-45.0, 10.5)).dbfs == pytest.approx(-45.0, abs=0.5)


def test_speech_with_gaps_leaves_the_floor_where_it_was() -> None:
    words = [(-20.0, 0.8), (-58.0, 0.2)] * 20
    assert _floor((-60.0, 5), *words).dbfs < -55


def test_a_recording_that_begins_with_speech_does_not_make_it_background() -> None:
    assert _floor((-15.0, 0.5)).dbfs < HIGHEST_FIRST_DBFS + 2


@given(st.lists(st.floats(-96, 0), min_size=1, max_size=300))
def test_the_floor_stays_between_its_bound_and_the_loudest_sound(levels: list[float]) -> None:
    floor = NoiseFloor(1 / _FRAMES_PER_SECOND, window_seconds=2.0, rise_db_per_second=3.0)
    for level in levels:
        floor.follow(level)
        assert LOWEST_DBFS - 1e-6 <= floor.dbfs <= max(*levels, LOWEST_DBFS) + 1e-6
