from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Int16
from voice.audio.wav import FileInput, FileOutput, Recordings
from voice.clock import MonotonicClock, VirtualClock
from voice.errors import AudioError

RATE = 22_050


def _tone(rate: int, seconds: float) -> Int16:
    times = np.arange(round(rate * seconds)) / rate
    return (8000 * np.sin(2 * np.pi * 300 * times)).astype(np.int16)


def _write(path: Path, samples: Int16, rate: int = SAMPLE_RATE, subtype: str = "PCM_16") -> Path:
    values = samples if subtype == "PCM_16" else samples / 32768.0
    soundfile.write(path, values, rate, subtype=subtype)
    return path


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def _read_all(source: Recordings) -> list[Frame]:
    await source.open()
    frames = []
    while (frame := await source.read()) is not None:
        frames.append(frame)
    await source.close()
    return frames


def _joined(frames: list[Frame]) -> Int16:
    return np.concatenate([frame.samples for frame in frames])


class TestFileInput:
    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
    async def test_every_sample_format_is_heard_alike(self, tmp_path: Path, subtype: str) -> None:
        path = _write(tmp_path / "in.wav", _tone(SAMPLE_RATE, 0.5), subtype=subtype)
        heard = _joined(await _read_all(FileInput(path, VirtualClock(), tail_seconds=0.02)))
        coarse = 260 if subtype == "PCM_U8" else 1
        assert np.abs(heard[:8000].astype(int) - _tone(SAMPLE_RATE, 0.5)).max() <= coarse

    @pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 96_000])
    @pytest.mark.parametrize("channels", [1, 2, 6])
    async def test_every_rate_and_channel_count_is_heard_alike(
        self, tmp_path: Path, rate: int, channels: int
    ) -> None:
        sound = np.repeat(_tone(rate, 0.5)[:, None], channels, axis=1)
        path = _write(tmp_path / "in.wav", sound, rate)
        heard = _joined(await _read_all(FileInput(path, VirtualClock(), tail_seconds=0.02)))
        difference = heard[:8000].astype(int) - _tone(SAMPLE_RATE, 0.5)
        assert np.abs(difference[300:-300]).max() < 40

    async def test_flac_too(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "in.flac", _tone(SAMPLE_RATE, 0.1))
        heard = _joined(await _read_all(FileInput(path, VirtualClock(), tail_seconds=0.02)))
        assert np.array_equal(heard[:1600], _tone(SAMPLE_RATE, 0.1))

    async def test_too_loud_and_broken_floats_are_clipped(self, tmp_path: Path) -> None:
        values = np.array([2.0, -2.0, np.nan, np.inf, 0.5], np.float32)
        soundfile.write(tmp_path / "in.wav", values, SAMPLE_RATE, subtype="FLOAT")
        source = FileInput(tmp_path / "in.wav", VirtualClock(), tail_seconds=0.02)
        heard = _joined(await _read_all(source))
        assert heard[:6].tolist() == [32_767, -32_768, 0, 32_767, 16_384, 0]

    async def test_frames_are_whole_and_the_clock_goes_with_them(self, tmp_path: Path) -> None:
        path, clock = _write(tmp_path / "in.wav", _tone(SAMPLE_RATE, 0.05)), VirtualClock()
        await clock.advance(7.0)
        source = FileInput(path, clock, tail_seconds=0.06)
        await source.open()
        ends = []
        while (frame := await source.read()) is not None:
            assert len(frame.samples) == FRAME_SAMPLES
            assert clock.now() == frame.at
            ends.append((frame.end, round(frame.at, 6), source.ended))
        assert ends == [
            (320, 7.02, False), (640, 7.04, False), (960, 7.06, False),
            (1280, 7.08, True), (1600, 7.1, True), (1920, 7.12, True),
        ]  # fmt: skip

    async def test_silence_goes_on_after_the_file(self, tmp_path: Path) -> None:
        source = FileInput(_write(tmp_path / "in.wav", _tone(SAMPLE_RATE, 0.02)), VirtualClock())
        await source.open()
        frames = [await source.read() for _ in range(500)]
        assert all(frame is not None and not frame.samples.any() for frame in frames[1:])
        await source.close()
        await source.close()
        assert await source.read() is None

    async def test_in_real_time_a_frame_is_there_when_it_would_be(self, tmp_path: Path) -> None:
        clock = MonotonicClock()
        source = FileInput(_write(tmp_path / "in.wav", _tone(SAMPLE_RATE, 0.1)), clock)
        began = clock.now()
        await source.open()
        for _ in range(5):
            frame = await source.read()
            assert frame is not None
            assert clock.now() >= frame.at
        assert 0.1 <= clock.now() - began < 0.3

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "does not exist"),
            (b"", "is empty"),
            (b"not a sound at all, only words", "no sound file that can be read"),
            (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", "no sound file that can be read"),
        ],
    )
    def test_a_bad_file_is_named_with_a_cure(
        self, tmp_path: Path, content: bytes | None, words: str
    ) -> None:
        path = tmp_path / "in.wav"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(AudioError, match=words) as caught:
            FileInput(path, VirtualClock())
        assert str(path) in caught.value.problem
        assert caught.value.cure
        assert "\n" not in str(caught.value)

    def test_a_file_without_samples_and_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(AudioError, match="holds no sound"):
            FileInput(_write(tmp_path / "in.wav", _tone(RATE, 0)), VirtualClock())
        with pytest.raises(AudioError, match="is a folder"):
            FileInput(tmp_path, VirtualClock())

    async def test_a_file_that_was_cut_off_ends_early(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "in.wav", _tone(SAMPLE_RATE, 1.0))
        path.write_bytes(path.read_bytes()[:16_044])
        frames = await _read_all(FileInput(path, VirtualClock(), tail_seconds=0.02))
        assert np.array_equal(_joined(frames)[:8000], _tone(SAMPLE_RATE, 1.0)[:8000])


