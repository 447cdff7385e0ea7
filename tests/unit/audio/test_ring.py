from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.frames import Int16
from voice.audio.ring import CLOCK_BLOCKS, InputRing

RATE = 1000
"""One sample a millisecond keeps the sums readable."""


def _sound(count: int, first: int = 1) -> Int16:
    return np.arange(first, first + count, dtype=np.int16)


class TestInputRing:
    def test_samples_come_out_with_position_and_time(self) -> None:
        ring = InputRing(capacity=100, rate=RATE)
        ring.push(_sound(30)[:, None], at=5.03)
        assert ring.take(40) is None
        taken = ring.take(20)
        assert taken is not None
        start, samples, end_at = taken
        assert (start, samples[:, 0].tolist()) == (0, list(range(1, 21)))
        assert end_at == pytest.approx(5.02)

    @given(st.lists(st.one_of(st.integers(1, 90), st.integers(-40, -1)), max_size=60))
    def test_positions_tell_which_samples_these_are(self, steps: list[int]) -> None:
        """Positive steps push, negative ones take; the sample at position p has the value p."""
        ring, pushed, due = InputRing(capacity=70, rate=RATE), 0, 0
        for step in steps:
            if step > 0:
                block = np.arange(pushed, pushed + step, dtype=np.int16)
                ring.push(block[:, None], at=(pushed + step) / RATE)
                pushed += step
                due = max(due, pushed - 70)
            elif (taken := ring.take(-step)) is not None:
                start, samples, end_at = taken
                assert start == due, "only the oldest are lost"
                assert samples[:, 0].tolist() == list(range(start, start - step))
                due = start - step
                assert end_at == pytest.approx(due / RATE)
            else:
                assert pushed - due < -step

    def test_one_late_reader_is_one_overrun(self) -> None:
        ring = InputRing(capacity=20, rate=RATE)
        for _ in range(5):
            ring.push(np.zeros((10, 1), np.int16), at=0.0)
        assert ring.overruns == 1
        ring.take(10)
        ring.push(np.zeros((20, 1), np.int16), at=0.0)
        assert ring.overruns == 2

    def test_stereo_stays_together(self) -> None:
        ring = InputRing(capacity=10, rate=RATE, channels=2)
        block = np.column_stack([_sound(8), -_sound(8)])
        ring.push(block, at=0.0)
        taken = ring.take(8)
        assert taken is not None
        assert np.array_equal(taken[1], block)

    def test_the_clock_is_calmer_than_the_times_of_single_blocks(self) -> None:
        ring, jitter = InputRing(10_000, RATE), np.random.default_rng(1).uniform(-0.015, 0.015, 300)
        errors = []
        for number, off in enumerate(jitter, start=1):
            ring.push(np.zeros((20, 1), np.int16), at=number * 0.02 + off)
            taken = ring.take(20)
            assert taken is not None
            errors.append(taken[2] - number * 0.02)
        assert np.abs(errors[CLOCK_BLOCKS:]).max() < 0.006

    def test_the_clock_follows_a_pause_of_the_device(self) -> None:
        ring = InputRing(10_000, RATE)
        ring.push(np.zeros((20, 1), np.int16), at=0.02)
        ring.push(np.zeros((20, 1), np.int16), at=3.0)
        taken = ring.take(40)
        assert taken is not None
        assert taken[2] == pytest.approx(3.0)
