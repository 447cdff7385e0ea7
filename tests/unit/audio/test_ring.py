from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.frames import Int16
from voice.audio.ring import CLOCK_BLOCKS, UNDERRUN_SECONDS, InputRing, OutputQueue

RATE = 1000
"""One sample a millisecond keeps the sums readable."""


def _sound(count: int, first: int = 1) -> Int16:
    return np.arange(first, first + count, dtype=np.int16)


def _loud(count: int) -> Int16:
    return np.full(count, 10_000, np.int16)


class TestOutputQueue:
    def test_what_is_written_comes_out_in_order_then_silence(self) -> None:
        queue = OutputQueue(RATE)
        assert queue.write(_sound(3)) == 0
        assert queue.write(_sound(4, first=4)) == 3
        assert queue.pull(5, 0.0).tolist() == [1, 2, 3, 4, 5]
        assert queue.pull(5, 0.005).tolist() == [6, 7, 0, 0, 0]

    @given(st.lists(st.one_of(st.integers(0, 40), st.integers(-40, -1)), max_size=60))
    def test_nothing_is_lost_or_put_in(self, steps: list[int]) -> None:
        """Positive steps write, negative ones pull; what is not silence is what was written."""
        queue, written, heard = OutputQueue(RATE), 0, []
        for number, step in enumerate(steps):
            if step >= 0:
                assert queue.write(_sound(step, first=1 + written)) == written
                written += step
            else:
                heard += queue.pull(-step, 0.04 * number).tolist()
        heard += queue.pull(queue.waiting, 10.0).tolist()
        assert [sample for sample in heard if sample] == list(range(1, written + 1))

    def test_the_writer_may_use_its_array_again(self) -> None:
        queue, samples = OutputQueue(RATE), _sound(3)
        queue.write(samples)
        samples[:] = 0
        assert queue.pull(3, 0.0).tolist() == [1, 2, 3]

    def test_heard_is_what_the_device_has_had_long_enough(self) -> None:
        queue = OutputQueue(RATE)
        queue.write(_sound(100))
        queue.pull(50, at=1.0)
        assert queue.position(0.9).played == 0
        assert queue.position(1.02).played == 20
        assert queue.position(1.5).played == 50
        queue.pull(50, at=1.6)
        assert queue.position(1.61).played == 60
        assert queue.position(9.0).played == 100
        assert queue.position(9.0).written == 100

    @given(
        st.lists(st.integers(0, 30), min_size=1, max_size=30),
        st.lists(st.floats(-0.004, 0.004), min_size=40, max_size=40),
    )
    def test_heard_never_goes_back_though_device_times_jitter(
        self, sizes: list[int], jitter: list[float]
    ) -> None:
        queue, positions = OutputQueue(RATE), []
        for number, size in enumerate(sizes):
            now = number * 0.01
            queue.write(_loud(size))
            queue.pull(10, now + 0.02 + jitter[number])
            positions.append(queue.position(now))
        assert all(a.played <= b.played for a, b in pairwise(positions))
        assert all(p.played <= p.written for p in positions)

    def test_a_start_is_told_when_it_has_been_heard(self) -> None:
        queue = OutputQueue(RATE)
        queue.pull(10, at=0.0)
        queue.write(_loud(30))
        queue.pull(10, at=0.5)
        assert queue.position(0.49).started_index == -1
        position = queue.position(0.5)
        assert (position.started_index, position.started_at) == (0, 0.5)
        queue.pull(10, at=0.51)
        queue.pull(10, at=0.52)
        assert queue.position(0.53).started_at == 0.5, "sound that goes on does not start again"

    def test_sound_after_silence_starts_anew(self) -> None:
        queue = OutputQueue(RATE)
        queue.write(_loud(5))
        queue.pull(10, at=0.0)
        queue.pull(10, at=2.0)
        queue.write(_loud(5))
        queue.pull(10, at=3.0)
        assert queue.position(2.5).started_at == 0.0
        position = queue.position(3.0)
        assert (position.started_index, position.started_at) == (5, 3.0)

    @pytest.mark.parametrize(
        ("silence", "underruns"), [(0.1, 1), (UNDERRUN_SECONDS - 0.01, 1), (UNDERRUN_SECONDS, 0)]
    )
    def test_a_short_silence_between_sounds_is_an_underrun(
        self, silence: float, underruns: int
    ) -> None:
        queue = OutputQueue(RATE)
        queue.write(_loud(5))
        queue.pull(10, at=0.0)  # dry from 0.005 on
        queue.write(_loud(5))
        queue.pull(10, at=0.005 + silence)
        assert queue.underruns == underruns

    def test_a_silence_after_a_stop_is_no_underrun(self) -> None:
        queue = OutputQueue(RATE)
        queue.write(_loud(100))
        queue.pull(10, at=0.0)
        queue.discard(0.015)
        queue.pull(20, at=0.01)
        queue.write(_loud(5))
        queue.pull(10, at=0.1)
        assert queue.underruns == 0
        assert queue.position(0.1).started_at == 0.1

    def test_discard_fades_out_and_drops_the_rest(self) -> None:
        queue = OutputQueue(RATE)
        queue.write(_loud(100))
        queue.pull(10, at=0.0)
        queue.discard(0.015)
        assert queue.position(0.0).written == 25
        tail = queue.pull(30, at=0.01)
        steps = np.abs(np.diff(np.concatenate([[10_000], tail]).astype(int)))
        assert steps.max() < 1000, "no click"
        assert np.all(np.diff(tail[:15].astype(int)) < 0)
        assert not tail[14:].any()
        assert queue.write(_loud(1)) == 25

    def test_discard_with_little_or_nothing_left(self) -> None:
        queue = OutputQueue(RATE)
        queue.discard()
        assert queue.position(0.0).written == 0
        queue.write(_loud(4))
        queue.discard(0.015)
        assert queue.position(0.0).written == 4
        assert queue.pull(6, at=0.0).tolist()[3:] == [0, 0, 0]

    def test_a_long_conversation_without_a_question_for_the_position_stays_small(self) -> None:
        queue = OutputQueue(RATE)
        for number in range(2000):
            queue.write(_loud(5))
            queue.pull(10, at=0.01 * number)
        assert len(queue._runs) < 600
        assert queue.position(1e9).played == 10_000


