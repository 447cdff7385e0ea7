"""Onsets: two loud blocks of speech, and more wariness after each that came to nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice.audio.onset import (
    CALM_DB,
    FLOOR_MARGIN_DB,
    ONSET_BLOCKS,
    PROVEN_BLOCKS,
    REARM_BLOCKS,
    TRIAL_BLOCKS,
    WARIEST_DB,
    WARY_DB,
    OnsetDetector,
)

FLOOR = -60.0
LOUD = FLOOR + FLOOR_MARGIN_DB + 1.0
QUIET = FLOOR + 1.0
NO_ECHO = -96.0


def _onsets(detector: OnsetDetector, levels: list[float], echo: float = NO_ECHO) -> list[int]:
    """The numbers of the blocks with which an onset was heard; all are speech to the detector."""
    return [
        number for number, level in enumerate(levels) if detector.receive(level, True, FLOOR, echo)
    ]


def test_an_onset_is_heard_with_the_second_loud_block() -> None:
    assert _onsets(OnsetDetector(), [QUIET] * 5 + [LOUD] * 30) == [6]


def test_a_click_is_none() -> None:
    assert _onsets(OnsetDetector(), [QUIET, LOUD, QUIET, LOUD, QUIET]) == []


def test_what_the_detector_does_not_take_for_speech_is_none() -> None:
    detector = OnsetDetector()
    assert not any(detector.receive(-20.0, False, FLOOR, NO_ECHO) for _ in range(50))


def test_what_may_be_left_of_the_echo_is_none() -> None:
    assert _onsets(OnsetDetector(), [-30.0] * 20, echo=-35.0) == []
    assert _onsets(OnsetDetector(), [-30.0] * 20, echo=-37.0) == [1]


def test_a_pause_inside_a_word_begins_no_new_sound() -> None:
    word = [LOUD] * 20 + [QUIET] * (REARM_BLOCKS - 1) + [LOUD] * 20
    assert _onsets(OnsetDetector(), word) == [1]
    words = [LOUD] * 20 + [QUIET] * REARM_BLOCKS + [LOUD] * 20
    assert len(_onsets(OnsetDetector(), words)) == 2


def test_after_a_false_onset_a_sound_must_be_louder() -> None:
    rattle = [LOUD] * 3 + [QUIET] * (TRIAL_BLOCKS + REARM_BLOCKS)
    detector = OnsetDetector()
    assert len(_onsets(detector, rattle * 5)) == 1
    assert _onsets(detector, [LOUD + WARY_DB] * 3) == [1]


def test_wariness_passes() -> None:
    detector = OnsetDetector()
    rattle = [LOUD] * 3 + [QUIET] * (TRIAL_BLOCKS + REARM_BLOCKS)
    assert _onsets(detector, rattle) == [1]
    blocks = round(WARY_DB / CALM_DB)
    assert _onsets(detector, [QUIET] * blocks + [LOUD] * 2) != []


def test_speech_after_an_onset_ends_the_wariness() -> None:
    detector = OnsetDetector()
    pause = [QUIET] * (TRIAL_BLOCKS + REARM_BLOCKS)
    assert len(_onsets(detector, [LOUD] * 3 + pause)) == 1
    assert len(_onsets(detector, [LOUD + WARY_DB] * PROVEN_BLOCKS + pause)) == 1
    assert len(_onsets(detector, [LOUD] * 3)) == 1


@given(st.lists(st.tuples(st.floats(-96, 0), st.booleans()), max_size=400))
def test_somebody_who_shouts_is_always_heard(before: list[tuple[float, bool]]) -> None:
    """Whatever came before, after a pause: at most the highest wariness louder than usual."""
    detector = OnsetDetector()
    for level, speech in before:
        detector.receive(level, speech, FLOOR, NO_ECHO)
    _onsets(detector, [QUIET] * REARM_BLOCKS)
    shout = [LOUD + WARIEST_DB] * ONSET_BLOCKS
    assert _onsets(detector, shout) == [ONSET_BLOCKS - 1]
