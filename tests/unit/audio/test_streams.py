"""The drivers of a microphone and a speaker, over a PortAudio that the test plays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voice.audio import microphone as microphone_module
from voice.audio import portaudio as portaudio_module
from voice.audio import speaker as speaker_module
from voice.audio.catalogue import Device
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16
from voice.audio.microphone import Microphone
from voice.audio.speaker import ALSA_RATE, Speaker
from voice.errors import AudioError

DEVICE = Device(3, "Box", "Core Audio", 2, 2, 44_100, True, True)
STATUS = SimpleNamespace(input_overflow=False, output_underflow=False)


class PortAudioError(Exception):
    pass


class Stream:
    """A stream that a device grants, or refuses by `accepts`; the test calls its callback."""

    def __init__(self, accepts: Callable[[int, int], bool], options: dict[str, Any]) -> None:
        if not accepts(options["samplerate"], options["channels"]):
            raise PortAudioError("Invalid sample rate", -9997)
        self.rate: int = options["samplerate"]
        self.channels: int = options["channels"]
        self.callback = options["callback"]
        self.active = False
        self.closed = False

    def start(self) -> None:
        self.active = True

    def abort(self, ignore_errors: bool = True) -> None:
        self.active = False

    def close(self, ignore_errors: bool = True) -> None:
        self.closed = True

    def capture(self, samples: Int16, latency: float = 0.01) -> None:
        """Deliver samples (n, channels) that ended `latency` ago."""
        began = 50.0 - latency - len(samples) / self.rate
        times = SimpleNamespace(currentTime=50.0, inputBufferAdcTime=began)
        self.callback(samples.tobytes(), len(samples), times, STATUS)

    def demand(self, count: int, latency: float = 0.02, *, underflow: bool = False) -> Int16:
        """Ask for samples; returns them as (n, channels)."""
        out = bytearray(count * self.channels * 2)
        times = SimpleNamespace(currentTime=50.0, outputBufferDacTime=50.0 + latency)
        status = SimpleNamespace(output_underflow=underflow)
        self.callback(memoryview(out), count, times, status)
        return np.frombuffer(bytes(out), np.int16).reshape(-1, self.channels)


class PortAudio:
    """Stands for sounddevice; `streams` are the ones it opened."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.accepts: Callable[[int, int], bool] = lambda rate, channels: True
        self.streams: list[Stream] = []

    def RawInputStream(self, **options: Any) -> Stream:  # noqa: N802
        self.streams.append(Stream(self.accepts, options))
        return self.streams[-1]

    RawOutputStream = RawInputStream

    def check_output_settings(self, *_: object, samplerate: int) -> None:
        if not self.accepts(samplerate, 1):
            raise PortAudioError("Invalid sample rate", -9997)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    port = PortAudio()
    for module in (portaudio_module, microphone_module, speaker_module):
        monkeypatch.setattr(module, "portaudio", lambda: port)
    return port


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The speaker's time is its `now`."""
    clock = SimpleNamespace(now=20.0)
    time_module = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr(speaker_module, "time", time_module)
    monkeypatch.setattr(portaudio_module, "time", time_module)
    return clock


class TestMicrophone:
    async def test_frames_come_as_they_were_captured(self, port: PortAudio) -> None:
        microphone = Microphone(DEVICE)
        await microphone.open()
        [stream] = port.streams
        assert (stream.rate, stream.channels) == (SAMPLE_RATE, 1)
        sound = np.arange(FRAME_SAMPLES, dtype=np.int16)[:, None]
        began = time.monotonic()
        stream.capture(sound, latency=0.01)
        frame = await microphone.read()
        assert frame is not None
        assert np.array_equal(frame.samples, sound[:, 0])
        assert frame.at == pytest.approx(began - 0.01, abs=0.005)
        await microphone.close()
        await microphone.close()
        assert stream.closed
        assert await microphone.read() is None

    async def test_a_reader_that_waits_is_woken_by_the_callback(self, port: PortAudio) -> None:
        microphone = Microphone(DEVICE)
        await microphone.open()
        reading = asyncio.create_task(microphone.read())
        await asyncio.sleep(0)  # the reader begins to wait
        silence = np.zeros((FRAME_SAMPLES, 1), np.int16)
        thread = Thread(target=port.streams[0].capture, args=(silence,))
        thread.start()
        assert await asyncio.wait_for(reading, 1.0)
        thread.join()

    async def test_a_device_that_refuses_is_taken_as_it_is(self, port: PortAudio) -> None:
        port.accepts = lambda rate, channels: (rate, channels) == (44_100, 2)
        microphone = Microphone(DEVICE)
        await microphone.open()
        [stream] = port.streams
        times = np.arange(44_100) / 44_100
        tone = (8000 * np.sin(2 * np.pi * 300 * times)).astype(np.int16)
        for start in range(0, 44_100, 882):
            stream.capture(np.column_stack([tone[start : start + 882]] * 2))
        heard: list[Int16] = []
        while sum(len(part) for part in heard) < 0.9 * SAMPLE_RATE:
            frame = await microphone.read()
            assert frame is not None
            heard.append(frame.samples)
        joined = np.concatenate(heard)
        expected = 8000 * np.sin(2 * np.pi * 300 * np.arange(len(joined)) / SAMPLE_RATE)
        assert np.abs(joined - expected)[500:].max() < 30

    async def test_a_device_that_refuses_everything_is_an_error(self, port: PortAudio) -> None:
        port.accepts = lambda rate, channels: False
        with pytest.raises(AudioError, match="'Box' cannot be opened: Invalid sample rate"):
            await Microphone(DEVICE).open()

    async def test_a_device_that_disappears_is_an_error(self, port: PortAudio) -> None:
        microphone = Microphone(DEVICE)
        await microphone.open()
        port.streams[0].active = False
        with pytest.raises(AudioError, match="delivers no sound any more"):
            await microphone.read()
        await microphone.close()


