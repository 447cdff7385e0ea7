"""What is made of recordings and trace, where both are written here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.duplex_records import (
    Record,
    of_echo,
    of_interruption,
    of_question,
    of_sound,
)
from scripts.benchmarks.duplex_talk import Answer, Attempt, Event, Talk, TraceTail
from voice.audio.frames import SAMPLE_RATE, Int16

_BEGAN = 100.0
_SENT = 104.0
_ONSET = 104.3
"""When the user's speech reaches the microphone."""

_ANSWER = Answer(turn=1, began=101.0)


def _noise(seconds: float) -> Int16:
    random = np.random.default_rng(1)
    return (3000 * random.standard_normal(round(seconds * SAMPLE_RATE))).astype(np.int16)


_SAID = Said("a", True, _noise(0.5), 0.1, 0.4)


def _recording(*sounds: tuple[float, Int16], until: float = 112.0) -> Any:
    """A recording since `_BEGAN` with these sounds at these times."""
    whole = np.zeros(round((until - _BEGAN) * SAMPLE_RATE), np.int16)
    for at, sound in sounds:
        first = round((at - _BEGAN) * SAMPLE_RATE)
        whole[first : first + len(sound)] = sound
    blocks = [
        (_BEGAN + (start + 160) / SAMPLE_RATE, whole[start : start + 160])
        for start in range(0, len(whole), 160)
    ]
    return SimpleNamespace(_blocks=blocks)


def _talk(speaker: Any, *events: Event) -> Talk:
    trace = TraceTail(Path("none"))
    trace.events = [{"turn": 1, **event} for event in events]
    microphone = _recording((_ONSET - _SAID.begins, _SAID.samples))
    rig = SimpleNamespace(microphone=microphone, speaker=speaker)
    return cast(Talk, SimpleNamespace(trace=trace, rig=rig))


def _tone(seconds: float, gain: float = 1.0) -> Int16:
    phase = 2 * np.pi * 200 / SAMPLE_RATE * np.arange(round(seconds * SAMPLE_RATE))
    return (8000 * gain * np.sin(phase)).astype(np.int16)


def _completed(at: float, *, interrupted: bool = True) -> Event:
    return {
        "event": "turn.completed",
        "at": at,
        "interrupted": interrupted,
        "assistant_text": "a b",
        "heard_text": "a",
    }


_WATCH: Any = SimpleNamespace(stalled=lambda *_: False)


def _attempt(until: float = 107.0) -> Attempt:
    return Attempt(_SAID, _ANSWER, _SENT, until)


def _interruption(until: float, *events: Event) -> Record:
    speaker = _recording((_ANSWER.began, _tone(3.38)), (104.38, _tone(0.2, 0.1)))
    return of_interruption("interruption", _talk(speaker, *events), _attempt(until), _WATCH)


def test_an_interruption_is_timed_from_the_speech_at_the_microphone() -> None:
    held = {"event": "speech.held", "at": 104.55, "reason": "speech"}
    record = _interruption(107.0, held, _completed(105.0))
    assert record["missed"] is False
    assert record["duck_ms"] == pytest.approx(80, abs=11)
    assert record["stop_ms"] == pytest.approx(280, abs=21)
    assert record["why"] == ["held speech 250"]
    assert record["seconds_into_answer"] == pytest.approx(3.3, abs=0.01)
    assert len(record["played"]) / SAMPLE_RATE == pytest.approx(3.83, abs=0.03)


def test_an_answer_that_is_only_interrupted_later_was_missed() -> None:
    assert _interruption(107.0, _completed(110.0))["missed"] is True
    assert _interruption(107.0)["missed"] is True


def test_an_answer_that_ends_by_itself_does_not_count() -> None:
    assert "void" in _interruption(107.0, _completed(104.6, interrupted=False))


@pytest.mark.parametrize(("gain", "resumed"), [(1.0, True), (0.1, False), (0.0, False)])
def test_after_a_sound_the_answer_has_to_be_loud_again(gain: float, resumed: bool) -> None:
    speaker = _recording((_ANSWER.began, _tone(3.38)), (105.0, _tone(5.0, gain)))
    record = of_sound(_talk(speaker), _attempt(), _WATCH)
    assert record["resumed"] is resumed
    assert record["disturbed"] is False
    assert record["again_after_speech_ms"] == (pytest.approx(400, abs=11) if resumed else None)


def test_a_sound_that_interrupts_is_no_resumption() -> None:
    speaker = _recording((_ANSWER.began, _tone(8.0)))
    record = of_sound(_talk(speaker, _completed(106.9)), _attempt(), _WATCH)
    assert record["resumed"] is False


def test_voice_to_voice_is_from_the_last_of_speech_to_the_first_audible_block() -> None:
    answer = Answer(turn=1, began=105.0)
    talk = _talk(_recording((105.1, _tone(1.0))))
    record = of_question(talk, _SAID, answer, _SENT, _WATCH)
    assert record["voice_to_voice"] == pytest.approx(0.5, abs=0.021)
    early = _talk(_recording((104.4, _tone(2.0))))
    assert "void" in of_question(early, _SAID, answer, _SENT, _WATCH)


def test_only_what_happens_while_the_agent_speaks_is_its_own_echo() -> None:
    events = [
        {"event": "speech.ducked", "at": 102.0, "reason": "onset"},
        {"event": "bargein", "at": 120.0, "reason": "words"},
    ]
    notes = [
        {"at": 101.0, "erle_db": None, "half_duplex": False},
        {"at": 105.0, "erle_db": 30.0, "half_duplex": True},
        {"at": 130.0, "erle_db": 0.0, "half_duplex": True},
    ]
    talk = _talk(_recording(), *events)
    record = of_echo(talk, (0.3, 60), [(101.0, 107.0)], notes, _WATCH)
    assert (record["interrupted"], record["ducked"]) == (0, 1)
    assert (record["minutes"], record["erle_db"], record["half_duplex_share"]) == (0.1, 30.0, 0.5)
