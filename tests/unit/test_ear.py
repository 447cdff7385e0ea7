"""What the ear lets through while it is muted, and after."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voice.audio.frames import SAMPLE_RATE, Frame
from voice.ear import Ear

_STEP = 320


def _ear(accepted: list[int]) -> Ear:
    parts: Any = SimpleNamespace(
        clock=None,
        trace=None,
        judge=None,
        echo=None,
        vad=SimpleNamespace(is_speech=lambda _: False),
        gate=SimpleNamespace(receive=lambda *_: [], floor_dbfs=-60.0, lull_began=False),
        onset=SimpleNamespace(receive=lambda *_: None),
        transcriber=SimpleNamespace(
            begin=lambda *_: None,
            accept=lambda samples: accepted.append(int(samples[0])),
            partial_due=False,
        ),
    )
    tasks: Any = None
    return Ear(parts, tasks, lambda _: None)


def _hear(ear: Ear, first: int, count: int) -> None:
    for number in range(first, first + count):
        ear.hear(Frame(number * _STEP, np.full(_STEP, number + 1, np.int16), 0.0))


@pytest.mark.parametrize(("since", "heard"), [(None, [0, 0, 0, 0]), (2, [0, 0, 3, 4])])
def test_what_was_said_while_muted_counts_only_where_it_is_wanted(
    since: int | None, heard: list[int]
) -> None:
    accepted: list[int] = []
    ear = _ear(accepted)
    ear.muted = True
    _hear(ear, 0, 4)
    if since is not None:
        ear.hear_from(since * _STEP)
    ear.muted = False
    _hear(ear, 4, 1)
    ear.open(1, 0)
    assert accepted == [*heard, 5]


def test_muted_sound_is_kept_for_a_second() -> None:
    accepted: list[int] = []
    ear = _ear(accepted)
    ear.muted = True
    _hear(ear, 0, 100)
    ear.hear_from(0)
    ear.open(1, 0)
    assert len(accepted) <= SAMPLE_RATE // _STEP + 1
    assert accepted[-1] == 100
