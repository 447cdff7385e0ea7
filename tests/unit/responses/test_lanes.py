"""The ring of lanes: the settled head's lane rests, chains stay, busy lanes are avoided."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice.responses.lanes import NAMES, Lanes


def test_an_answer_never_runs_on_the_settled_lane() -> None:
    lanes = Lanes()
    first = lanes.choose(None, None, lambda _: 0)
    second = lanes.choose(first, first, lambda _: 0)
    assert second != first


def test_a_chain_of_tool_calls_stays_on_its_lane() -> None:
    lanes = Lanes()
    assert lanes.choose("voice-2", "voice-1", lambda _: 0) == "voice-2"


def test_a_lane_that_still_runs_is_avoided() -> None:
    lanes = Lanes()
    running = {"voice-1": 1, "voice-2": 1}
    assert lanes.choose("voice-0", "voice-0", lambda name: running.get(name, 0)) == "voice-3"


@given(st.lists(st.sampled_from(["heard", "interrupted"]), max_size=50))
def test_the_parent_is_always_its_lanes_latest(ends: list[str]) -> None:
    lanes, latest = Lanes(), dict[str, int]()
    settled: tuple[str, int] | None = None
    for number, end in enumerate(ends):
        parent = settled[0] if settled else None
        if settled:
            assert latest[settled[0]] == settled[1], "the fork would not find its parent"
        lane = lanes.choose(parent, parent, lambda _: 0)
        assert lane in NAMES
        latest[lane] = number
        if end == "heard":
            settled = (lane, number)
