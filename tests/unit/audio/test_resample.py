from __future__ import annotations

import numpy as np
import pytest

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16
from voice.audio.resample import Framer, StreamResampler, mix_down, resample


def _tone(rate: int, seconds: float, hertz: float = 440.0) -> Int16:
    times = np.arange(round(rate * seconds)) / rate
    return (10_000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_stays_the_same_tone(rate: int) -> None:
    changed = resample(_tone(rate, 1.0), rate, SAMPLE_RATE)
    inner = slice(1000, -1000)
    expected = _tone(SAMPLE_RATE, 1.0)
    assert len(changed) == SAMPLE_RATE
    assert np.abs(changed[inner].astype(int) - expected[inner]).max() < 30


def test_the_same_rate_changes_nothing() -> None:
    samples = _tone(SAMPLE_RATE, 0.1)
    assert np.array_equal(resample(samples, SAMPLE_RATE, SAMPLE_RATE), samples)
    assert np.array_equal(StreamResampler(16_000, 16_000).feed(samples), samples)


def test_piece_by_piece_is_the_same_as_the_whole() -> None:
    samples = _tone(44_100, 1.0)
    stream = StreamResampler(44_100, SAMPLE_RATE)
    cuts = range(0, len(samples), 441)
    pieces = [stream.feed(samples[cut : cut + 441]) for cut in cuts]
    pieces.append(stream.feed(samples[:0], last=True))
    joined = np.concatenate(pieces).astype(int)
    assert np.abs(joined - resample(samples, 44_100, SAMPLE_RATE)).max() <= 2


def test_the_delay_is_what_is_held_back() -> None:
    stream = StreamResampler(48_000, SAMPLE_RATE)
    ready = stream.feed(_tone(48_000, 0.5))
    assert len(ready) + stream.delay_samples == pytest.approx(SAMPLE_RATE / 2, abs=1)


def test_channels_are_averaged() -> None:
    stereo = np.array([[100, 300], [-5, 5], [32_767, 32_767]], np.int16)
    assert mix_down(stereo).tolist() == [200, 0, 32_767]


class TestFramer:
    @pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (48_000, 1)])
    def test_frames_follow_one_another_in_position_and_time(self, rate: int, channels: int) -> None:
        framer, frames = Framer(rate), []
        sound = np.repeat(_tone(rate, 1.0)[:, None], channels, axis=1)
        block = round(rate * 0.02)
        for start in range(0, len(sound) - block + 1, block):
            end_at = 100.0 + (start + block) / rate
            frames += framer.feed(start, sound[start : start + block], end_at)
        assert [frame.start for frame in frames] == list(range(0, frames[-1].end, FRAME_SAMPLES))
        for frame in frames:
            assert frame.at == pytest.approx(100.0 + frame.end / SAMPLE_RATE, abs=0.001)
        heard = np.concatenate([frame.samples for frame in frames]).astype(int)
        expected = _tone(SAMPLE_RATE, 1.0)[: len(heard)]
        assert len(heard) > 0.95 * SAMPLE_RATE
        assert np.abs(heard - expected)[500:].max() < 30

    def test_lost_samples_count_in_the_position(self) -> None:
        framer = Framer(SAMPLE_RATE)
        first = framer.feed(0, np.zeros((400, 1), np.int16), 0.025)
        later = framer.feed(16_400, np.zeros((400, 1), np.int16), 1.05)
        assert [frame.start for frame in first + later] == [0, 16_400]
        assert later[0].at == pytest.approx(1.05 - 80 / SAMPLE_RATE)