class TestSpeaker:
    def test_its_rate_is_known_before_it_is_opened(self, port: PortAudio) -> None:
        assert Speaker(DEVICE).rate == 44_100
        alsa = Device(0, "default", "ALSA", 2, 2, 44_100, True, True)
        assert Speaker(alsa).rate == ALSA_RATE
        port.accepts = lambda rate, channels: rate == 44_100
        assert Speaker(alsa).rate == 44_100

    async def test_a_stereo_device_plays_the_same_on_both_sides(self, port: PortAudio) -> None:
        port.accepts = lambda rate, channels: channels == 2
        speaker = Speaker(DEVICE)
        await speaker.open()
        speaker.write(np.array([1, 2, 3], np.int16))
        assert port.streams[-1].demand(4).tolist() == [[1, 1], [2, 2], [3, 3], [0, 0]]
        await speaker.close()

    async def test_what_is_in_the_device_has_not_been_heard(
        self, port: PortAudio, clock: SimpleNamespace
    ) -> None:
        speaker = Speaker(DEVICE)
        await speaker.open()
        speaker.write(np.ones(441, np.int16))
        clock.now = 20.0
        port.streams[0].demand(441, latency=0.05)
        assert speaker.position().played == 0
        clock.now = 20.07
        position = speaker.position()
        assert position.played == 441
        assert position.started_at == pytest.approx(20.05, abs=0.005)
        [(block, at)] = speaker.played_blocks
        assert block.tolist() == [1] * 441
        assert at == position.started_at

    async def test_it_runs_when_it_takes_more_than_what_fills_its_buffer(
        self, port: PortAudio, clock: SimpleNamespace
    ) -> None:
        speaker = Speaker(DEVICE)
        await speaker.open()
        clock.now = 21.0  # opening took its time
        assert not speaker.running
        for _ in range(5):
            port.streams[0].demand(441)
            clock.now += 0.001
        clock.now = 23.0
        assert not speaker.running
        port.streams[0].demand(441)
        assert speaker.running

    async def test_only_underflows_inside_sound_count(self, port: PortAudio) -> None:
        speaker = Speaker(DEVICE)
        await speaker.open()
        port.streams[0].demand(10, underflow=True)
        assert speaker.underruns == 0
        speaker.write(np.ones(20, np.int16))
        port.streams[0].demand(10, underflow=True)
        assert speaker.underruns == 1

    async def test_writer_and_device_on_two_threads_lose_nothing(self, port: PortAudio) -> None:
        speaker = Speaker(DEVICE)
        await speaker.open()
        total = 20_000
        heard: list[int] = []

        def device() -> None:
            while len(heard) < total:
                block = port.streams[0].demand(37)[:, 0]
                heard.extend(sample for sample in block.tolist() if sample)

        thread = Thread(target=device)
        thread.start()
        sound = (np.arange(total) % 50 + 1).astype(np.int16)  # too quiet to be faded at a gap
        for start in range(0, total, 53):
            speaker.write(sound[start : start + 53])
            speaker.position()
        await asyncio.to_thread(thread.join, 20)
        assert heard == sound.tolist()

    async def test_an_underflow_while_nothing_may_be_heard_does_not_count(
        self, port: PortAudio
    ) -> None:
        speaker = Speaker(DEVICE)
        await speaker.open()
        speaker.hold()
        speaker.write(np.full(2000, 9000, np.int16))
        assert not port.streams[0].demand(10, underflow=True).any()
        assert speaker.underruns == 0
        speaker.resume(0)
        speaker.duck()
        assert port.streams[0].demand(1000)[-1].tolist() == [900]

    async def test_a_device_that_disappears_is_an_error(self, port: PortAudio) -> None:
        speaker = Speaker(DEVICE)
        await speaker.open()
        port.streams[0].active = False
        with pytest.raises(AudioError, match="takes no sound any more"):
            speaker.write(np.ones(10, np.int16))
