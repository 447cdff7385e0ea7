"""What is found in recordings whose truth is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from scripts.benchmarks.duplex_hearing import (
    Stretch,
    audible,
    edge_steps,
    gave_way_after,
    largest_step,
    last_loud_after,
    located,
    loud_again_after,
    stopped_after,
    stretch,
    true_speech,
)
from tests.support.giving_way import GaveWay
from voice.audio.frames import SAMPLE_RATE, Int16

_DUCKED = 0.1


def _tone(*parts: tuple[float, float]) -> Int16:
    """Parts of (seconds, gain) of one steady tone."""
    gains = np.concatenate([np.full(round(length * SAMPLE_RATE), gain) for length, gain in parts])
    phase = 2 * np.pi * 200 / SAMPLE_RATE * np.arange(len(gains))
    return (8000 * gains * np.sin(phase)).astype(np.int16)


def _noise(seconds: float, seed: int = 1) -> Int16:
    random = np.random.default_rng(seed)
    return (2000 * random.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.int16)


def _silence(seconds: float) -> Int16:
    return np.zeros(round(seconds * SAMPLE_RATE), np.int16)


def test_true_speech_begins_and_ends_within_a_block() -> None:
    clip = np.concatenate([_silence(0.5), _noise(0.7), _silence(0.3)])
    assert true_speech(clip) == pytest.approx((0.5, 1.2), abs=0.011)


def test_a_clip_is_found_in_a_room_where_somebody_else_speaks() -> None:
    clip = _noise(0.5, seed=2)
    room = _noise(3.0, seed=3)
    start = round(1.25 * SAMPLE_RATE)
    room[start : start + len(clip)] += clip
    assert located(clip, Stretch(100.0, room)) == pytest.approx(101.25, abs=0.001)


def test_the_last_audible_block_is_the_stop() -> None:
    played = Stretch(10.0, np.concatenate([_tone((1.3, 1.0)), _silence(1.0)]))
    assert stopped_after(played, 11.0) == pytest.approx(0.3, abs=0.021)
    assert stopped_after(Stretch(10.0, _silence(1.0)), 10.5) is None


def test_whispers_are_not_audible() -> None:
    quiet = (_tone((0.5, 0.01)), _tone((0.5, 0.03)))
    assert not audible(Stretch(0.0, quiet[0]))
    assert len(audible(Stretch(0.0, quiet[1]))) == 25


def test_a_ducked_and_held_tone_tells_both_moments() -> None:
    played = Stretch(0.0, _tone((1.08, 1.0), (0.2, _DUCKED), (0.5, 0.0)))
    way = gave_way_after(played, 1.0)
    assert way.duck == pytest.approx(0.08, abs=0.011)
    assert way.hold == pytest.approx(0.28, abs=0.011)


def test_a_tone_that_goes_on_has_not_given_way() -> None:
    assert gave_way_after(Stretch(0.0, _tone((2.0, 1.0))), 1.0) == GaveWay(None, None)


def test_of_speech_the_last_loud_block_counts_and_pauses_do_not() -> None:
    speech = _tone((1.0, 1.0), (0.1, 0.0), (0.05, 0.9), (0.5, _DUCKED))
    assert last_loud_after(Stretch(0.0, speech), 1.0) == pytest.approx(0.15, abs=0.011)
    assert last_loud_after(Stretch(0.0, _silence(2.0)), 1.0) is None


def test_an_answer_goes_on_when_it_is_as_loud_as_before() -> None:
    played = Stretch(0.0, _tone((1.0, 1.0), (1.0, 0.0), (0.2, _DUCKED), (0.5, 1.0)))
    assert loud_again_after(played, 1.0, 1.4) == pytest.approx(0.8, abs=0.011)
    held = Stretch(0.0, _tone((1.0, 1.0), (1.0, _DUCKED)))
    assert loud_again_after(held, 1.0, 1.4) is None


def test_a_click_is_larger_than_the_sounds_own_steps() -> None:
    clicking = np.concatenate([_tone((1.011, 1.0)), _silence(0.5)])
    (step,), own = edge_steps(Stretch(5.0, clicking), [6.0])
    assert own == pytest.approx(8000 * 2 * np.pi * 200 / SAMPLE_RATE, rel=0.02)
    assert step > 3 * own
    faded = _tone((1.0, 1.0), *((0.001, gain) for gain in np.linspace(1, 0, 40)), (0.5, 0.0))
    (step,), own = edge_steps(Stretch(5.0, faded), [6.0])
    assert step <= 1.25 * own


def test_no_sound_has_no_step() -> None:
    assert largest_step(_silence(0.0)) == 0
    assert edge_steps(Stretch(0.0, _silence(0.0)), []) == ([], 0)


def test_a_stretch_is_placed_by_the_earliest_arrivals_near_it() -> None:
    sound = np.arange(3000 * 160 // 100, dtype=np.int16)
    blocks = [
        (50.0 + (number + 1) / 100 + (0.02 if number % 3 else 0.0), sound[at : at + 160])
        for number, at in enumerate(range(0, len(sound), 160))
    ]
    part = stretch(cast(Any, SimpleNamespace(_blocks=blocks)), 50.1, 50.15)
    assert part.began == pytest.approx(50.1, abs=0.001)
    assert list(part.samples) == list(range(1600, 2400))
    assert list(part.between(50.12, 50.13)) == list(range(1920, 2080))
