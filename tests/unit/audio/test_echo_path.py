"""An echo is assumed until the microphone was quiet while the speaker was not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.echo_path import AUDIBLE_GAIN_DB, EchoPath

FAR = [-20.0] * 100


def _path(far: list[float], near: list[float]) -> EchoPath:
    path = EchoPath()
    for far_dbfs, near_dbfs in zip(far, near, strict=True):
        path.receive([far_dbfs, far_dbfs], near_dbfs)
    return path


def test_an_echo_is_assumed_at_first_and_while_nothing_is_played() -> None:
    assert EchoPath().audible
    assert _path([-90.0] * 100, [-90.0] * 100).audible


def test_a_quiet_microphone_while_the_speaker_plays_disproves_it() -> None:
    assert not _path(FAR, [-70.0] * 100).audible


def test_a_few_quiet_frames_are_enough_though_the_user_speaks() -> None:
    assert not _path(FAR, [-25.0] * 60 + [-70.0] * 3 + [-25.0] * 37).audible


def test_half_a_second_is_enough() -> None:
    assert _path(FAR[:15], [-70.0] * 15).audible
    assert not _path(FAR[:25], [-70.0] * 25).audible


def test_a_user_who_interrupts_the_first_words_is_no_echo() -> None:
    far = [-20.0] * 45 + [-45.0] * 30  # it grows quieter
    assert not _path(far, [-70.0] * 40 + [-25.0] * 35).audible


@pytest.mark.parametrize("late", [20, 30, 45])
def test_an_echo_that_comes_late_is_believed_in_after_a_second(late: int) -> None:
    near = [-96.0] * late + [-40.0] * 100
    assert _path([-20.0] * (late + 60), near[: late + 60]).audible


def test_a_glitch_proves_nothing() -> None:
    assert _path(FAR, [-25.0] * 60 + [-96.0] * 2 + [-25.0] * 38).audible


@pytest.mark.parametrize("late", [0, 1, 10, 30, 49])
def test_the_echo_of_a_pause_proves_nothing(late: int) -> None:
    """The microphone is quiet while the speaker is not, and the other way round."""
    far = [-20.0, -25.0, -20.0, -25.0, -20.0, -20.0, -80.0, -80.0] * 40
    near = [-70.0] * late + [level - 20.0 for level in far]
    assert _path(far, near[: len(far)]).audible


def test_pauses_of_the_speaker_do_not_hinder_the_proof() -> None:
    far = [-20.0, -20.0, -20.0, -20.0, -20.0, -80.0, -80.0] * 20
    assert not _path(far, [-70.0] * 140).audible


def test_blocks_that_come_in_bursts_are_no_pauses() -> None:
    path = EchoPath()
    for number in range(100):
        path.receive([-20.0] * 4 if number % 2 else [], -70.0)
    assert not path.audible


def test_a_noisy_room_proves_nothing() -> None:
    assert _path(FAR, [-45.0] * 100).audible


def test_after_the_plug_was_pulled_the_echo_is_believed_again() -> None:
    path = _path(FAR, [-70.0] * 100)
    for _ in range(300):
        path.receive([-20.0, -20.0], -30.0)
    assert path.audible


@given(
    st.floats(AUDIBLE_GAIN_DB + 1, 0),
    st.integers(0, 9),
    st.lists(st.floats(-60, -10), min_size=30, max_size=200),
)
def test_an_audible_echo_is_never_missed(gain: float, late: int, far: list[float]) -> None:
    """Whatever is played: the microphone hears it late and weaker, and never anything quieter."""
    near = [-96.0] * late + [level + gain for level in far]
    assert _path(far, near[: len(far)]).audible or far == []


@pytest.mark.parametrize("gain", [AUDIBLE_GAIN_DB - 5, -60.0])
def test_an_inaudible_echo_is_ignored(gain: float) -> None:
    assert not _path(FAR, [level + gain for level in FAR]).audible
