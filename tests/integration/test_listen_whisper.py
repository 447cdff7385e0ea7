"""The incremental transcriber with the real model: properties, not texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.support.programs import plain_words, speech_samples, word_errors
from voice.audio.frames import SAMPLE_RATE, Int16
from voice.errors import ModelError, UsageError
from voice.listen.incremental import IncrementalTranscriber
from voice.listen.options import ListenOptions
from voice.listen.transcriber import Hypothesis
from voice.listen.whisper import WhisperModel


@pytest.fixture(scope="module")
def transcriber(whisper_path: Path) -> IncrementalTranscriber:
    options = ListenOptions()
    return IncrementalTranscriber(WhisperModel(whisper_path, options), options)


def _listen(
    transcriber: IncrementalTranscriber, sound: Int16, step_seconds: float, start: int = 0
) -> list[Hypothesis]:
    transcriber.begin(start)
    hypotheses = []
    for block in np.split(sound, range(0, len(sound), round(step_seconds * SAMPLE_RATE))[1:]):
        transcriber.accept(block)
        hypotheses.append(transcriber.hypothesis())
    return hypotheses


def _assert_sound(hypotheses: Sequence[Hypothesis], start: int) -> None:
    committed: tuple[object, ...] = ()
    for hypothesis in hypotheses:
        assert hypothesis.committed[: len(committed)] == committed, "a commit was taken back"
        committed = hypothesis.committed
        latest = start
        for word in (*hypothesis.committed, *hypothesis.tail):
            assert latest <= word.start <= word.end <= hypothesis.end
            latest = word.end


@pytest.mark.parametrize("step_seconds", [0.25, 0.7])
def test_a_command_is_understood_whatever_the_steps(
    transcriber: IncrementalTranscriber, speech: Path, step_seconds: float
) -> None:
    sound = speech_samples(speech / "turn_on_the_living_room_lamp.flac")
    hypotheses = _listen(transcriber, sound, step_seconds, start=5000)
    _assert_sound(hypotheses, 5000)
    assert word_errors("turn on the living room lamp", hypotheses[-1].text) <= 1


def test_words_are_there_before_the_speech_is_over(
    transcriber: IncrementalTranscriber, speech: Path
) -> None:
    sound = speech_samples(speech / "what_time_is_it.flac")
    hypotheses = _listen(transcriber, sound, 0.25)
    first = next(h for h in hypotheses if "what" in plain_words(h.text))
    assert first.end < len(sound)


def test_words_lie_where_they_were_said(transcriber: IncrementalTranscriber, speech: Path) -> None:
    """The same words with 3 s of silence before them lie 3 s later."""
    sound = speech_samples(speech / "turn_on_the_living_room_lamp.flac")
    plain = _listen(transcriber, sound, 60.0)[-1]
    later = _listen(
        transcriber, np.concatenate([np.zeros(3 * SAMPLE_RATE, np.int16), sound]), 60.0
    )[-1]
    assert plain_words(plain.text) == plain_words(later.text)
    for word, moved in zip(plain.tail[:-1], later.tail[:-1], strict=True):
        assert moved.end - word.end == pytest.approx(3 * SAMPLE_RATE, abs=0.25 * SAMPLE_RATE)
        assert moved.end - moved.start < 0.8 * SAMPLE_RATE


def test_a_long_utterance_rolls_on_and_loses_nothing(
    transcriber: IncrementalTranscriber, speech: Path
) -> None:
    clips = ["what_time_is_it", "turn_on_the_living_room_lamp", "how_old_is_the_brooklyn_bridge"]
    sound = np.concatenate([speech_samples(speech / f"{clip}.flac") for clip in clips * 4])
    hypotheses = _listen(transcriber, sound, 0.8)
    _assert_sound(hypotheses, 0)
    words = plain_words(hypotheses[-1].text)
    assert len(sound) > 25 * SAMPLE_RATE
    for word, least in (("time", 3), ("room", 3), ("old", 3), ("is", 6)):
        assert least <= words.count(word) <= 9, (word, words)


def test_noise_and_silence_hold_no_words(transcriber: IncrementalTranscriber) -> None:
    noise = np.random.default_rng(3).normal(0, 300, 3 * SAMPLE_RATE).astype(np.int16)
    for sound in (np.zeros(2 * SAMPLE_RATE, np.int16), noise):
        assert _listen(transcriber, sound, 1.0)[-1].text == ""


def test_names_from_the_prompt_do_not_appear_in_silence(whisper_path: Path) -> None:
    options = ListenOptions(prompt="A talk with Piper.", hot_words="Kokoro, Qwen")
    transcriber = IncrementalTranscriber(WhisperModel(whisper_path, options), options)
    assert _listen(transcriber, np.zeros(2 * SAMPLE_RATE, np.int16), 1.0)[-1].text == ""


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        WhisperModel(tmp_path, ListenOptions())


def test_a_language_that_the_model_does_not_know_is_told(whisper_path: Path) -> None:
    with pytest.raises(UsageError, match="knows only English"):
        WhisperModel(whisper_path, ListenOptions(language="de"))
