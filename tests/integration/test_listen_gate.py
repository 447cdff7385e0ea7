"""The gate with real detectors on recordings and on made noise, alone and under speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame
from voice.listen.gate import (
    Gate,
    GateEvent,
    GateOptions,
    SpeechConfirmed,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from voice.listen.vad import choose_vad

Sound = NDArray[np.float64]

COMMANDS = {
    "what_time_is_it": (0.9, 1.7),
    "turn_on_the_living_room_lamp": (0.5, 1.6),
    "set_a_timer_for_30_seconds": (0.9, 2.2),
}
"""Recordings, and between which seconds somebody speaks."""


def _events(sound: Sound, options: GateOptions | None = None) -> list[GateEvent]:
    """What the gate says; an utterance ends 0.6 s after its last speech."""
    options = options or GateOptions()
    gate, vad = Gate(options), choose_vad(options)
    samples = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    events: list[GateEvent] = []
    paused_at: float | None = None
    for start in range(0, len(samples) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        part = samples[start : start + FRAME_SAMPLES]
        frame = Frame(start, part, (start + FRAME_SAMPLES) / SAMPLE_RATE)
        for event in gate.receive(frame, vad.is_speech(part)):
            events.append(event)
            if not isinstance(event, SpeechConfirmed):
                paused_at = event.at if isinstance(event, SpeechPaused) else None
        if paused_at is not None and frame.at > paused_at + 0.6:
            gate.close()
            paused_at = None
    return events


def _room(seconds: float, dbfs: float = -60.0) -> Sound:
    noise = np.random.default_rng(7).standard_normal(round(seconds * SAMPLE_RATE))
    return np.asarray(noise * 10 ** (dbfs / 20))


def _hum() -> Sound:
    """Mains hum with its harmonics, from the third second on."""
    sound = _room(12)
    times = np.arange(len(sound)) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * 50 * k * times + k) / k for k in range(1, 12))
    return np.asarray(sound + 0.03 * wave * (times > 3))


def _fan() -> Sound:
    """Low-passed noise with the beat of the blades, which starts within a second."""
    sound = _room(12)
    times = np.arange(len(sound)) / SAMPLE_RATE
    air = np.convolve(_room(12, -20), np.ones(16) / 16, "same")
    return np.asarray(sound + air * (1 + 0.3 * np.sin(2 * np.pi * 23 * times)) * (times > 3))


def _typing() -> Sound:
    sound, random = _room(12), np.random.default_rng(3)
    click = np.exp(-np.arange(480) / 96)
    position = 2 * SAMPLE_RATE
    while position < len(sound) - 3000:
        strength = random.uniform(0.1, 0.3)
        for offset, part in ((0, 1.0), (960, 0.4)):  # the key goes down and comes up
            start = position + offset
            sound[start : start + 480] += part * strength * click * random.standard_normal(480)
        position += round(SAMPLE_RATE * random.choice([0.09, 0.12, 0.2, 0.35]))
    return sound


def _speech(speech: Path, name: str) -> Sound:
    sound, rate = soundfile.read(speech / f"{name}.flac")
    assert rate == SAMPLE_RATE
    return np.asarray(sound)


@pytest.mark.parametrize("noise", [_hum, _fan, _typing])
def test_noise_opens_nothing(noise: object) -> None:
    assert callable(noise)
    assert _events(noise()) == []


def test_recorded_noise_interrupts_nobody(speech: Path) -> None:
    events = _events(_speech(speech, "background_noise"))
    assert not any(isinstance(event, SpeechConfirmed) for event in events)


@pytest.mark.parametrize("lead_seconds", [0.5, 30.0])
@pytest.mark.parametrize("name", COMMANDS)
def test_speech_is_heard_from_its_beginning_to_its_end(
    speech: Path, name: str, lead_seconds: float
) -> None:
    """However long nobody spoke before."""
    first, last = (lead_seconds + seconds for seconds in COMMANDS[name])
    sound = np.concatenate((_room(lead_seconds), _speech(speech, name), _room(1.5)))
    events = _events(sound)
    assert isinstance(events[0], SpeechStarted)
    assert events[0].audio_start / SAMPLE_RATE < first
    assert isinstance(events[-1], SpeechPaused)
    assert last - 0.2 < events[-1].at < last + 0.2


def test_a_single_short_word_is_heard(speech: Path) -> None:
    sound = np.concatenate((_room(1), _speech(speech, "stop"), _room(1)))
    assert [type(event) for event in _events(sound)][:1] == [SpeechStarted]


@pytest.mark.parametrize("name", COMMANDS)
def test_speech_and_its_end_are_found_in_noise(speech: Path, name: str) -> None:
    """White noise 10 dB below the speech."""
    clean = np.concatenate((_room(2), _speech(speech, name), _room(1.5)))
    spoken = clean[2 * SAMPLE_RATE : -int(1.5 * SAMPLE_RATE)]
    level_db = 20 * np.log10(np.sqrt(np.mean(spoken**2))) - 10
    quiet, loud = _events(clean), _events(clean + _room(len(clean) / SAMPLE_RATE, level_db))
    assert isinstance(loud[0], SpeechStarted)
    assert isinstance(loud[-1], SpeechPaused)
    assert abs(loud[-1].at - quiet[-1].at) < 0.25


def test_an_inner_pause_is_a_pause_of_one_utterance(speech: Path) -> None:
    events = _events(_speech(speech, "iced_mocha_with_a_pause"), GateOptions())
    assert sum(isinstance(event, SpeechStarted) for event in events) <= 2
    assert any(isinstance(event, SpeechPaused) for event in events)
    resumed = [event for event in events if isinstance(event, SpeechResumed | SpeechStarted)]
    assert len(resumed) >= 2
