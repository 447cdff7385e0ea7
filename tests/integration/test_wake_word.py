from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from voice.apps.kiosk.wake import WakeListener, load_detector
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Int16
from voice.audio.wav import read_frames
from voice.speak.piper import PiperSynthesizer

SILENCE: Int16 = np.zeros(SAMPLE_RATE, np.int16)


@pytest.fixture(scope="module")
def piper(voice_path: Path) -> PiperSynthesizer:
    return PiperSynthesizer.load(voice_path / "en_US-joe-medium.onnx", SAMPLE_RATE)


def spoken(piper: PiperSynthesizer, text: str) -> Int16:
    return np.concatenate([SILENCE, *(sound.samples for sound in piper.synthesize(text)), SILENCE])


def frames(samples: Int16) -> list[Frame]:
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    starts = range(0, whole, FRAME_SAMPLES)
    return [Frame(start, samples[start : start + FRAME_SAMPLES], 0.0) for start in starts]


async def test_a_spoken_wake_word_is_told_once_soon_after_its_end(piper: PiperSynthesizer) -> None:
    samples = spoken(piper, "Okay Nabu.")
    told: list[tuple[str, float, int]] = []
    heard = asyncio.Event()

    def tell(word: str, score: float, end: int) -> None:
        told.append((word, score, end))
        heard.set()

    listener = WakeListener("okay_nabu", tell)
    for frame in frames(samples):
        listener.hear(frame)
    await asyncio.wait_for(heard.wait(), 5)
    listener.close()
    ((word, score, end),) = told
    assert word == "okay_nabu"
    assert 0.8 < score <= 1
    sounding = np.flatnonzero(np.abs(samples.astype(int)) > 500)
    assert -0.2 < (end - sounding[-1]) / SAMPLE_RATE < 0.4
    assert listener.lost == 0


def test_the_wake_word_before_a_question_is_heard(piper: PiperSynthesizer) -> None:
    detector = load_detector("okay_nabu")
    scores = detector.scores(spoken(piper, "Okay Nabu, what time is it?"))
    assert max(scores) >= detector.threshold


@pytest.mark.parametrize("text", ["What time is it in Nairobi?", "Okay, let us go."])
def test_other_speech_is_not_heard(piper: PiperSynthesizer, text: str) -> None:
    detector = load_detector("okay_nabu")
    assert max(detector.scores(spoken(piper, text))) < detector.threshold


def test_people_who_do_not_say_it_are_not_heard(speech: Path) -> None:
    detector = load_detector("okay_nabu")
    for name in ("jfk", "how_old_is_the_brooklyn_bridge", "background_noise"):
        samples = np.concatenate(list(read_frames(speech / f"{name}.flac")))
        assert max(detector.scores(samples)) < detector.threshold
