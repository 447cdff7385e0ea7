from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice.speak.levels import Float32
from voice.speak.trim import Trim

RATE = 2000  # blocks of ten samples
BLOCK = 10

lengths = st.integers(0, 130)
layouts = st.lists(st.tuples(lengths, st.booleans()), max_size=6)


def sound_of(layout: list[tuple[int, bool]]) -> Float32:
    """Loud and silent stretches; every sample is another one."""
    parts = [np.full(length, 0.5 if loud else 1e-4) for length, loud in layout]
    whole = np.concatenate([np.zeros(0), *parts])
    return (whole + np.arange(len(whole)) * 1e-8).astype(np.float32)


def trimmed(trim: Trim, sound: Float32, cuts: list[int], least: int = 0) -> Float32:
    pieces = np.split(sound, sorted(cut % (len(sound) + 1) for cut in cuts))
    return np.concatenate([*(trim.feed(piece) for piece in pieces), trim.finish(least)])


def expected(sound: Float32, lead: int, pause: int) -> tuple[int, Float32]:
    """Where it begins and what is kept, from the whole sound."""
    blocks = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK)
    loud = np.flatnonzero(np.sqrt(np.mean(np.square(blocks), axis=1)) > 10 ** (-55 / 20))
    assert len(loud)
    start, end = max(0, int(loud[0]) * BLOCK - lead), (int(loud[-1]) + 1) * BLOCK
    kept = sound[start : end + pause]
    zeros = np.zeros(end + pause - start - len(kept), np.float32)
    return start, np.concatenate([kept, zeros])


@given(layouts, st.lists(st.integers(0, 1000), max_size=8), st.integers(0, 40), lengths)
def test_it_does_not_matter_how_the_sound_was_cut(
    layout: list[tuple[int, bool]], cuts: list[int], lead: int, pause: int
) -> None:
    sound = sound_of([*layout, (30, True)])
    trim = Trim(RATE, lead, pause)
    kept = trimmed(trim, sound, cuts)
    start, wanted = expected(sound, lead, pause)
    assert trim.start == start
    assert np.array_equal(kept, wanted)


@given(lengths, st.lists(st.integers(0, 1000), max_size=8), lengths)
def test_of_silence_the_pause_is_left(length: int, cuts: list[int], pause: int) -> None:
    trim = Trim(RATE, 20, pause)
    kept = trimmed(trim, sound_of([(length, False)]), cuts)
    assert not trim.begun
    assert len(kept) == pause
    assert np.abs(kept).max(initial=0) < 1e-3


def test_sound_is_kept_up_to_where_the_last_word_ends() -> None:
    trim = Trim(RATE, 0, 20)
    kept = trimmed(trim, sound_of([(50, False), (100, True), (30, False)]), [60], least=250)
    assert trim.start == 50
    assert len(kept) == 200
    assert not kept[-70:].any()


def test_what_is_known_to_be_kept_is_not_held_back() -> None:
    trim = Trim(RATE, 0, 20)
    assert len(trim.feed(sound_of([(100, False)]))) == 0
    assert len(trim.feed(sound_of([(105, True)]))) == 100
    assert len(trim.feed(sound_of([(15, True), (100, False)]))) == 40
    assert trim.end == 220
    assert len(trim.feed(sound_of([(40, True)]))) == 120, "the silence within a sentence is whole"
