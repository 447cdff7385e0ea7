"""The schedule on which a transcriber is asked when it is measured alone."""

from __future__ import annotations

import numpy as np

from scripts.benchmarks.listen_decoding import transcribe_incrementally
from voice.audio.frames import SAMPLE_RATE, Int16
from voice.listen.options import ListenOptions
from voice.listen.transcriber import Hypothesis


class _Counting:
    """Its hypotheses end where the sound does."""

    def __init__(self) -> None:
        self._end = 0

    def begin(self, start: int) -> None:
        self._end = start

    def accept(self, samples: Int16) -> None:
        self._end += len(samples)

    def hypothesis(self) -> Hypothesis:
        return Hypothesis((), (), self._end)


def test_hypotheses_come_with_new_sound_and_the_last_has_all() -> None:
    sound = np.zeros(round(2.1 * SAMPLE_RATE), np.int16)
    options = ListenOptions(partial_seconds=0.5, partial_load=1.0)
    heard = transcribe_incrementally(_Counting(), sound, options)
    assert [one.end / SAMPLE_RATE for one in heard.hypotheses] == [0.5, 1.0, 1.5, 2.0, 2.1]
    assert len(heard.pass_seconds) == 5
