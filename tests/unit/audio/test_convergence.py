"""Half-duplex is chosen where the canceller's output follows the speaker, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from voice.audio.convergence import (
    FAILED_REASON,
    LONGEST_DELAY_BLOCKS,
    WINDOW_BLOCKS,
    WORKS_REASON,
    Convergence,
    likeness,
)

Levels = NDArray[np.float64]

FLOOR = -60.0


def _talk(seconds: float, seed: int, dbfs: float = -20.0) -> Levels:
    """Levels of somebody who talks, each 10 ms: syllables of 0.1 to 0.3 s, some pauses."""
    random = np.random.default_rng(seed)
    levels: list[float] = []
    while len(levels) < seconds * 100:
        length = int(random.integers(10, 30))
        peak = dbfs - random.uniform(0, 8)
        levels += list(peak - 25 * (1 - np.sin(np.linspace(0, np.pi, length))))
        if random.random() < 0.15:
            levels += [-80.0] * int(random.integers(10, 40))
    return np.array(levels[: round(seconds * 100)])


def _echo(far: Levels, gain_db: float, late_blocks: int) -> Levels:
    return np.concatenate([np.full(late_blocks, -96.0), far])[: len(far)] + gain_db


def _sum(*levels: Levels) -> Levels:
    total = sum(10 ** (each / 10) for each in levels)
    return np.asarray(10 * np.log10(total + 10 ** (FLOOR / 10)))


def _watch(convergence: Convergence, far: Levels, clean: Levels) -> list[float]:
    """The seconds at which the choice changed."""
    changes = []
    for number, (played, left) in enumerate(zip(far, clean, strict=True)):
        before = convergence.half_duplex
        convergence.receive([played], left)
        if convergence.half_duplex != before:
            changes.append(number / 100)
    return changes


@pytest.mark.parametrize("late_blocks", [2, 20, 60, 95])
@pytest.mark.parametrize("gain_db", [-20.0, -10.0, -4.0])
def test_an_echo_that_stays_is_noticed_within_5_seconds(gain_db: float, late_blocks: int) -> None:
    convergence = Convergence()
    silence = np.full(500, -96.0)
    far = np.concatenate([silence, _talk(10, seed=1)])
    [at] = _watch(convergence, far, _sum(_echo(far, gain_db, late_blocks)))
    assert at < 5.0 + 5.0
    assert convergence.reason == FAILED_REASON


@pytest.mark.parametrize("left_db", [-96.0, -35.0])
def test_an_echo_that_is_taken_out_changes_nothing(left_db: float) -> None:
    far = _talk(60, seed=1)
    assert _watch(Convergence(), far, _sum(_echo(far, left_db, 6))) == []


@pytest.mark.parametrize("seed", range(2, 8))
def test_other_people_change_nothing(seed: int) -> None:
    """A user who talks all the time, or a television, as loud as the agent."""
    far = _talk(120, seed=1)
    assert _watch(Convergence(), far, _sum(_talk(120, seed))) == []


@pytest.mark.parametrize("late_blocks", range(0, 100, 10))
def test_a_user_who_begins_to_talk_when_the_agent_does_changes_nothing(late_blocks: int) -> None:
    silence = np.full(500, -96.0)
    far = np.concatenate([silence, _talk(8, seed=1), silence])
    user = np.concatenate([silence, np.full(late_blocks, -96.0), _talk(10, seed=2), silence])
    assert _watch(Convergence(), far, _sum(user[: len(far)])) == []


def test_once_the_echo_is_taken_out_again_one_listens_always() -> None:
    convergence = Convergence()
    far = _talk(20, seed=1)
    assert len(_watch(convergence, far, _sum(_echo(far, -10.0, 6)))) == 1
    [at] = _watch(convergence, far, _sum(_echo(far, -45.0, 6)))
    assert 3.0 < at < 8.0
    assert not convergence.half_duplex
    assert convergence.reason == WORKS_REASON


def test_while_the_agent_is_silent_nothing_changes() -> None:
    convergence = Convergence()
    far = _talk(10, seed=1)
    _watch(convergence, far, _sum(_echo(far, -10.0, 6)))
    silence = np.full(3000, -96.0)
    assert _watch(convergence, silence, _sum(silence)) == []
    assert convergence.half_duplex


def test_without_an_echo_path_it_begins_anew() -> None:
    convergence = Convergence()
    far = _talk(10, seed=1)
    _watch(convergence, far, _sum(_echo(far, -10.0, 6)))
    convergence.forget()
    assert not convergence.half_duplex


def test_blocks_may_come_in_bursts() -> None:
    convergence = Convergence()
    far = _talk(10, seed=1)
    clean = _sum(_echo(far, -10.0, 6))
    for start in range(0, len(far), 4):
        convergence.receive(list(far[start : start + 4]), clean[start])
        for left in clean[start + 1 : start + 4]:
            convergence.receive([], left)
    assert convergence.half_duplex


def test_likeness_is_one_for_an_echo_and_none_for_a_steady_noise() -> None:
    far = _talk((WINDOW_BLOCKS + LONGEST_DELAY_BLOCKS) / 100, seed=1)
    echo = _echo(far, -10.0, 30)[-WINDOW_BLOCKS:]
    assert likeness(far, echo) == pytest.approx(1.0, abs=0.02)
    assert likeness(far, np.full(WINDOW_BLOCKS, -40.0)) == 0.0
