from __future__ import annotations

import numpy as np
import pytest

from voice.audio.frames import Int16
from voice.errors import ModelError
from voice.listen.judge import EndOfTurnWorker
from voice.listen.smart_turn import WINDOW_SAMPLES


class _Remembering:
    def __init__(self) -> None:
        self.heard: list[Int16] = []

    def probability(self, samples: Int16) -> float:
        self.heard.append(samples)
        if not len(samples):
            raise ModelError("nothing to hear", "speak")
        return 0.5


async def test_it_judges_the_newest_sound_of_the_utterance() -> None:
    model = _Remembering()
    judge = EndOfTurnWorker(model)
    judge.accept(np.full(320, -1, np.int16))
    judge.begin()
    chunks = [np.full(320, number, np.int16) for number in range(1000)]
    for chunk in chunks:
        judge.accept(chunk)
    assert await judge.probability() == 0.5
    judge.close()
    heard = model.heard[0]
    assert WINDOW_SAMPLES <= len(heard) < WINDOW_SAMPLES + 320
    np.testing.assert_array_equal(heard, np.concatenate(chunks)[-len(heard) :])


async def test_a_failure_reaches_whoever_asked() -> None:
    judge = EndOfTurnWorker(_Remembering())
    with pytest.raises(ModelError):
        await judge.probability()
    judge.close()
