"""Phrases that are ready on disk, and the sound where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voice.apps.kiosk import announcing as module
from voice.apps.kiosk.announcing import announce, clips_of
from voice.apps.kiosk.faults import PHRASES
from voice.audio.frames import Int16, OutputPosition
from voice.config import Options
from voice.speak.earcons import earcon
from voice.speak.synthesizer import Sound

RATE = 22_050
SAID = np.arange(100, dtype=np.int16)


class FakeSpeaker:
    """Has played all that was written to it."""

    rate = RATE
    alive = True
    written: list[Int16]

    def __init__(self, _: object) -> None:
        self.opened = self.closed = False
        FakeSpeaker.written = []

    async def open(self) -> None:
        self.opened = True

    async def close(self) -> None:
        assert self.opened

    def write(self, samples: Int16) -> int:
        start = sum(map(len, self.written))
        self.written.append(samples)
        return start

    def position(self) -> OutputPosition:
        total = sum(map(len, self.written))
        return OutputPosition(total, total, total)


class Voice:
    rate = RATE

    def synthesize(self, _: str) -> Iterator[Sound]:
        yield Sound(SAID, ())


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VOICE_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "Speaker", FakeSpeaker)
    monkeypatch.setattr(module, "choose", lambda *_: SimpleNamespace())


async def test_a_phrase_that_was_kept_is_played_without_a_voice() -> None:
    voice: Any = Voice()
    clips_of(Options().speak, RATE).add(PHRASES[:1], voice)
    await announce(PHRASES[0], Options())
    assert np.array_equal(FakeSpeaker.written[0], SAID)


async def test_where_it_was_never_kept_there_is_a_sound_of_error() -> None:
    await announce(PHRASES[0], Options())
    assert np.array_equal(FakeSpeaker.written[0], earcon("error", RATE))
