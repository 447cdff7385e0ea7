"""Latencies as bars, levels as meters."""

from __future__ import annotations

import itertools

import pytest

from tests.support.screen_scenes import LATENCY
from voice.apps.screen.latency import CELLS_PER_SECOND, median, sparkline, waterfall
from voice.apps.screen.levels import FALL_DB_PER_SECOND, LOUDEST_DBFS, QUIETEST_DBFS, Meter


def test_each_part_begins_where_the_one_before_ended() -> None:
    bars = waterfall(LATENCY, 40)
    assert [bar.label for bar in bars] == ["pause", "words", "first token", "first sound"]
    for before, after in itertools.pairwise(bars):
        assert after.offset == before.offset + before.cells
    assert bars[-1].offset + bars[-1].cells == round(0.86 * CELLS_PER_SECOND)


def test_a_long_wait_fills_the_width_and_no_more() -> None:
    bars = waterfall({**LATENCY, "first_token": 9.0}, 24)
    assert bars[-1].offset + bars[-1].cells == 24


def test_without_a_sound_there_is_no_waterfall() -> None:
    assert waterfall({**LATENCY, "voice_to_voice": None}, 24) == []
    assert waterfall({}, 24) == []


def test_a_part_that_is_not_known_takes_no_room() -> None:
    bars = waterfall({**LATENCY, "endpoint": None}, 40)
    assert (bars[0].cells, bars[1].offset) == (0, 0)


def test_the_median_and_the_sparkline_of_the_latest() -> None:
    assert median([]) is None
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert sparkline([0.0, 1.0, 2.0, 9.0], 3) == "▅██"


def test_a_meter_rises_at_once_and_falls_slowly() -> None:
    meter = Meter()
    assert meter.show(QUIETEST_DBFS - 30, 1.0, 10) == 0
    assert meter.show(LOUDEST_DBFS, 1.0, 10) == 10
    assert meter.show(QUIETEST_DBFS, 1.0, 10) == 10
    half = (LOUDEST_DBFS - QUIETEST_DBFS) / 2 / FALL_DB_PER_SECOND
    assert meter.show(QUIETEST_DBFS, 1.0 + half, 10) == 5
    assert meter.show(QUIETEST_DBFS, 60.0, 10) == 0


@pytest.mark.parametrize("dbfs", [float("-inf"), -200.0, 12.0])
def test_a_meter_bears_every_level(dbfs: float) -> None:
    assert 0 <= Meter().show(dbfs, 0.0, 10) <= 10
