"""What was played lies where it was audible by the clock, however it was told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.far_end import LEAD_SECONDS, LONGEST_GAP_SECONDS, FarEnd
from voice.audio.frames import Int16

RATE = 48_000
BLOCK = RATE // 100
DELAY = 0.03


def _block(number: int) -> Int16:
    """Ten milliseconds that tell their number, from 1 on."""
    return np.full(BLOCK, number, np.int16)


def _numbers(sound: Int16) -> list[int]:
    """The numbers of the blocks in a sound, 0 for silence, without repetitions."""
    changes = np.flatnonzero(np.diff(sound, prepend=-1))
    return [int(sound[change]) for change in changes]


def test_before_the_speaker_has_begun_there_is_nothing() -> None:
    assert len(FarEnd(RATE).take(5.0)) == 0


def test_an_even_stream_comes_out_as_it_was_played() -> None:
    far = FarEnd(RATE)
    heard = []
    for number in range(1, 101):
        far.play(_block(number), number / 100 + DELAY)
        heard.append(far.take(number / 100 + 0.01))
    assert _numbers(np.concatenate(heard)) == list(range(1, 101))


def test_it_is_given_out_shortly_before_it_is_heard() -> None:
    far = FarEnd(RATE)
    for number in range(1, 21):
        far.play(_block(number), number / 100)
    assert len(far.take(0.1)) / RATE == pytest.approx(0.09 + LEAD_SECONDS, abs=1e-3)


@given(st.lists(st.floats(-0.015, 0.015), min_size=200, max_size=200))
def test_times_that_are_a_little_off_change_nothing(errors: list[float]) -> None:
    far = FarEnd(RATE)
    heard = []
    for number, error in enumerate(errors, start=1):
        far.play(_block(number), number / 100 + DELAY + error)
        heard.append(far.take(number / 100))
    sound = np.concatenate(heard)
    numbers = _numbers(sound)
    assert numbers == list(range(1, numbers[-1] + 1))
    assert len(sound) / RATE == pytest.approx(200 / 100, abs=0.05)


def test_when_the_speaker_starves_silence_stands_for_the_gap() -> None:
    """Sound goes on where it is audible, whether the gap is known from time or from the next."""
    for asked_meanwhile in (True, False):
        far = FarEnd(RATE)
        heard = []
        for number in range(1, 51):
            far.play(_block(number), number / 100 + DELAY)
            heard.append(far.take(number / 100))
        if asked_meanwhile:
            heard += [far.take(late / 100) for late in range(51, 71)]
        for number in range(71, 121):
            far.play(_block(number), number / 100 + DELAY)
            heard.append(far.take(number / 100))
        heard.append(far.take(1.22))
        sound = np.concatenate(heard)
        assert _numbers(sound) == [*range(1, 51), 0, *range(71, 121)]
        assert np.count_nonzero(sound == 0) / RATE == pytest.approx(0.2, abs=0.005)


def test_a_microphone_that_is_read_late_finds_each_sound_at_its_time() -> None:
    far = FarEnd(RATE)
    for number in range(1, 51):
        far.play(_block(number), number / 100)
    for number in range(1, 40):
        sound = far.take(number / 100)
        assert _numbers(sound)[-1] <= number + round(LEAD_SECONDS * 100) + 1


def test_a_device_that_corrects_its_latency_loses_no_sound() -> None:
    far = FarEnd(RATE)
    heard = []
    for number in range(1, 101):
        delay = 0.3 if number <= 50 else 0.03
        far.play(_block(number), number / 100 + delay)
        heard.append(far.take(number / 100))
    heard.append(far.take(2.0))
    assert [n for n in _numbers(np.concatenate(heard)) if n] == list(range(1, 101))


def test_drifting_clocks_stay_together() -> None:
    """A speaker that is 200 ppm slow for ten minutes."""
    far = FarEnd(RATE)
    taken = 0
    for number in range(1, 60_001):
        far.play(_block(number % 30_000 + 1), number / 100 * 1.0002 + DELAY)
        taken += len(far.take(number / 100 * 1.0002))
    assert taken / BLOCK == pytest.approx(60_000, abs=5)


def test_after_a_long_sleep_no_hours_of_silence_are_made() -> None:
    far = FarEnd(RATE)
    far.play(_block(1), 1.0)
    far.take(1.0)
    far.play(_block(2), 36_000.0)
    assert len(far.take(36_000.0)) <= (LONGEST_GAP_SECONDS + 0.1) * RATE
    assert len(far.take(90_000.0)) <= LONGEST_GAP_SECONDS * RATE
