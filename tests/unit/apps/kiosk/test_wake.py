from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from voice.apps.kiosk.wake import (
    MOST_WAITING_FRAMES,
    REFRACTORY_SECONDS,
    WORDS,
    Detector,
    Utterances,
    WakeListener,
    load_detector,
)
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Int16
from voice.errors import UsageError

REFRACTORY_SAMPLES = round(REFRACTORY_SECONDS * SAMPLE_RATE)


class FakeDetector:
    """Scores a frame by its first sample, in hundredths; waits while the gate is shut."""

    threshold = 0.5

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.threads: set[int] = set()
        self.scored: list[float] = []

    def scores(self, samples: Int16) -> Iterable[float]:
        self.began.set()
        self.gate.wait()
        self.threads.add(threading.get_ident())
        self.scored.append(float(samples[0]) / 100)
        return self.scored[-1:]


class Told:
    """Keeps what is heard, and the threads on which it was told."""

    def __init__(self) -> None:
        self.words: list[tuple[str, float, int]] = []
        self.threads: set[int] = set()
        self.next = asyncio.Event()

    def __call__(self, word: str, score: float, end: int) -> None:
        self.words.append((word, score, end))
        self.threads.add(threading.get_ident())
        self.next.set()


def frame(number: int, score: float) -> Frame:
    samples = np.full(FRAME_SAMPLES, round(score * 100), np.int16)
    return Frame(number * FRAME_SAMPLES, samples, 0.0)


@asynccontextmanager
async def listening(
    detector: Detector, told: Callable[[str, float, int], None]
) -> AsyncIterator[WakeListener]:
    listener = WakeListener("okay_nabu", told, lambda _: detector)
    try:
        yield listener
    finally:
        listener.close()


async def test_the_word_is_told_on_the_event_loop_with_score_and_position() -> None:
    detector, told = FakeDetector(), Told()
    async with listening(detector, told) as listener:
        listener.hear(frame(0, 0.2))
        listener.hear(frame(1, 0.8))
        await told.next.wait()
    assert told.words == [("okay_nabu", 0.8, 2 * FRAME_SAMPLES)]
    assert told.threads == {threading.get_ident()}
    assert threading.get_ident() not in detector.threads


async def test_who_is_behind_drops_frames_and_counts_them_and_nobody_waits() -> None:
    detector, told = FakeDetector(), Told()
    detector.gate.clear()
    async with listening(detector, told) as listener:
        listener.hear(frame(0, 0.0))
        await asyncio.to_thread(detector.began.wait)
        for number in range(1, MOST_WAITING_FRAMES):
            listener.hear(frame(number, 0.0))
        listener.hear(frame(MOST_WAITING_FRAMES, 0.9))
        assert listener.lost == 0
        for number in range(3):
            listener.hear(frame(1000 + number, 0.3))
        assert listener.lost == 3
        detector.gate.set()
        await told.next.wait()
    assert told.words == [("okay_nabu", 0.9, (MOST_WAITING_FRAMES + 1) * FRAME_SAMPLES)]
    assert 0.3 not in detector.scored


async def test_nothing_is_told_after_close() -> None:
    detector, told = FakeDetector(), Told()
    async with listening(detector, told) as listener:
        detector.gate.clear()
        listener.hear(frame(0, 1.0))
        await asyncio.to_thread(detector.began.wait)
        threading.Timer(0.01, detector.gate.set).start()
        listener.close()
        listener.close()
        await asyncio.sleep(0)
    assert detector.threads
    assert told.words == []


async def test_a_full_queue_can_be_closed() -> None:
    detector = FakeDetector()
    detector.gate.clear()
    async with listening(detector, Told()) as listener:
        for number in range(2 * MOST_WAITING_FRAMES):
            listener.hear(frame(number, 0.0))
        threading.Timer(0.01, detector.gate.set).start()
    assert "wake word" not in {thread.name for thread in threading.enumerate()}


def test_one_utterance_is_told_once_and_the_next_one_again() -> None:
    utterances = Utterances(0.5)
    scores = {100: 0.4, 200: 0.5, 300: 1.0, 400: 0.3, 500: 0.9}
    assert [end for end, score in scores.items() if utterances.receive(score, end)] == [200]
    assert not utterances.receive(1.0, 200 + REFRACTORY_SAMPLES - 1)
    assert utterances.receive(1.0, 200 + REFRACTORY_SAMPLES)


def test_another_microphone_counts_from_zero_and_is_heard_at_once() -> None:
    utterances = Utterances(0.5)
    assert utterances.receive(1.0, 1_000_000)
    assert utterances.receive(1.0, 320)
    assert not utterances.receive(1.0, 640)


def test_an_unknown_word_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="hey_siri") as caught:
        load_detector("hey_siri")
    assert all(word in caught.value.cure for word in WORDS)


def test_a_missing_package_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymicro_wakeword", None)
    with pytest.raises(UsageError, match="pymicro_wakeword") as caught:
        load_detector("okay_nabu")
    assert "pip install" in caught.value.cure
    assert "activation" in caught.value.cure
