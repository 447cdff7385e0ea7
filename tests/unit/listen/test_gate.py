"""The speech gate in media time, on made frames."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, level_dbfs
from voice.listen.gate import (
    Gate,
    GateEvent,
    GateOptions,
    SpeechConfirmed,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)

OPTIONS = GateOptions()
_NOISE = np.random.default_rng(1).standard_normal(FRAME_SAMPLES)


def _run(levels_db: list[float], speech: list[bool], gate: Gate | None = None) -> list[GateEvent]:
    gate = gate or Gate(OPTIONS)
    events: list[GateEvent] = []
    for number, (level, voiced) in enumerate(zip(levels_db, speech, strict=True)):
        samples = (_NOISE * 32768 * 10 ** (level / 20)).astype(np.int16)
        start = number * FRAME_SAMPLES
        end_at = (start + FRAME_SAMPLES) / SAMPLE_RATE
        events += gate.receive(Frame(start, samples, end_at), voiced)
    return events


def _pattern(*stretches: tuple[str, int]) -> tuple[list[float], list[bool]]:
    levels: list[float] = []
    speech: list[bool] = []
    for kind, frames in stretches:
        levels += [-25.0 if kind == "speech" else -70.0] * frames
        speech += [kind == "speech"] * frames
    return levels, speech


def test_speech_starts_at_its_first_voiced_frame_with_a_preroll() -> None:
    events = _run(*_pattern(("quiet", 50), ("speech", 20)))
    started, confirmed = events
    assert isinstance(started, SpeechStarted)
    assert isinstance(confirmed, SpeechConfirmed)
    assert confirmed.at == pytest.approx(1.0 + OPTIONS.confirm_seconds, abs=0.02)
    assert started.sample == 50 * FRAME_SAMPLES
    assert abs(started.at - 1.0) < 1e-9
    assert started.audio_start == started.sample - round(OPTIONS.preroll_seconds * SAMPLE_RATE)


def test_a_click_opens_nothing() -> None:
    assert _run(*_pattern(("quiet", 50), ("speech", 2), ("quiet", 50))) == []


def test_a_pause_is_reported_with_its_last_speech_and_speech_resumes() -> None:
    events = _run(*_pattern(("quiet", 10), ("speech", 20), ("quiet", 15), ("speech", 10)))
    assert [type(event) for event in events] == [
        SpeechStarted,
        SpeechConfirmed,
        SpeechPaused,
        SpeechResumed,
    ]
    assert events[2].sample == 30 * FRAME_SAMPLES
    assert events[3].sample == 45 * FRAME_SAMPLES


def test_a_steady_hum_that_the_detector_takes_for_speech_becomes_background() -> None:
    gate = Gate(OPTIONS)
    _run([-40.0] * 1500, [False] * 1500, gate)
    assert abs(gate.floor_dbfs + 40.0) < 3
    assert _run([-38.0] * 100, [True] * 100, gate) == []


def test_speech_after_digital_silence_is_heard() -> None:
    events = _run([-96.0] * 50 + [-25.0] * 10, [False] * 50 + [True] * 10)
    assert [type(event) for event in events] == [SpeechStarted]


def test_what_is_too_quiet_is_not_speech() -> None:
    assert _run([-60.0] * 100, [True] * 100) == []


def test_after_closing_the_next_speech_starts_anew() -> None:
    gate = Gate(OPTIONS)
    _run(*_pattern(("quiet", 10), ("speech", 20)), gate)
    gate.close()
    events = _run(*_pattern(("speech", 10)), gate)
    assert [type(event) for event in events] == [SpeechStarted]


def test_level_of_full_scale_and_of_nothing() -> None:
    assert abs(level_dbfs(np.full(FRAME_SAMPLES, 32767, np.int16))) < 0.01
    assert level_dbfs(np.zeros(FRAME_SAMPLES, np.int16)) == -96.0


@given(st.lists(st.booleans(), max_size=300))
def test_events_alternate_and_positions_never_go_back(speech: list[bool]) -> None:
    levels = [-25.0 if voiced else -70.0 for voiced in speech]
    events = [event for event in _run(levels, speech) if not isinstance(event, SpeechConfirmed)]
    follows = {
        SpeechStarted: SpeechPaused,
        SpeechPaused: SpeechResumed,
        SpeechResumed: SpeechPaused,
    }
    for before, after in itertools.pairwise(events):
        assert type(after) is follows[type(before)]
        assert after.sample >= before.sample
