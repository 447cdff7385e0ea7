from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.frames import Int16
from voice.speak.levels import Float32
from voice.speak.shaping import Shaper
from voice.speak.trim import Trim

FROM = 22_050


def sentence() -> Float32:
    """0.1 s of silence, 0.6 s of a rising tone, 0.2 s of silence."""
    times = np.arange(round(0.6 * FROM)) / FROM
    tone = 0.4 * np.sin(2 * np.pi * (200 + 500 * times) * times)
    silence = np.zeros(FROM // 10)
    return np.concatenate([silence, tone, silence, silence]).astype(np.float32)


def shaper(rate: int) -> Shaper:
    return Shaper(Trim(FROM, FROM // 100, FROM // 20), FROM, rate, 1.3)


def shaped(rate: int, cuts: list[int]) -> tuple[Shaper, Int16]:
    one, sound = shaper(rate), sentence()
    pieces = [one.feed(piece) for piece in np.split(sound, cuts)]
    return one, np.concatenate([*pieces, one.finish()])


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@given(cuts=st.lists(st.integers(0, round(0.9 * FROM)), max_size=12).map(sorted))
def test_there_is_no_seam_wherever_the_sound_is_cut(rate: int, cuts: list[int]) -> None:
    _, whole = shaped(rate, [])
    _, pieces = shaped(rate, cuts)
    assert len(pieces) == len(whole)
    assert np.abs(pieces.astype(int) - whole).max() <= 1  # of 32768: rounding


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_places_in_the_sentence_are_places_in_what_is_played(rate: int) -> None:
    one, played = shaped(rate, [5_000, 9_000])
    assert one.place(0) == 0
    onset, end = FROM // 10, round(0.7 * FROM)
    loud = np.flatnonzero(np.abs(played) > 300)
    assert one.place(onset) == pytest.approx(loud[0], abs=0.006 * rate)
    assert one.place(end) == pytest.approx(loud[-1], abs=0.006 * rate)
    assert one.place(end + FROM // 20) <= len(played)
    assert len(played) == pytest.approx((0.01 + 0.6 + 0.05) * rate, abs=0.006 * rate)


def test_the_level_is_the_same_for_every_piece() -> None:
    _, played = shaped(FROM, [4_000, 6_000, 8_000])
    assert np.abs(played).max() == pytest.approx(0.4 * 1.3 * 32767, rel=0.01)
