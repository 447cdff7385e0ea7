from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.gain import Gain


def test_it_goes_along_a_straight_line_and_stays() -> None:
    gain, samples = Gain(), np.full(6, 1000, np.int16)
    gain.go(0.5, 4)
    gain.apply(samples)
    assert samples.tolist() == [875, 750, 625, 500, 500, 500]
    assert (gain.value, gain.left) == (0.5, 0)


def test_without_samples_on_the_way_it_is_there_at_once() -> None:
    gain = Gain()
    gain.go(0.0, 0)
    assert gain.silent


def test_on_its_way_to_nothing_it_is_not_silent_yet() -> None:
    gain = Gain()
    gain.go(0.0, 2)
    gain.apply(np.ones(1, np.int16))
    assert not gain.silent
    gain.apply(np.ones(1, np.int16))
    assert gain.silent


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_blocks_of_any_size_are_scaled_alike(sizes: list[int]) -> None:
    whole, parts = Gain(), Gain()
    for gain in (whole, parts):
        gain.go(0.1, 20)
    expected = np.full(sum(sizes), 10_000, np.int16)
    whole.apply(expected)
    scaled = []
    for size in sizes:
        block = np.full(size, 10_000, np.int16)
        parts.apply(block)
        scaled += block.tolist()
    assert np.abs(np.array(scaled) - expected).max() <= 1
