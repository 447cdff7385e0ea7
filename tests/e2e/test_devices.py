"""The microphone and the speaker through PortAudio and the rig, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from tests.support.programs import speech_samples
from tests.support.rig import AudioRig
from tests.support.steadiness import repeated_if_stalled
from voice.audio.frames import SAMPLE_RATE, Int16

ROOT = Path(__file__).parents[2]

CLOCK_ERROR_SECONDS = 0.03
"""What PortAudio tells and what the rig records may differ by so much: PulseAudio renders its null
sinks up to 10 ms ahead, and the recorder's blocks have 10 ms."""


def _program(rig: AudioRig, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.sound_program", *map(str, arguments)]
    return subprocess.Popen(command, env=rig.env, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _ready(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"


def _report(program: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = program.communicate(timeout=30)
    assert program.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


def _noise(seconds: float, rate: int) -> Int16:
    """A signal like nothing but itself, below 2 kHz so that no resampler on the way harms it.

    The recorder's 16 kHz samples may lie up to half a sample beside the original's; at 2 kHz that
    costs 3 % of the likeness, at 4 kHz it cost 10 %.
    """
    values = np.random.default_rng(1).normal(0, 4000, round(seconds * 4000)).astype(np.float32)
    return np.asarray(soxr.resample(values, 4000, rate)).clip(-32768, 32767).astype(np.int16)


def _find(wanted: Int16, heard: Int16) -> tuple[int, float]:
    """Where in `heard` the sound `wanted` begins, and how alike the two are there (0 to 1)."""
    size = 1 << (len(wanted) + len(heard)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    start = int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))
    part = heard[start : start + len(wanted)].astype(float)
    reference = wanted[: len(part)].astype(float)
    alike = part @ reference / (np.linalg.norm(part) * np.linalg.norm(reference))
    return start, float(alike)


def _play(rig: AudioRig, tmp_path: Path, seconds: float, *more: object) -> dict[str, Any]:
    rate = int(_program(rig, "rate").communicate(timeout=30)[0])
    sound = _noise(seconds, SAMPLE_RATE)
    np.save(tmp_path / "sound.npy", soxr.resample(sound, SAMPLE_RATE, rate))
    program = _program(rig, "play", tmp_path / "sound.npy", *more)
    _ready(program)
    report = _report(program)
    rig.speaker.catch_up(time.monotonic())
    return {**report, "rate": rate, "sound": sound}


@repeated_if_stalled
def test_the_microphone_hears_what_is_said_into_it(
    rig: AudioRig, speech: Path, tmp_path: Path
) -> None:
    said = speech_samples(speech / "what_time_is_it.flac")
    program = _program(rig, "hear", 5, tmp_path / "heard.npy")
    _ready(program)
    rig.say(said)
    report = _report(program)
    heard = np.load(tmp_path / "heard.npy")

    start, alike = _find(said, heard)
    assert alike > 0.95, "nothing is lost or put in"
    assert report["overruns"] == 0
    assert report["starts"] == list(range(0, len(heard), 320))

    room_began, room = rig.microphone.timeline()
    in_room, _ = _find(said, room)
    captured_at = report["ends_at"][start // 320] - (320 - start % 320) / SAMPLE_RATE
    error = captured_at - (room_began + in_room / SAMPLE_RATE)
    print(f"microphone: time off by {1000 * error:.1f} ms, delay {report['delay_seconds']:.4f} s")
    assert abs(error) < CLOCK_ERROR_SECONDS


@repeated_if_stalled
def test_the_speaker_plays_what_is_written_and_tells_when(rig: AudioRig, tmp_path: Path) -> None:
    report = _play(rig, tmp_path, 2.0)
    began, played = rig.speaker.timeline()
    start, alike = _find(report["sound"], played)
    assert alike > 0.95, "nothing is lost or put in"
    assert report["underruns"] == 0

    started_at = began + start / SAMPLE_RATE
    error = report["started_at"] - started_at
    offsets = [
        played / report["rate"] - (at - started_at)
        for at, played in report["positions"]
        if 0 < played < 2.0 * report["rate"]
    ]
    print(
        f"speaker: started_at off by {1000 * error:.1f} ms; played off by "
        f"{1000 * min(offsets):.1f} to {1000 * max(offsets):.1f} ms; first sound "
        f"{1000 * (started_at - report['written_at']):.1f} ms after write"
    )
    assert report["started_index"] == 0
    assert abs(error) < CLOCK_ERROR_SECONDS
    assert max(map(abs, offsets)) < CLOCK_ERROR_SECONDS
    assert report["played"] == 2 * report["rate"]


@repeated_if_stalled
def test_the_speaker_falls_silent_at_once(rig: AudioRig, tmp_path: Path) -> None:
    report = _play(rig, tmp_path, 3.0, 1.0)
    last_sound = rig.speaker.sounds()[-1]
    silent_after = last_sound - report["discarded_at"]
    print(f"speaker: silent {1000 * silent_after:.0f} ms after discard")
    assert 0.0 < silent_after < 0.12
    heard_seconds = report["played"] / report["rate"]
    assert heard_seconds == pytest.approx(1.0, abs=0.1)
