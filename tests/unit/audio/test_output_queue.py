"""The queue before a speaker: positions, fades, holds, and what conceals a gap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.frames import Int16
from voice.audio.output_queue import KEPT_SECONDS, UNDERRUN_SECONDS, OutputQueue

RATE = 1000
"""One sample a millisecond keeps the sums readable."""

LOUD = 10_000


def _sound(count: int, first: int = 1) -> Int16:
    return np.arange(first, first + count, dtype=np.int16)


def _loud(count: int) -> Int16:
    return np.full(count, LOUD, np.int16)


def _tone(count: int, first: int = 0) -> Int16:
    """5 Hz, from the sample `first` of a tone that begins with zero."""
    return (LOUD * np.sin(2 * np.pi * 5 / RATE * np.arange(first, first + count))).astype(np.int16)


def _largest_step(samples: Int16) -> int:
    return int(np.abs(np.diff(samples.astype(int), prepend=0)).max())


def test_what_is_written_comes_out_in_order_then_silence() -> None:
    queue = OutputQueue(RATE)
    assert queue.write(_sound(3)) == 0
    assert queue.write(_sound(4, first=4)) == 3
    assert queue.pull(5, 0.0).tolist() == [1, 2, 3, 4, 5]
    assert queue.pull(5, 0.005).tolist() == [6, 7, 0, 0, 0]


@given(st.lists(st.one_of(st.integers(0, 40), st.integers(-40, -1)), max_size=60))
def test_nothing_is_lost_or_put_in(steps: list[int]) -> None:
    """Positive steps write, negative ones pull; what is not silence is what was written."""
    queue, written, heard = OutputQueue(RATE), 0, []
    for number, step in enumerate(steps):
        if step >= 0:
            sound = np.arange(written, written + step) % 50 + 1  # too quiet to be faded
            assert queue.write(sound.astype(np.int16)) == written
            written += step
        else:
            heard += queue.pull(-step, 0.04 * number).tolist()
    heard += queue.pull(queue.waiting, 10.0).tolist()
    assert [sample for sample in heard if sample] == [n % 50 + 1 for n in range(written)]


def test_the_writer_may_use_its_array_again() -> None:
    queue, samples = OutputQueue(RATE), _sound(3)
    queue.write(samples)
    samples[:] = 0
    assert queue.pull(3, 0.0).tolist() == [1, 2, 3]


def test_heard_is_what_the_device_has_had_long_enough() -> None:
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
    sizes: list[int], jitter: list[float]
) -> None:
    queue, positions = OutputQueue(RATE), []
    for number, size in enumerate(sizes):
        now = number * 0.01
        queue.write(_loud(size))
        queue.pull(10, now + 0.02 + jitter[number])
        positions.append(queue.position(now))
    assert all(a.played <= b.played for a, b in pairwise(positions))
    assert all(p.played <= p.written for p in positions)


def test_a_start_is_told_when_it_has_been_heard() -> None:
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


def test_sound_after_silence_starts_anew() -> None:
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
def test_a_short_silence_between_sounds_is_an_underrun(silence: float, underruns: int) -> None:
    queue = OutputQueue(RATE)
    queue.write(_loud(5))
    queue.pull(10, at=0.0)  # dry from 0.005 on
    queue.write(_loud(5))
    queue.pull(10, at=0.005 + silence)
    assert queue.underruns == underruns


def test_a_silence_after_a_stop_is_no_underrun() -> None:
    queue = OutputQueue(RATE)
    queue.write(_loud(100))
    queue.pull(10, at=0.0)
    queue.discard(0.015)
    queue.pull(20, at=0.01)
    queue.write(_loud(5))
    queue.pull(10, at=0.1)
    assert queue.underruns == 0
    assert queue.position(0.1).started_at == 0.1


def test_discard_fades_out_and_drops_the_rest() -> None:
    queue = OutputQueue(RATE)
    queue.write(_loud(100))
    queue.pull(10, at=0.0)
    queue.discard(0.015)
    assert queue.position(0.0).written == 10, "what fades away does not count"
    tail = queue.pull(30, at=0.01)
    assert _largest_step(np.concatenate([_loud(1), tail])[1:] - LOUD) < 1000
    assert np.all(np.diff(tail[:15].astype(int)) < 0)
    assert not tail[15:].any()
    assert queue.write(_loud(1)) == 10


def test_discard_with_little_or_nothing_left() -> None:
    queue = OutputQueue(RATE)
    queue.discard()
    assert queue.position(0.0).written == 0
    queue.write(_loud(14))
    queue.pull(10, at=0.0)
    queue.discard(0.015)
    tail = queue.pull(30, at=0.01)
    assert _largest_step(np.concatenate([_loud(1), tail])[1:] - LOUD) < 1000
    assert not tail[15:].any()


def test_what_was_discarded_before_it_sounded_never_does() -> None:
    queue = OutputQueue(RATE)
    queue.write(_loud(100))
    queue.discard()
    assert not queue.pull(100, at=0.0).any()


def test_a_long_conversation_without_a_question_for_the_position_stays_small() -> None:
    queue = OutputQueue(RATE)
    for number in range(2000):
        queue.write(_loud(5))
        queue.pull(10, at=0.01 * number)
    assert len(queue._heard._runs) < 600
    assert queue.position(1e9).played == 10_000


# ── quieter ──────────────────────────────────────────────────────────────────────────────────


def test_ducked_sound_goes_on_20_db_quieter() -> None:
    queue = OutputQueue(RATE)
    queue.write(_loud(1000))
    queue.pull(10, at=0.0)
    queue.duck()
    ducked = queue.pull(100, at=0.01)
    assert _largest_step(np.concatenate([_loud(1), ducked])[1:] - LOUD) < 1000
    assert np.all(ducked[15:] == LOUD // 10)
    queue.unduck()
    back = queue.pull(100, at=0.11)
    assert np.all(np.diff(back.astype(int)) >= 0)
    assert np.all(back[15:] == LOUD)
    assert queue.position(1.0).played == 210


def test_what_follows_a_discard_is_as_loud_as_it_was_written() -> None:
    queue = OutputQueue(RATE)
    queue.write(_loud(100))
    queue.pull(10, at=0.0)
    queue.duck()
    queue.pull(20, at=0.01)
    queue.discard(0.015)
    queue.write(_loud(10))
    tail = queue.pull(10, at=0.03)
    assert np.all((tail > LOUD) & (tail <= LOUD + LOUD // 10)), "beside what fades away"


# ── held ─────────────────────────────────────────────────────────────────────────────────────


def _held_at(played: int, *, written: int = 1000) -> OutputQueue:
    """A queue with a rising sound that was held when `played` had been pulled and heard."""
    queue = OutputQueue(RATE)
    queue.write(_sound(written))
    queue.pull(played, at=0.0)
    queue.hold(0.01)
    queue.pull(100, at=played / RATE)
    return queue


def test_a_hold_fades_to_silence_and_keeps_the_rest() -> None:
    queue = OutputQueue(RATE)
    queue.write(_loud(200))
    queue.pull(100, at=0.0)
    queue.hold(0.015)
    faded = queue.pull(30, at=0.1)
    assert _largest_step(np.concatenate([_loud(1), faded])[1:] - LOUD) < 1000
    assert not faded[14:].any()
    assert not queue.pull(1000, at=0.13).any()
    position = queue.position(2.0)
    assert (position.played, position.sounding, position.written) == (115, 115, 200)
    assert queue.waiting == 0
    assert queue.write(_loud(10)) == 200, "the writer notices nothing"


def test_what_was_held_goes_on_where_it_is_told_to() -> None:
    queue = _held_at(500)
    queue.resume(480, 0.01)
    samples = queue.pull(100, at=1.0)
    assert np.all(samples[:10] <= _sound(10, first=481))
    assert samples[10:].tolist() == _sound(90, first=491).tolist()
    assert queue.underruns == 0


def test_what_is_heard_again_is_not_counted_twice() -> None:
    queue = _held_at(500)  # and 10 more, fading
    queue.resume(480)
    queue.pull(100, at=1.0)
    found = [(p.played, p.sounding) for p in map(queue.position, (0.9, 1.0, 1.02, 1.03, 1.05, 2.0))]
    assert found == [(510, 480), (510, 480), (510, 500), (510, 510), (530, 530), (580, 580)]


def test_a_resumed_sound_begins_after_silence() -> None:
    queue = _held_at(500)
    queue.resume(480)
    queue.pull(100, at=1.0)
    position = queue.position(1.0)
    assert (position.started_index, position.started_at) == (480, 1.0)


def test_only_the_last_seconds_can_be_heard_again() -> None:
    queue = OutputQueue(RATE)
    for _ in range(10):
        queue.write(_loud(1000))
        queue.pull(1000, at=0.0)
    queue.hold()
    queue.resume(0)
    queue.pull(1, at=20.0)
    kept = 10_000 - queue.position(20.0).sounding
    assert KEPT_SECONDS * RATE <= kept < KEPT_SECONDS * RATE + 1000
    assert len(queue.pull(kept - 1, at=20.0).nonzero()[0]) == kept - 1
    assert queue.waiting == 0


def test_a_hold_before_the_first_sound_lets_nothing_through() -> None:
    queue = OutputQueue(RATE)
    queue.hold()
    queue.write(_loud(100))
    assert not queue.pull(200, at=0.0).any()
    queue.resume(0)
    samples = queue.pull(200, at=0.2)
    assert np.all(samples[15:100] == LOUD)
    assert queue.position(0.2).started_index == 0
    assert queue.underruns == 0


def test_a_hold_that_is_over_before_it_was_silent_does_not_click() -> None:
    queue = OutputQueue(RATE)
    queue.write(_tone(1000))
    before = queue.pull(150, at=0.0)
    queue.hold()
    queue.resume(120)
    after = queue.pull(100, at=0.15)
    assert _largest_step(np.concatenate([before, after])) < 1200
    assert after[30:].tolist() == _tone(70, first=135).tolist()


def test_what_is_discarded_while_it_is_held_is_over_at_once() -> None:
    queue = _held_at(500)
    queue.discard()
    assert queue.position(5.0).written == 510
    queue.write(_loud(10))
    assert queue.pull(10, at=5.0).tolist() == [LOUD] * 10


def test_a_discard_while_something_is_heard_again_keeps_the_count() -> None:
    queue = _held_at(500)
    queue.resume(400)
    queue.pull(50, at=1.0)
    queue.discard(0.015)
    assert queue.position(2.0).written == 510
    assert queue.write(_loud(10)) == 510
    queue.pull(10, at=2.1)
    position = queue.position(3.0)
    assert (position.played, position.sounding) == (520, 520)


def test_without_a_hold_nothing_is_resumed() -> None:
    queue = OutputQueue(RATE)
    queue.write(_sound(100))
    queue.pull(50, at=0.0)
    queue.resume(10)
    assert queue.pull(10, at=0.05).tolist() == _sound(10, first=51).tolist()


# ── gaps ─────────────────────────────────────────────────────────────────────────────────────


def test_a_gap_is_concealed_on_both_sides() -> None:
    queue = OutputQueue(RATE)
    queue.write(_tone(50))
    heard = [queue.pull(40, at=0.0), queue.pull(40, at=0.04), queue.pull(40, at=0.08)]
    queue.write(_tone(100, first=50))
    heard.append(queue.pull(100, at=0.12))
    gap = np.concatenate(heard)
    assert _largest_step(gap) < 1200
    assert 0 < abs(gap[55]) < LOUD
    assert not gap[66:120].any()
    assert queue.underruns == 1
    assert queue.position(1.0).played == 150, "what conceals it is none of the answer"


_STEP = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 300)),
    st.tuples(st.just("pull"), st.integers(1, 120)),
    st.tuples(st.sampled_from(["duck", "unduck", "hold", "discard"]), st.just(0)),
    st.tuples(st.just("resume"), st.integers(0, 500)),
)


@given(st.lists(_STEP, min_size=1, max_size=40))
def test_whatever_happens_nothing_clicks_and_no_position_is_wrong(
    steps: list[tuple[str, int]],
) -> None:
    """A tone is written; after a discard it begins anew. A resume goes back by its number."""
    queue, phase, now = OutputQueue(RATE), 0, 0.0
    heard: list[Int16] = [np.zeros(1, np.int16)]
    positions = [queue.position(0.0)]
    for verb, number in [*steps, ("resume", 0), *[("pull", 100)] * 20]:
        match verb:
            case "write":
                assert queue.write(_tone(number, first=phase)) == positions[-1].written
                phase += number
            case "pull":
                heard.append(queue.pull(number, at=now))
                now += number / RATE
            case "duck":
                queue.duck()
            case "unduck":
                queue.unduck()
            case "hold":
                queue.hold()
            case "resume":
                queue.resume(positions[-1].sounding - number)
            case "discard":
                queue.discard()
                phase = 0
                assert queue.position(now).written <= positions[-1].written
        positions.append(queue.position(now))
    assert _largest_step(np.concatenate(heard)) < 2500 < LOUD / 2
    assert all(a.played <= b.played for a, b in pairwise(positions))
    assert all(0 <= p.sounding <= p.played <= p.written for p in positions)
    left = positions[-1].written - positions[-1].sounding
    assert left == 0 or left >= sum(number for verb, number in steps if verb == "write") - 2000
