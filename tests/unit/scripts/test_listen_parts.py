"""A memory that must not change what is understood, and options by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.benchmarks.listen_parts import Remembering, merged, options_with
from voice.audio.frames import Int16
from voice.listen.transcriber import Hypothesis, Word


class _Stateful:
    """Its words tell everything that it was given and asked since the utterance began."""

    def __init__(self) -> None:
        self.asked = 0
        self._log = ""

    def begin(self, start: int) -> None:
        self._log = f"{start}:"

    def accept(self, samples: Int16) -> None:
        self._log += f"{samples[0]},"

    def hypothesis(self) -> Hypothesis:
        self.asked += 1
        self._log += "?"
        return Hypothesis((), (Word(self._log, 0, 1),), 1)


UTTERANCES = st.lists(st.lists(st.sampled_from(["a", "b", "?"]), max_size=6), max_size=6)


def _talk(transcriber: _Stateful | Remembering, utterances: list[list[str]]) -> list[str]:
    texts = []
    for steps in utterances:
        transcriber.begin(7)
        for step in steps:
            if step == "?":
                texts.append(transcriber.hypothesis().text)
            else:
                transcriber.accept(np.full(3, ord(step), np.int16))
    return texts


@given(UTTERANCES)
def test_memory_answers_as_the_transcriber_would(utterances: list[list[str]]) -> None:
    assert _talk(Remembering(_Stateful()), utterances) == _talk(_Stateful(), utterances)


def test_the_same_sound_is_transcribed_once() -> None:
    inner = _Stateful()
    _talk(Remembering(inner), [["a", "?", "b", "?"]] * 3)
    assert inner.asked == 2


def test_options_are_changed_by_name() -> None:
    options = options_with({"listen": {"model": "base"}, "gate": {"aggressiveness": 3}})
    assert (options.listen.model, options.gate.aggressiveness) == ("base", 3)
    with pytest.raises(KeyError, match=r"listen\.tone"):
        options_with({"listen": {"tone": 1}})
    with pytest.raises(KeyError, match="smell"):
        options_with({"smell": {}})


def test_later_overrides_win() -> None:
    assert merged({"listen": {"model": "a", "threads": 1}}, {"listen": {"model": "b"}}) == {
        "listen": {"model": "b", "threads": 1}
    }
