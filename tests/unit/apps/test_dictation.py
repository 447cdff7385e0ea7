"""Words of sound, without a conversation; the transcriber is a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from voice.apps import dictation
from voice.apps.dictation import Transcript, transcribe
from voice.audio.frames import SAMPLE_RATE, Int16
from voice.listen.fake import FakeTranscriber, LoudnessVad


@pytest.fixture(autouse=True)
def vad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dictation, "choose_vad", lambda _: LoudnessVad())


def talk(*stretches: tuple[float, float], seconds: float) -> Int16:
    sound = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    for start, end in stretches:
        sound[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = 8000
    return sound


async def heard(sound: Any, *texts: str, pace: float = 0.0) -> list[Transcript]:
    fake = FakeTranscriber(texts, pace)
    return [one async for one in transcribe(sound, transcriber=fake)]


async def test_a_pause_ends_an_utterance() -> None:
    sound = talk((1, 2), (4, 5), seconds=7)
    finals = [one for one in await heard([sound], "one", "two") if one.final]
    assert [one.text for one in finals] == ["one", "two"]
    assert [round(one.end_seconds, 1) for one in finals] == [2.0, 5.0]
    assert 0.4 < finals[0].start_seconds < 1.0, "with the sound just before it"


async def test_words_come_while_they_are_spoken() -> None:
    found = await heard([talk((1, 3), seconds=5)], "one two three four", pace=0.5)
    partials = [one.text for one in found if not one.final]
    assert "one" in partials
    assert found[-1] == Transcript("one two three four", True, *_times(found[-1]))


def _times(one: Transcript) -> tuple[float, float]:
    return one.start_seconds, one.end_seconds


async def test_the_end_of_the_sound_ends_an_utterance() -> None:
    found = await heard([talk((1, 2), seconds=2)], "one")
    assert found[-1].final


async def test_blocks_may_have_any_length_and_come_when_they_like() -> None:
    async def blocks() -> AsyncIterator[Int16]:
        sound = talk((1, 2), seconds=4)
        for start in range(0, len(sound), 777):
            yield sound[start : start + 777]

    assert [one.text for one in await heard(blocks(), "one") if one.final] == ["one"]


async def test_silence_says_nothing() -> None:
    assert await heard([talk(seconds=2)], "one") == []
