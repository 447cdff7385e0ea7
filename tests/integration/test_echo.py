"""WebRTC's echo canceller in a simulated room: the agent speaks, and the microphone hears it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Int16, level_dbfs
from voice.audio.onset_listener import OnsetListener
from voice.audio.resample import resample
from voice.listen.gate import Gate, GateEvent, GateOptions, SpeechConfirmed
from voice.listen.vad import choose_vad

Sound = NDArray[np.float64]

RATE = 48_000
"""Of the speaker."""

OUTPUT_DELAY_SECONDS = 0.02


class Speaker:
    rate = RATE

    def __init__(self) -> None:
        self.played_blocks: deque[tuple[Int16, float]] = deque()


class Room:
    """A microphone beside the speaker; its frames come with the times of the recording."""

    overruns = 0
    ended = False

    def __init__(self, sound: Int16) -> None:
        self._sound = sound
        self._start = 0

    async def open(self) -> None:
        """Nothing to do."""

    async def read(self) -> Frame | None:
        start, self._start = self._start, self._start + FRAME_SAMPLES
        if self._start > len(self._sound):
            return None
        return Frame(start, self._sound[start : self._start], self._start / SAMPLE_RATE)

    async def close(self) -> None:
        """Nothing to do."""


@dataclass
class Heard:
    cleaned: Int16
    gate: list[GateEvent] = field(default_factory=list)
    onsets: list[float] = field(default_factory=list)
    half_duplex: bool = False
    erle_db: float | None = None


def _agent(speech: Path, seconds: float) -> Int16:
    """Somebody else's speech stands for the agent's, at the speaker's rate."""
    sound, rate = soundfile.read(speech / "jfk.flac", dtype="int16")
    return resample(np.resize(sound, round(seconds * rate)), rate, RATE)


def _room(agent: Int16, gain: float, delay_seconds: float) -> Sound:
    """The echo in the microphone, and the noise of the room at -60 dBFS."""
    played = resample(agent, RATE, SAMPLE_RATE).astype(np.float64)
    echo = np.concatenate([np.zeros(round(delay_seconds * SAMPLE_RATE)), played])[: len(played)]
    return np.asarray(gain * echo + np.random.default_rng(1).normal(0, 33, len(played)))


async def _hear(agent: Int16, room: Sound) -> Heard:
    speaker = Speaker()
    near = np.clip(room, -32768, 32767).astype(np.int16)
    microphone = EchoCancellingMicrophone(Room(near), speaker)
    await microphone.open()
    options = GateOptions()
    gate, vad, listener = Gate(options), choose_vad(options), OnsetListener()
    heard, frames = Heard(near), []
    block = RATE // 50
    for number in range(len(near) // FRAME_SAMPLES):
        at = number / 50 + OUTPUT_DELAY_SECONDS
        speaker.played_blocks.append((agent[number * block : (number + 1) * block], at))
        frame = await microphone.read()
        assert frame is not None
        frames.append(frame.samples)
        heard.gate += gate.receive(frame, vad.is_speech(frame.samples))
        onset = listener.receive(frame, gate.floor_dbfs, microphone.residual_dbfs)
        heard.onsets += [] if onset is None else [onset]
    heard.cleaned = np.concatenate(frames)
    heard.half_duplex = microphone.convergence.half_duplex
    heard.erle_db = microphone.erle_db
    return heard


@pytest.mark.parametrize("delay_seconds", [0.02, 0.2])
@pytest.mark.parametrize("gain", [0.3, 0.6])
async def test_the_agent_is_not_heard(speech: Path, gain: float, delay_seconds: float) -> None:
    agent = _agent(speech, 12.0)
    room = _room(agent, gain, delay_seconds)
    heard = await _hear(agent, room)
    assert heard.gate == []
    assert len(heard.onsets) <= 1, "the canceller may need two seconds to know the room"
    assert not heard.half_duplex
    assert heard.erle_db is not None
    assert heard.erle_db > 15
    late = slice(3 * SAMPLE_RATE, len(heard.cleaned))
    echo_dbfs = level_dbfs(room[late].astype(np.int16))
    assert echo_dbfs - level_dbfs(heard.cleaned[late]) > 15


async def test_the_user_is_heard_over_the_agent(speech: Path) -> None:
    agent = _agent(speech, 8.0)
    room = _room(agent, 0.3, 0.06)
    command, _ = soundfile.read(speech / "turn_on_the_living_room_lamp.flac", dtype="int16")
    begin = 4 * SAMPLE_RATE
    room[begin : begin + len(command)] += command
    heard = await _hear(agent, room)
    assert any(isinstance(event, SpeechConfirmed) for event in heard.gate)
    assert all(event.at > 4.0 for event in heard.gate)
    began_at = heard.gate[0].at
    assert any(abs(onset - began_at) < 0.1 for onset in heard.onsets)
    assert not heard.half_duplex


async def test_an_echo_that_comes_too_late_ends_in_half_duplex(speech: Path) -> None:
    agent = _agent(speech, 14.0)
    heard = await _hear(agent, _room(agent, 0.3, 0.7))
    assert heard.half_duplex


async def test_with_headphones_the_microphone_is_left_alone(speech: Path) -> None:
    agent = _agent(speech, 10.0)
    room = _room(agent, 0.0, 0.06)
    heard = await _hear(agent, room)
    assert not heard.half_duplex
    assert np.array_equal(heard.cleaned[-SAMPLE_RATE:], room[-SAMPLE_RATE:].astype(np.int16))
