from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice.speak.levels import limited


def test_usual_sound_is_only_scaled() -> None:
    times = np.arange(2205) / 22_050
    sound = (0.4 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    assert np.allclose(limited(sound, 1.5) / 32767, sound * 1.5, atol=1e-4)


@given(st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=50), st.floats(0, 4))
def test_louder_stays_louder_and_never_wraps(values: list[float], gain: float) -> None:
    ordered = np.sort(np.array(values, np.float32))
    limits = limited(ordered, gain).astype(int)
    assert (np.diff(limits) >= 0).all()
    assert np.array_equal(limits, -limited(-ordered, gain).astype(int))
