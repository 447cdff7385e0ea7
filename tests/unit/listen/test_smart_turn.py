"""The features that the end-of-turn model is given."""

from __future__ import annotations

import numpy as np
import pytest

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.listen.smart_turn import WINDOW_SAMPLES, Float32, features

BANDS = 80


@pytest.fixture
def filters() -> Float32:
    """Each band is one bin of the spectrum, 40 Hz wide: the wanted bin is easy to name."""
    return np.eye(BANDS, 201, dtype=np.float32)


def _tone(hertz: float, seconds: float) -> Int16:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.round(8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


def test_sound_stands_at_the_end_and_silence_before_it(filters: Float32) -> None:
    heard = features(_tone(1000, 2.0), filters)
    assert heard.shape == (BANDS, 800)
    assert heard.dtype == np.float32
    assert heard[:, 650].argmax() == 1000 // 40
    assert np.ptp(heard[:, 100]) == 0, "before the sound there is nothing"


def test_only_the_last_eight_seconds_count(filters: Float32) -> None:
    newest = _tone(600, 8.0)
    longer = np.concatenate((_tone(2000, 3.0), newest))
    np.testing.assert_array_equal(features(longer, filters), features(newest, filters))


def test_loudness_does_not_matter(filters: Float32) -> None:
    tone = _tone(1000, 3.0)
    np.testing.assert_allclose(
        features(tone // 4 * 4, filters), features(tone // 4, filters), atol=2e-2
    )


@pytest.mark.parametrize("length", [0, 1, 159, WINDOW_SAMPLES])
def test_any_length_gives_finite_features(filters: Float32, length: int) -> None:
    assert np.isfinite(features(np.zeros(length, np.int16), filters)).all()
