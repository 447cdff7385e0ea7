"""Earcons between answers, on a speaker that runs on a virtual clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from voice.audio.wav import FileOutput
from voice.clock import VirtualClock
from voice.speak.cues import Cues
from voice.speak.earcons import earcon

RATE = 16_000


async def _made(folder: Path, *, wanted: bool, ended_after: float, said_after: float) -> FileOutput:
    clock = VirtualClock()
    output = FileOutput(folder / "out.wav", clock, RATE)
    await output.open()
    cues = Cues(output, wanted=wanted)
    cues.end()
    cues.play("thinking")
    await clock.advance(ended_after)
    cues.end()
    await clock.advance(said_after)
    output.write(np.full(RATE // 2, 5000, np.int16))
    await clock.advance(said_after + 1.0)
    await output.close()
    return output


async def test_a_cue_ends_before_something_is_said(tmp_path: Path) -> None:
    await _made(tmp_path, wanted=True, ended_after=0.1, said_after=0.1)
    said, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    start = RATE // 10
    assert np.array_equal(said[:start], earcon("thinking", RATE)[:start])
    assert np.all(said[start + RATE // 50 : start + RATE // 2] == 5000), (
        "nothing waits, all is said"
    )
    assert not said[start + RATE // 2 + RATE // 50 :].any()


async def test_the_silence_after_a_cue_is_no_gap(tmp_path: Path) -> None:
    output = await _made(tmp_path, wanted=True, ended_after=0.3, said_after=0.4)
    assert output.underruns == 0


async def test_none_is_made_unless_it_is_wanted(tmp_path: Path) -> None:
    await _made(tmp_path, wanted=False, ended_after=0.2, said_after=0.3)
    said, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert not said[: round(0.3 * RATE)].any()
