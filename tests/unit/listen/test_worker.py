"""How often partials come, and that nothing is lost while the model works."""

from __future__ import annotations

import numpy as np

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.errors import ModelError
from voice.listen.options import ListenOptions
from voice.listen.transcriber import Hypothesis
from voice.listen.worker import Transcribed, TranscriptionFailed, TranscriptionWorker


class _Slow:
    """A transcriber whose pass takes `pass_seconds` of the test's clock."""

    def __init__(self, pass_seconds: float = 0.0, fails: bool = False) -> None:
        self.now = 0.0
        self._pass_seconds = pass_seconds
        self._fails = fails
        self._end = 0

    def begin(self, start: int) -> None:
        self._end = start

    def accept(self, samples: Int16) -> None:
        self._end += len(samples)

    def hypothesis(self) -> Hypothesis:
        self.now += self._pass_seconds
        if self._fails:
            raise ModelError("broken", "mend it")
        return Hypothesis((), (), self._end)


def _sound(seconds: float) -> Int16:
    return np.zeros(round(seconds * SAMPLE_RATE), np.int16)


async def test_a_hypothesis_covers_all_that_was_accepted_before_it_was_asked_for() -> None:
    slow = _Slow()
    worker = TranscriptionWorker(slow, ListenOptions(), lambda: slow.now)
    worker.begin(7, 1000)
    for _ in range(50):
        worker.accept(_sound(0.02))
    outcome = await worker.transcribe()
    assert outcome == Transcribed(7, Hypothesis((), (), 1000 + SAMPLE_RATE))
    await worker.close()


async def test_partials_come_as_often_as_wanted_where_passes_are_quick() -> None:
    slow = _Slow()
    worker = TranscriptionWorker(slow, ListenOptions(partial_seconds=0.2), lambda: slow.now)
    worker.begin(1, 0)
    worker.accept(_sound(0.18))
    assert not worker.partial_due
    worker.accept(_sound(0.02))
    assert worker.partial_due
    await worker.transcribe()
    assert not worker.partial_due, "there is no new sound"
    await worker.close()


async def test_partials_take_no_more_than_their_share_of_the_time() -> None:
    slow = _Slow(pass_seconds=0.3)
    options = ListenOptions(partial_seconds=0.2, partial_load=0.5)
    worker = TranscriptionWorker(slow, options, lambda: slow.now)
    worker.begin(1, 0)
    worker.accept(_sound(0.2))
    assert worker.partial_due
    await worker.transcribe()
    worker.accept(_sound(0.58))
    assert not worker.partial_due
    worker.accept(_sound(0.02))
    assert worker.partial_due
    await worker.close()


async def test_a_failure_is_told_and_ends_nothing() -> None:
    slow = _Slow(fails=True)
    worker = TranscriptionWorker(slow, ListenOptions(), lambda: slow.now)
    worker.begin(3, 0)
    for _ in range(2):
        outcome = await worker.transcribe()
        assert isinstance(outcome, TranscriptionFailed)
        assert outcome.utterance == 3
    await worker.close()
