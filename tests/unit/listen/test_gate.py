"""The speech gate in media time, on made frames."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
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
PREROLL_SAMPLES = round(OPTIONS.preroll_seconds * SAMPLE_RATE)
_NOISE = np.random.default_rng(1).standard_normal(FRAME_SAMPLES)


def _run(
    levels_db: list[float], speech: list[bool], gate: Gate | None = None, first_frame: int = 0
) -> list[GateEvent]:
    gate = gate or Gate(OPTIONS)
    events: list[GateEvent] = []
    for number, (level, voiced) in enumerate(zip(levels_db, speech, strict=True), first_frame):
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
    assert started.audio_start == started.sample - PREROLL_SAMPLES


def test_a_click_opens_nothing() -> None:
    assert _run(*_pattern(("quiet", 50), ("speech", 2), ("quiet", 50))) == []


def test_a_pause_is_reported_with_its_last_speech_and_speech_resumes() -> None:
    events = _run(*_pattern(("quiet", 10), ("speech", 20), ("quiet", 15), ("speech", 8)))
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


def test_every_stretch_of_speech_is_confirmed() -> None:
    events = _run(*_pattern(("quiet", 10), ("speech", 20), ("quiet", 15), ("speech", 20)))
    assert [type(event) for event in events] == [
        SpeechStarted,
        SpeechConfirmed,
        SpeechPaused,
        SpeechResumed,
        SpeechConfirmed,
    ]
    assert events[4].at == pytest.approx(events[3].at + OPTIONS.confirm_seconds, abs=0.02)


def test_speech_after_digital_silence_is_heard() -> None:
    events = _run([-96.0] * 50 + [-25.0] * 8, [False] * 50 + [True] * 8)
    assert [type(event) for event in events] == [SpeechStarted]


def test_what_is_too_quiet_is_not_speech() -> None:
    level = OPTIONS.quietest_dbfs - 2
    assert _run([-96.0] * 50 + [level] * 100, [False] * 50 + [True] * 100) == []


def test_sound_at_the_noise_floor_opens_nothing_but_may_go_on() -> None:
    """The last syllable is often as quiet as the noise; a first one that is nobody would hear."""
    level = -50.0 + (OPTIONS.floor_margin_db + OPTIONS.hold_margin_db) / 2
    quiet = [-50.0] * 400
    assert _run([*quiet, *[level] * 30], [False] * 400 + [True] * 30) == []
    events = _run([*quiet, *[-25.0] * 20, *[level] * 10, *quiet], [False] * 400 + [True] * 430)
    paused = next(event for event in events if isinstance(event, SpeechPaused))
    assert paused.sample == 430 * FRAME_SAMPLES


def test_a_pause_is_found_in_noise_that_the_detector_takes_for_speech() -> None:
    """A fan at 10 dB below the speech, under a detector that is always fooled."""
    options = GateOptions(hold_margin_db=6.0)
    words = [-20.0] * 100
    events = _run([-30.0] * 1000 + words + [-30.0] * 50, [True] * 1150, Gate(options))
    last = events[-1]
    assert isinstance(last, SpeechPaused)
    assert last.sample == 1100 * FRAME_SAMPLES


def test_a_pause_is_reported_as_soon_as_it_is_long_enough() -> None:
    gate = Gate(OPTIONS)
    _run(*_pattern(("quiet", 10), ("speech", 20)), gate)
    frames = round(OPTIONS.pause_seconds * SAMPLE_RATE / FRAME_SAMPLES)
    assert _run(*_pattern(("quiet", frames - 1)), gate, first_frame=30) == []
    (paused,) = _run(*_pattern(("quiet", 1)), gate, first_frame=29 + frames)
    assert isinstance(paused, SpeechPaused)
    assert paused.at == pytest.approx(30 * FRAME_SAMPLES / SAMPLE_RATE)


def test_a_lull_begins_once_in_each_silence_and_before_the_pause() -> None:
    gate = Gate(OPTIONS)
    lulls = []
    kinds = ["speech"] * 20 + ["quiet"] * 20 + ["speech"] * 20
    for number, kind in enumerate(kinds):
        _run(*_pattern((kind, 1)), gate=gate, first_frame=number)
        if gate.lull_began:
            lulls.append(number)
    lull_frames = round(OPTIONS.lull_seconds * SAMPLE_RATE / FRAME_SAMPLES)
    assert lulls == [20 + lull_frames - 1]


def test_clicks_on_both_sides_of_a_pause_are_no_long_speech() -> None:
    """Keys: each opens or resumes, none lasts, so the agent is not interrupted."""
    clicks = [("speech", 6), ("quiet", 12)] * 6
    events = _run(*_pattern(("quiet", 20), *clicks))
    assert SpeechResumed in {type(event) for event in events}
    assert SpeechConfirmed not in {type(event) for event in events}


def test_the_preroll_does_not_reach_into_the_utterance_before() -> None:
    gate = Gate(OPTIONS)
    _run(*_pattern(("quiet", 10), ("speech", 20), ("quiet", 15)), gate)
    gate.close()
    started = _run(*_pattern(("speech", 10)), gate, first_frame=45)[0]
    assert isinstance(started, SpeechStarted)
    assert started.audio_start == 30 * FRAME_SAMPLES > 45 * FRAME_SAMPLES - PREROLL_SAMPLES


def test_a_single_voiced_frame_does_not_end_a_pause() -> None:
    pattern = _pattern(("quiet", 10), ("speech", 20), ("quiet", 15), ("speech", 1), ("quiet", 20))
    events = _run(*pattern)
    assert isinstance(events[-1], SpeechPaused)
    assert SpeechResumed not in {type(event) for event in events}


def test_after_closing_the_next_speech_starts_anew() -> None:
    gate = Gate(OPTIONS)
    _run(*_pattern(("quiet", 10), ("speech", 20)), gate)
    gate.close()
    events = _run(*_pattern(("speech", 8)), gate)
    assert [type(event) for event in events] == [SpeechStarted]


def test_level_of_full_scale_and_of_nothing() -> None:
    assert abs(level_dbfs(np.full(FRAME_SAMPLES, 32767, np.int16))) < 0.01
    assert level_dbfs(np.zeros(FRAME_SAMPLES, np.int16)) == -96.0


_STRETCH = st.tuples(
    st.booleans(), st.floats(-90, -5), st.integers(1, 40), st.sampled_from([False] * 4 + [True])
)
"""The detector's verdict, a level, a number of frames, and whether the utterance then ends."""


