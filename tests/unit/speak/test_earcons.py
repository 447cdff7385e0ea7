from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from voice.speak.earcons import EarconName, earcon

NAMES: tuple[EarconName, ...] = get_args(EarconName)
RATES = [16_000, 22_050, 48_000]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", RATES)
def test_it_is_short_soft_and_does_not_click(name: EarconName, rate: int) -> None:
    sound = earcon(name, rate).astype(int)
    assert 0.15 < len(sound) / rate < 0.5
    assert 0.02 < np.abs(sound).max() / 32768 < 0.17
    millisecond = rate // 1000
    assert np.abs(sound[:millisecond]).max() < 0.006 * 32768
    assert np.abs(sound[-2 * millisecond :]).max() < 0.001 * 32768


@pytest.mark.parametrize("name", NAMES)
def test_no_step_in_it_is_larger_than_its_highest_partial_makes(name: EarconName) -> None:
    """A jump between two samples would be a click."""
    rate = 48_000
    sound = earcon(name, rate).astype(int)
    steepest = 2 * np.pi * 880 / rate * np.abs(sound).max() * 1.5
    assert np.abs(np.diff(sound)).max() < steepest


def main_hertz(sound: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 16))
    return float(spectrum.argmax() * rate / (1 << 16))


def test_listening_rises_and_an_error_falls() -> None:
    def ends(name: EarconName) -> tuple[float, float]:
        sound = earcon(name, 16_000).astype(float)
        return main_hertz(sound[:1200], 16_000), main_hertz(sound[-2400:], 16_000)

    first, last = ends("listening")
    assert last / first == pytest.approx(4 / 3, rel=0.03)
    first, last = ends("error")
    assert last / first == pytest.approx(2 / 3, rel=0.03)
