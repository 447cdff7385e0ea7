"""Rest: what the canceller is let hear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.far_end import TOLERANCE_SECONDS
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16
from voice.audio.rest import AFTER_SECONDS, Rest

_RATE = 48_000
_FRAME = FRAME_SAMPLES * _RATE // SAMPLE_RATE
_RESTS_AFTER = round(AFTER_SECONDS * SAMPLE_RATE / FRAME_SAMPLES)


def _silence(count: int = _FRAME) -> Int16:
    return np.zeros(count, np.int16)


def _sound(count: int = _FRAME) -> Int16:
    return np.arange(1, count + 1, dtype=np.int16)


def _resting(*counts: int) -> Rest:
    """One that has passed over silence of the speaker, so many samples with each frame."""
    rest = Rest(_RATE)
    for _ in range(_RESTS_AFTER):
        assert rest.pass_over(_silence(), FRAME_SAMPLES) is not None
    for count in counts or (_FRAME,):
        assert rest.pass_over(_silence(count), FRAME_SAMPLES) is None
    return rest


def test_sound_and_the_silence_after_it_are_heard() -> None:
    rest = _resting()
    far = rest.pass_over(_sound(), FRAME_SAMPLES)
    assert far is not None
    assert far.tolist() == _sound().tolist()
    far = rest.pass_over(_silence(), FRAME_SAMPLES)
    assert far is not None
    assert len(far) == _FRAME


@pytest.mark.parametrize("counts", [(1000,), (960, 940, 980, 961), (0, 1921)])
def test_more_silence_of_the_speaker_is_made_good(counts: tuple[int, ...]) -> None:
    rest = _resting(*counts)
    ahead = sum(counts) - len(counts) * _FRAME
    far = rest.pass_over(_sound(), FRAME_SAMPLES)
    assert far is not None
    assert far.tolist() == [0] * ahead + _sound().tolist()


def test_less_silence_of_the_speaker_is_made_good_as_far_as_there_is_sound() -> None:
    rest = _resting(_FRAME - 100)
    first, second = rest.pass_over(_sound(60), FRAME_SAMPLES), rest.pass_over(_sound(), 320)
    assert first is not None
    assert second is not None
    assert first.tolist() == []
    assert second.tolist() == _sound()[40:].tolist()


@given(st.lists(st.integers(0, 2 * _FRAME), min_size=1, max_size=40))
def test_speaker_and_microphone_stand_still_together(counts: list[int]) -> None:
    """What is heard of the speaker follows what is heard of the microphone, within a tolerance."""
    rest = _resting(*counts)
    far = rest.pass_over(_sound(3 * _FRAME), FRAME_SAMPLES)
    assert far is not None
    ahead = 0
    for count in counts:
        most = round(TOLERANCE_SECONDS * _RATE)
        ahead = min(max(ahead + count - _FRAME, -most), most)
    assert len(far) == 3 * _FRAME + ahead