class TestRecordings:
    async def test_each_one_waits_for_its_cue(self, tmp_path: Path) -> None:
        paths = [
            _write(tmp_path / f"{level}.wav", np.full(FRAME_SAMPLES, level, np.int16))
            for level in (1, 2)
        ]
        source = Recordings(paths, VirtualClock(), tail_seconds=0.04)
        await source.open()

        async def levels(count: int) -> list[int | None]:
            frames = [await source.read() for _ in range(count)]
            return [None if frame is None else int(frame.samples[0]) for frame in frames]

        assert await levels(2) == [0, 0]
        assert source.cue()
        assert not source.cue(), "one at a time"
        assert await levels(3) == [1, 0, 0]
        assert not source.ended
        assert source.cue()
        assert await levels(1) == [2]
        assert await levels(3) == [0, 0, None]
        assert source.ended
        assert not source.cue()

    def test_all_files_are_checked_before_the_first_is_played(self, tmp_path: Path) -> None:
        good = _write(tmp_path / "good.wav", _tone(RATE, 0.1))
        with pytest.raises(AudioError, match="does not exist"):
            Recordings([good, tmp_path / "none.wav"], VirtualClock())


class TestFileOutput:
    async def test_the_file_is_a_timeline_from_open_to_close(self, tmp_path: Path) -> None:
        clock, path = VirtualClock(), tmp_path / "out.wav"
        output = FileOutput(path, clock, RATE)
        await clock.advance(3.0)
        await output.open()
        await clock.advance(4.0)
        assert output.write(np.full(RATE, 5, np.int16)) == 0
        await clock.advance(7.0)
        await output.close()
        samples, rate = soundfile.read(path, dtype="int16")
        assert (rate, len(samples)) == (RATE, 4 * RATE)
        assert not samples[:RATE].any()
        assert np.all(samples[RATE : 2 * RATE] == 5)
        assert not samples[2 * RATE :].any()
        assert soundfile.info(path).subtype == "PCM_16"

    async def test_its_position_goes_with_the_clock(self, tmp_path: Path) -> None:
        clock = VirtualClock()
        output = FileOutput(tmp_path / "out.wav", clock, 1000)
        await output.open()
        await clock.advance(1.0)
        output.write(_tone(1000, 0.5))
        await clock.advance(1.2)
        position = output.position()
        assert (position.played, position.written) == (200, 500)
        assert (position.started_index, position.started_at) == (0, 1.0)
        await clock.advance(9.0)
        assert output.position().played == 500
        await output.close()

    async def test_a_discarded_answer_is_faded_out(self, tmp_path: Path) -> None:
        clock, path = VirtualClock(), tmp_path / "out.wav"
        output = FileOutput(path, clock, 1000)
        await output.open()
        output.write(np.full(1000, 9000, np.int16))
        await clock.advance(0.1)
        output.discard(0.015)
        assert output.position().written == 100
        await clock.advance(1.0)
        await output.close()
        samples, _ = soundfile.read(path, dtype="int16")
        assert np.all(samples[:100] == 9000)
        assert 0 < samples[107] < 9000
        assert not samples[115:].any()

    async def test_what_is_ducked_held_and_resumed_is_recorded_so(self, tmp_path: Path) -> None:
        clock, path = VirtualClock(), tmp_path / "out.wav"
        output = FileOutput(path, clock, 1000)
        await output.open()
        output.write(np.full(1000, 9000, np.int16))
        await clock.advance(0.2)
        output.duck(0.1, 0.01)
        await clock.advance(0.4)
        output.hold(0.01)
        await clock.advance(0.6)
        output.resume(200, 0.01)
        await clock.advance(0.8)
        assert output.position().sounding == 400
        output.hold(0.01)
        await clock.advance(0.9)
        output.discard()
        await clock.advance(1.0)
        await output.close()
        samples, _ = soundfile.read(path, dtype="int16")
        levels = [int(samples[at]) for at in (100, 300, 500, 700, 850, 950)]
        assert levels == [9000, 900, 0, 9000, 0, 0]

    async def test_unducked_it_is_as_loud_as_before(self, tmp_path: Path) -> None:
        clock, path = VirtualClock(), tmp_path / "out.wav"
        output = FileOutput(path, clock, 1000)
        await output.open()
        output.write(np.full(1000, 9000, np.int16))
        output.duck()
        await clock.advance(0.2)
        output.unduck()
        await clock.advance(0.4)
        await output.close()
        samples, _ = soundfile.read(path, dtype="int16")
        assert (samples[100], samples[300]) == (900, 9000)

    async def test_a_gap_inside_an_answer_is_counted(self, tmp_path: Path) -> None:
        clock = VirtualClock()
        output = FileOutput(tmp_path / "out.wav", clock, 1000)
        await output.open()
        output.write(_tone(1000, 0.1))
        await clock.advance(0.2)
        output.write(_tone(1000, 0.1))
        await clock.advance(5.0)
        assert output.position().played == 200
        assert output.underruns == 1
        await output.close()

    async def test_only_a_complete_file_takes_the_place_of_the_old_one(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "out.wav"
        path.write_bytes(b"old")
        clock = VirtualClock()
        output = FileOutput(path, clock, RATE)
        await output.open()
        await clock.advance(1.0)
        output.write(_tone(RATE, 0.5))
        assert path.read_bytes() == b"old"
        await output.close()
        await output.close()
        assert _names(tmp_path) == ["out.wav"]
        assert soundfile.info(path).frames == RATE

    async def test_one_that_was_never_opened_leaves_nothing(self, tmp_path: Path) -> None:
        await FileOutput(tmp_path / "out.wav", VirtualClock(), RATE).close()
        assert _names(tmp_path) == []

    def test_a_place_where_no_file_can_be_is_refused_before_the_conversation(
        self, tmp_path: Path
    ) -> None:
        for path in (tmp_path / "none" / "out.wav", tmp_path, Path("/dev/null")):
            with pytest.raises(AudioError) as caught:
                FileOutput(path, VirtualClock(), RATE)
            assert str(path) in caught.value.problem
            assert caught.value.cure

    async def test_a_folder_that_vanishes_is_told_at_the_end(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        output = FileOutput(folder / "out.wav", VirtualClock(), RATE)
        await output.open()
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        with pytest.raises(AudioError, match="cannot be written"):
            await output.close()
        await output.close()


async def test_a_reader_and_a_sleeper_share_the_virtual_time(tmp_path: Path) -> None:
    clock = VirtualClock()
    source = FileInput(_write(tmp_path / "in.wav", _tone(SAMPLE_RATE, 1.0)), clock)
    woken = asyncio.create_task(clock.sleep_until(0.5))
    await source.open()
    while (frame := await source.read()) is not None and frame.at < 0.6:
        assert woken.done() == (frame.at >= 0.5)
    await woken
