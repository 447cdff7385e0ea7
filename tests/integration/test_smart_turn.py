"""The real end-of-turn model on real recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.listen.smart_turn import SmartTurn
from voice.models.resolve import weights

SPEECH = Path(__file__).parents[1] / "data" / "speech"
PAUSE_SAMPLES = round(0.16 * SAMPLE_RATE)


@pytest.fixture(scope="module")
def model() -> SmartTurn:
    return SmartTurn.load(weights("smart-turn-v3", ".onnx"))


def _until(clip: str, seconds: float) -> Int16:
    samples, rate = soundfile.read(SPEECH / clip, dtype="int16")
    assert rate == SAMPLE_RATE
    heard: Int16 = samples[: round(seconds * SAMPLE_RATE) + PAUSE_SAMPLES]
    return heard


def test_a_finished_command_is_likelier_to_be_over_than_its_first_half(model: SmartTurn) -> None:
    """ "Get me an | iced mocha with cream and sugar": the pause begins at 1.36 s."""
    clip = "iced_mocha_with_a_pause.flac"
    whole, _ = soundfile.read(SPEECH / clip, dtype="int16")
    loud = np.flatnonzero(np.abs(whole.astype(int)) > 1000)[-1] / SAMPLE_RATE
    assert model.probability(_until(clip, loud)) > model.probability(_until(clip, 1.36))


def test_any_length_gives_a_probability(model: SmartTurn) -> None:
    for seconds in (0.0, 0.1, 3.0, 12.0):
        samples = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
        assert 0.0 <= model.probability(samples) <= 1.0
