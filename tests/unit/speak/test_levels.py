from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice.speak.levels import Float32, audible, framed, limited


def tone(seconds: float, amplitude: float, rate: int = 22_050) -> Float32:
    times = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


def test_usual_sound_is_only_scaled() -> None:
    sound = tone(0.1, 0.4)
    assert np.allclose(limited(sound, 1.5) / 32767, sound * 1.5, atol=1e-4)


@given(st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=50), st.floats(0, 4))
def test_louder_stays_louder_and_never_wraps(values: list[float], gain: float) -> None:
    ordered = np.sort(np.array(values, np.float32))
    limits = limited(ordered, gain).astype(int)
    assert (np.diff(limits) >= 0).all()
    assert np.array_equal(limits, -limited(-ordered, gain).astype(int))


def test_silence_at_the_edges_is_found() -> None:
    silence = np.zeros(2205, np.float32)
    start, end = audible(np.concatenate([silence, tone(0.2, 0.3), silence, silence]), 22_050)
    assert abs(start - 2205) <= 110
    assert abs(end - 2205 - 4410) <= 110
    assert audible(silence, 22_050) == (0, 0)
    assert audible(silence[:0], 22_050) == (0, 0)


@given(st.integers(0, 60), st.integers(0, 40), st.integers(0, 100))
def test_the_pause_has_its_length(start: int, length: int, pause: int) -> None:
    sound = np.arange(1, 101, dtype=np.float32)
    cut = framed(sound, start, start + length, pause)
    assert len(cut) == length + pause
    kept = min(len(cut), 100 - start)
    assert np.array_equal(cut[:kept], sound[start : start + kept])
    assert not cut[kept:].any()
