"""Frames to onsets, with WebRTC's detector."""

from __future__ import annotations

import numpy as np

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Int16
from voice.audio.onset_listener import OnsetListener

FLOOR = -65.0
NO_ECHO = -96.0


def _vowel(seconds: float) -> Int16:
    """A buzz of 120 Hz with the resonances of an "a", at about -21 dBFS."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros_like(times)
    for harmonic in range(1, 30):
        pitch = 120 * harmonic
        strength = sum(1 / (1 + ((pitch - peak) / 120) ** 2) for peak in (700, 1200, 2600))
        sound += strength * np.sin(2 * np.pi * pitch * times + harmonic)
    return np.asarray(sound * 4000 / np.abs(sound).std(), np.int16)


def _hear(sound: Int16) -> list[tuple[float, float]]:
    """Onsets and the times at which they were known; the clock begins at 100 s."""
    listener = OnsetListener()
    heard = []
    for start in range(0, len(sound) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        samples = sound[start : start + FRAME_SAMPLES]
        frame = Frame(start, samples, 100.0 + (start + FRAME_SAMPLES) / SAMPLE_RATE)
        began_at = listener.receive(frame, FLOOR, NO_ECHO)
        if began_at is not None:
            heard.append((began_at, frame.at))
    return heard


def test_a_vowel_is_heard_within_40_ms_of_its_beginning() -> None:
    room = np.random.default_rng(3).normal(0, 20, SAMPLE_RATE)
    for late in (0, 90, 170, 300):
        silence = room[: SAMPLE_RATE - late].astype(np.int16)
        [(began_at, known_at)] = _hear(np.concatenate([silence, _vowel(0.5)]))
        begins_at = 100.0 + len(silence) / SAMPLE_RATE
        assert abs(began_at - begins_at) <= 0.02
        assert known_at - begins_at <= 0.041


def test_the_noise_of_a_room_is_no_onset() -> None:
    noise = np.random.default_rng(4).normal(0, 20, 10 * SAMPLE_RATE)
    assert _hear(noise.astype(np.int16)) == []


def test_a_click_is_no_onset() -> None:
    sound = np.random.default_rng(5).normal(0, 20, SAMPLE_RATE)
    sound[8000:8040] += 12_000
    assert _hear(sound.astype(np.int16)) == []