class TestInputRing:
    def test_samples_come_out_with_position_and_time(self) -> None:
        ring = InputRing(capacity=100, rate=RATE)
        ring.push(_sound(30)[:, None], at=5.03)
        assert ring.take(40) is None
        taken = ring.take(20)
        assert taken is not None
        start, samples, end_at = taken
        assert (start, samples[:, 0].tolist()) == (0, list(range(1, 21)))
        assert end_at == pytest.approx(5.02)

    @given(st.lists(st.one_of(st.integers(1, 90), st.integers(-40, -1)), max_size=60))
    def test_positions_tell_which_samples_these_are(self, steps: list[int]) -> None:
        """Positive steps push, negative ones take; the sample at position p has the value p."""
        ring, pushed, due = InputRing(capacity=70, rate=RATE), 0, 0
        for step in steps:
            if step > 0:
                block = np.arange(pushed, pushed + step, dtype=np.int16)
                ring.push(block[:, None], at=(pushed + step) / RATE)
                pushed += step
                due = max(due, pushed - 70)
            elif (taken := ring.take(-step)) is not None:
                start, samples, end_at = taken
                assert start == due, "only the oldest are lost"
                assert samples[:, 0].tolist() == list(range(start, start - step))
                due = start - step
                assert end_at == pytest.approx(due / RATE)
            else:
                assert pushed - due < -step

    def test_one_late_reader_is_one_overrun(self) -> None:
        ring = InputRing(capacity=20, rate=RATE)
        for _ in range(5):
            ring.push(np.zeros((10, 1), np.int16), at=0.0)
        assert ring.overruns == 1
        ring.take(10)
        ring.push(np.zeros((20, 1), np.int16), at=0.0)
        assert ring.overruns == 2

    def test_stereo_stays_together(self) -> None:
        ring = InputRing(capacity=10, rate=RATE, channels=2)
        block = np.column_stack([_sound(8), -_sound(8)])
        ring.push(block, at=0.0)
        taken = ring.take(8)
        assert taken is not None
        assert np.array_equal(taken[1], block)

    def test_the_clock_is_calmer_than_the_times_of_single_blocks(self) -> None:
        ring, jitter = InputRing(10_000, RATE), np.random.default_rng(1).uniform(-0.015, 0.015, 300)
        errors = []
        for number, off in enumerate(jitter, start=1):
            ring.push(np.zeros((20, 1), np.int16), at=number * 0.02 + off)
            taken = ring.take(20)
            assert taken is not None
            errors.append(taken[2] - number * 0.02)
        assert np.abs(errors[CLOCK_BLOCKS:]).max() < 0.006

    def test_the_clock_follows_a_pause_of_the_device(self) -> None:
        ring = InputRing(10_000, RATE)
        ring.push(np.zeros((20, 1), np.int16), at=0.02)
        ring.push(np.zeros((20, 1), np.int16), at=3.0)
        taken = ring.take(40)
        assert taken is not None
        assert taken[2] == pytest.approx(3.0)
