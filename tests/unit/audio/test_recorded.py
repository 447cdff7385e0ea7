"""Devices whose sound is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from voice.audio.recorded import RecordedInput, RecordedOutput
from voice.audio.wav import FileInput, FileOutput
from voice.clock import VirtualClock
from voice.errors import AudioError


async def test_both_files_begin_with_the_microphone_and_hold_what_was_heard(tmp_path: Path) -> None:
    clock = VirtualClock()
    sound = np.arange(5 * FRAME_SAMPLES, dtype=np.int16)
    soundfile.write(tmp_path / "in.wav", sound, SAMPLE_RATE)
    device = FileOutput(tmp_path / "device.wav", clock, SAMPLE_RATE)
    output = RecordedOutput(device, tmp_path / "speaker.wav", clock)
    source = FileInput(tmp_path / "in.wav", clock)
    heard = RecordedInput(source, tmp_path / "microphone.wav", output.file)
    await output.open()
    await clock.advance(1.0)  # a microphone takes a moment
    await heard.open()
    for _ in range(2):
        await heard.read()
    assert output.write(np.full(FRAME_SAMPLES, 1000, np.int16)) == 0
    for _ in range(3):
        await heard.read()
    await heard.close()
    await output.close()
    assert np.array_equal(soundfile.read(tmp_path / "microphone.wav", dtype="int16")[0], sound)
    said = soundfile.read(tmp_path / "speaker.wav", dtype="int16")[0]
    assert len(said) == len(sound)
    assert np.flatnonzero(said)[0] == 2 * FRAME_SAMPLES


async def test_what_is_discarded_is_not_in_the_file(tmp_path: Path) -> None:
    clock = VirtualClock()
    device = FileOutput(tmp_path / "device.wav", clock, SAMPLE_RATE)
    output = RecordedOutput(device, tmp_path / "speaker.wav", clock)
    await output.open()
    await output.file.open()
    output.write(np.full(SAMPLE_RATE, 1000, np.int16))
    await clock.advance(0.2)
    output.discard()
    await clock.advance(1.0)
    await output.close()
    said, heard = (
        soundfile.read(tmp_path / name, dtype="int16")[0] for name in ("speaker.wav", "device.wav")
    )
    assert np.array_equal(said, heard)
    assert np.abs(said[int(0.3 * SAMPLE_RATE) :]).max() == 0


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    clock = VirtualClock()
    speaker = FileOutput(tmp_path / "s.wav", clock, SAMPLE_RATE)
    soundfile.write(tmp_path / "in.wav", np.ones(10, np.int16), SAMPLE_RATE)
    with pytest.raises(AudioError, match=r"no\.wav"):
        RecordedInput(FileInput(tmp_path / "in.wav", clock), tmp_path / "no" / "no.wav", speaker)
