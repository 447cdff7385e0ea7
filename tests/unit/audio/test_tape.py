from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voice.audio.tape import Tape


def _take(tape: Tape, count: int) -> list[int]:
    out = np.zeros(count, np.int16)
    return out[: tape.take(out)].tolist()


@given(
    st.lists(
        st.tuples(st.sampled_from(["write", "take", "rewind", "last"]), st.integers(0, 30)),
        max_size=60,
    )
)
def test_it_is_a_list_with_a_place_in_it(steps: list[tuple[str, int]]) -> None:
    kept = 25
    tape, samples, place = Tape(kept), np.zeros(0, np.int16), 0
    for verb, number in steps:
        match verb:
            case "write":
                more = np.arange(len(samples), len(samples) + number, dtype=np.int16)
                assert tape.write(more) == len(samples)
                samples = np.concatenate([samples, more])
            case "take":
                taken = _take(tape, number)
                assert taken == samples[place : place + number].tolist()
                place += len(taken)
            case "rewind":
                tape.rewind(place - number)
                assert place - number <= tape.next <= place
                assert tape.next == max(0, place - number) or place - tape.next >= kept - number
                place = tape.next
            case "last":
                last = tape.last(number).tolist()
                assert last == samples[place - len(last) : place].tolist()
                assert len(last) <= number
        assert (tape.next, tape.left) == (place, len(samples) - place)


def test_the_last_samples_stay() -> None:
    tape = Tape(5)
    for _ in range(20):
        tape.write(np.arange(3, dtype=np.int16))
        _take(tape, 3)
    tape.rewind(0)
    assert 60 - 8 < tape.next <= 60 - 5


def test_after_a_cut_it_begins_where_it_is_told_to() -> None:
    tape = Tape(5)
    tape.write(np.ones(10, np.int16))
    _take(tape, 4)
    tape.cut(4)
    assert tape.left == 0
    assert not len(tape.last(3))
    assert tape.write(np.ones(1, np.int16)) == 4
