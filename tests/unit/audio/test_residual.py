"""What an echo canceller leaves behind, learned where it takes much out."""

from __future__ import annotations

import pytest

from voice.audio.residual import SILENCE_DBFS, ResidualEcho

FAR = -20.0


def _converse(residual: ResidualEcho, blocks: int, near: float, clean: float) -> None:
    for _ in range(blocks):
        residual.receive([FAR], near, clean)


def test_nothing_is_left_of_silence() -> None:
    residual = ResidualEcho()
    assert not residual.sounding
    assert residual.dbfs == SILENCE_DBFS
    residual.receive([-90.0], -70.0, -70.0)
    assert residual.dbfs == SILENCE_DBFS
    assert residual.erle_db is None


@pytest.mark.parametrize("left", [-60.0, -50.0, -35.0])
def test_what_is_left_is_learned(left: float) -> None:
    residual = ResidualEcho()
    _converse(residual, 2000, -28.0, left)
    assert residual.dbfs == pytest.approx(left, abs=1.0)


def test_hardly_anything_that_is_left_is_louder() -> None:
    residual = ResidualEcho()
    louder = 0
    for number in range(3000):
        clean = -60.0 + number * 7 % 20  # evenly between -60 and -41 dBFS
        residual.receive([FAR], -28.0, clean)
        louder += number > 1000 and clean > residual.dbfs
    assert louder / 2000 < 0.15


def test_from_other_voices_nothing_is_learned() -> None:
    residual = ResidualEcho()
    _converse(residual, 2000, -28.0, -55.0)
    before = residual.dbfs
    _converse(residual, 500, -22.0, -23.0)
    assert residual.dbfs == before


def test_it_is_as_loud_as_what_was_played_lately() -> None:
    residual = ResidualEcho()
    _converse(residual, 1000, -28.0, -55.0)
    for _ in range(29):
        residual.receive([-80.0], -70.0, -70.0)
    assert residual.sounding
    assert residual.dbfs > -57.0
    residual.receive([-80.0], -70.0, -70.0)
    assert not residual.sounding
    assert residual.dbfs < -90.0


def test_the_loss_of_the_echo_is_known_after_two_seconds_of_it() -> None:
    residual = ResidualEcho()
    _converse(residual, 199, -28.0, -55.0)
    assert residual.erle_db is None
    _converse(residual, 1, -28.0, -55.0)
    assert residual.erle_db == pytest.approx(27.0)


def test_a_canceller_that_does_nothing_has_no_loss() -> None:
    residual = ResidualEcho()
    _converse(residual, 300, -28.0, -28.0)
    assert residual.erle_db == pytest.approx(0.0)