@example([(False, -5.0, 48, False), (True, -5.0, 15, False), (False, -5.0, 6, False)])
@given(st.lists(_STRETCH, max_size=20))
def test_events_come_in_order(stretches: list[tuple[bool, float, int, bool]]) -> None:
    gate = Gate(OPTIONS)
    utterances: list[list[GateEvent]] = [[]]
    frame = 0
    for speech, level, frames, closes in stretches:
        utterances[-1] += _run([level] * frames, [speech] * frames, gate, frame)
        frame += frames
        if closes:
            gate.close()
            utterances.append([])
    heard_until = 0
    for events in filter(None, utterances):
        _check_utterance(events)
        started = events[0]
        assert isinstance(started, SpeechStarted)
        assert heard_until <= started.audio_start <= started.sample
        assert started.sample - started.audio_start <= PREROLL_SAMPLES
        pauses = [event.sample for event in events if isinstance(event, SpeechPaused)]
        heard_until = pauses[-1] if pauses else started.sample


def _check_utterance(events: list[GateEvent]) -> None:
    """Started first; confirmed while speaking, once at most; pauses end before they begin anew."""
    speaking = confirmed = False
    for number, event in enumerate(events):
        assert isinstance(event, SpeechStarted) == (number == 0)
        match event:
            case SpeechStarted() | SpeechResumed():
                assert not speaking
                speaking, confirmed = True, False
            case SpeechPaused():
                assert speaking
                speaking = False
            case SpeechConfirmed():
                assert speaking
                assert not confirmed
                confirmed = True
    for before, after in itertools.pairwise(events):
        assert before.sample <= after.sample
        assert before.at <= after.at + 1e-9  # the same sample's time, rounded on two ways
