from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voice.speak.windows import FIRST_FRAMES, GROWTH, MOST_FRAMES, windows


@given(st.integers(0, 5000))
def test_windows_follow_one_another_from_the_first_frame_to_the_last(frames: int) -> None:
    spans = windows(frames)
    assert [frame for start, end in spans for frame in range(start, end)] == [*range(frames)]
    assert all(start < end for start, end in spans)


@given(st.integers(1, 5000))
def test_the_first_is_short_and_none_is_much_longer_than_the_one_before(frames: int) -> None:
    lengths = [end - start for start, end in windows(frames)]
    assert lengths[0] == min(frames, lengths[0])
    assert lengths[0] < FIRST_FRAMES * 3 / 2
    assert all(later <= earlier * GROWTH * 1.5 + 1 for earlier, later in pairwise(lengths))
    assert max(lengths) < MOST_FRAMES * 3 / 2


def test_no_last_window_is_a_sliver() -> None:
    for frames in range(FIRST_FRAMES, 2000):
        assert windows(frames)[-1][1] - windows(frames)[-1][0] >= FIRST_FRAMES // 2
