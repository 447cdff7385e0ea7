"""The microphone with a canceller that the test plays."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest

from voice.audio import echo as echo_module
from voice.audio.canceller import BLOCK_SAMPLES
from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Int16
from voice.audio.residual import SILENCE_DBFS

BEGAN = time.monotonic()


class Canceller:
    """Takes out nothing, or all but a hundredth; keeps what it hears."""

    def __init__(self, far_rate: int, delay_seconds: float, **_: bool) -> None:
        self.works = True
        self.heard: list[Int16] = []

    def hear(self, played: Int16) -> list[Int16]:
        self.heard.append(played)
        return np.split(played, len(played) // BLOCK_SAMPLES) if len(played) else []

    def clean(self, block: Int16) -> Int16:
        return block // 100 if self.works else block


class Speaker:
    """Says syllables at 16 kHz as long as it is asked."""

    rate = SAMPLE_RATE

    def __init__(self) -> None:
        self.played_blocks: deque[tuple[Int16, float]] = deque()


class Microphone:
    """Hears the speaker with a gain, and its own noise."""

    overruns = 0
    ended = False

    def __init__(self, sound: Int16) -> None:
        self._sound = sound
        self._start = 0

    async def open(self) -> None:
        """Nothing to do."""

    async def read(self) -> Frame | None:
        start, self._start = self._start, self._start + FRAME_SAMPLES
        samples = self._sound[start : self._start]
        if len(samples) < FRAME_SAMPLES:
            return None
        return Frame(start, samples, BEGAN + self._start / SAMPLE_RATE)

    async def close(self) -> None:
        """Nothing to do."""


def _syllables(seconds: int) -> Int16:
    random = np.random.default_rng(1)
    parts: list[Int16] = []
    for _ in range(5 * seconds):
        shape = np.sin(np.linspace(0, np.pi, SAMPLE_RATE // 5)) ** 2 * random.uniform(0.2, 1)
        parts.append((random.normal(0, 4000, len(shape)) * shape).astype(np.int16))
    return np.concatenate(parts)


@pytest.fixture
def canceller(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Canceller]]:
    """Whoever is made stands in the list."""
    made: list[Canceller] = []

    def make(far_rate: int, delay_seconds: float, **flags: bool) -> Canceller:
        made.append(Canceller(far_rate, delay_seconds, **flags))
        return made[0]

    monkeypatch.setattr(echo_module, "EchoCanceller", make)
    yield made


async def _run(
    far: Int16, near: Int16, made: list[Canceller], *, works: bool
) -> tuple[EchoCancellingMicrophone, list[Frame]]:
    speaker = Speaker()
    microphone = EchoCancellingMicrophone(Microphone(near), speaker)
    await microphone.open()
    made[0].works = works
    frames: list[Frame] = []
    for start in range(0, len(far), FRAME_SAMPLES):
        block = far[start : start + FRAME_SAMPLES]
        speaker.played_blocks.append((block, BEGAN + start / SAMPLE_RATE))
        frame = await microphone.read()
        assert frame is not None
        frames.append(frame)
    return microphone, frames


async def test_the_canceller_hears_what_was_played(canceller: list[Canceller]) -> None:
    far = _syllables(2)
    _, frames = await _run(far, far // 3, canceller, works=True)
    assert np.array_equal(np.concatenate(canceller[0].heard), far)
    assert np.array_equal(frames[7].samples, far[7 * 320 : 8 * 320] // 3 // 100)


async def test_what_was_played_before_the_microphone_was_open_is_not_heard(
    canceller: list[Canceller],
) -> None:
    speaker = Speaker()
    microphone = EchoCancellingMicrophone(Microphone(_syllables(1)), speaker)
    speaker.played_blocks.append((np.ones(160, np.int16), BEGAN))
    await microphone.open()
    await microphone.read()
    assert not any(len(played) for played in canceller[0].heard)


async def test_without_an_echo_the_microphone_is_passed_on_as_it_is(
    canceller: list[Canceller],
) -> None:
    far = _syllables(12)
    near = np.random.default_rng(2).normal(0, 10, len(far)).astype(np.int16)
    microphone, frames = await _run(far, near, canceller, works=True)
    assert np.array_equal(frames[-1].samples, near[-FRAME_SAMPLES:])
    assert microphone.residual_dbfs == SILENCE_DBFS
    assert not microphone.convergence.half_duplex


async def test_a_canceller_that_works_is_known_to(canceller: list[Canceller]) -> None:
    far = _syllables(12)
    microphone, _ = await _run(far, far // 3, canceller, works=True)
    assert not microphone.convergence.half_duplex
    assert microphone.erle_db is not None
    assert microphone.erle_db > 30
    assert microphone.residual_dbfs < -50


async def test_a_canceller_that_fails_is_known_to(canceller: list[Canceller]) -> None:
    far = _syllables(12)
    microphone, _ = await _run(far, far // 3, canceller, works=False)
    assert microphone.convergence.half_duplex
    assert microphone.erle_db == pytest.approx(0.0)


async def test_the_canceller_rests_while_nothing_is_played(canceller: list[Canceller]) -> None:
    far = np.concatenate([_syllables(1), np.zeros(3 * SAMPLE_RATE, np.int16), _syllables(1)])
    near = np.full(len(far), 1000, np.int16)
    _, frames = await _run(far, near, canceller, works=True)
    heard = np.concatenate([frame.samples for frame in frames])
    assert set(heard[: 2 * SAMPLE_RATE]) == {10}
    assert set(heard[3 * SAMPLE_RATE : 4 * SAMPLE_RATE - FRAME_SAMPLES]) == {1000}
    assert set(heard[4 * SAMPLE_RATE :]) == {10}
    played = np.concatenate(canceller[0].heard)
    assert np.array_equal(played[-SAMPLE_RATE:], _syllables(1))
    assert len(played) < len(far) - SAMPLE_RATE


async def test_noise_is_suppressed_without_rest(canceller: list[Canceller]) -> None:
    microphone = EchoCancellingMicrophone(
        Microphone(np.full(4 * SAMPLE_RATE, 1000, np.int16)), Speaker(), noise_suppression=True
    )
    await microphone.open()
    while (frame := await microphone.read()) is not None:
        assert set(frame.samples) == {10}
