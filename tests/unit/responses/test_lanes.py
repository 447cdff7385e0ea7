"""The lanes of a connection: what runs where, and which responses the server still has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agent_bench import user
from voice.responses.conversation import Node
from voice.responses.events import (
    Completed,
    Created,
    ErrorBody,
    ErrorEvent,
    Failed,
    OutputTextDelta,
    Response,
)
from voice.responses.lanes import NAMES, Exchange, Head, Lanes, Purpose

ROOT = Node()


def child(parent: Node, text: str = "x") -> Node:
    return parent.child([user(text)])


def sent(lanes: Lanes, node: Node, lane: str = NAMES[0], purpose: Purpose = "answer") -> Exchange:
    """A request for `node` is on its way on that lane."""
    exchange = Exchange(purpose, 1, node, lane)
    lanes.send(exchange)
    return exchange


def begun(exchange: Exchange, response_id: str) -> Exchange:
    exchange.response_id, exchange.started = response_id, True
    return exchange


def rests(lanes: Lanes, node: Node, response_id: str, lane: str = NAMES[0]) -> None:
    """A response ended on that lane, and stands for `node`."""
    lanes.end(begun(sent(lanes, node, lane), response_id), node)


# ── what the server has ──────────────────────────────────────────────────────────────────────


def test_a_new_connection_has_nothing() -> None:
    assert Lanes().nearest(ROOT) is None


def test_the_nearest_ancestor_is_continued_from() -> None:
    lanes, near = Lanes(), child(ROOT)
    rests(lanes, ROOT, "far", NAMES[0])
    rests(lanes, near, "near", NAMES[1])
    assert lanes.nearest(child(child(near))) == Head(near, "near", NAMES[1])
    assert lanes.nearest(child(ROOT)) == Head(ROOT, "far", NAMES[0])
    assert lanes.nearest(Node()) is None, "another conversation"


def test_a_lane_has_its_latest_response_only() -> None:
    lanes, later = Lanes(), child(ROOT)
    rests(lanes, ROOT, "r1")
    exchange = sent(lanes, later)
    assert lanes.nearest(later) is None, "from now on the first may be gone"
    lanes.end(begun(exchange, "r2"), later)
    assert lanes.nearest(later) == Head(later, "r2", NAMES[0])
    assert lanes.nearest(ROOT) is None


def test_a_response_without_a_name_or_without_a_result_is_continued_by_nobody() -> None:
    lanes = Lanes()
    lanes.end(sent(lanes, ROOT), ROOT)
    assert lanes.nearest(ROOT) is None
    lanes.end(begun(sent(lanes, ROOT), "r1"))
    assert lanes.nearest(ROOT) is None


def test_a_lane_on_which_more_waits_has_nothing_to_fork_from() -> None:
    lanes, later = Lanes(), child(ROOT)
    first = begun(sent(lanes, ROOT, purpose="draft"), "r1")
    sent(lanes, later)
    lanes.end(first, ROOT)
    assert lanes.nearest(ROOT) is None


def test_input_that_is_just_being_read_can_be_continued_once_it_has_a_name() -> None:
    lanes = Lanes()
    reading = sent(lanes, ROOT, NAMES[3], "draft")
    assert lanes.nearest(ROOT) is None
    begun(reading, "r1")
    assert lanes.nearest(child(ROOT)) == Head(ROOT, "r1", NAMES[3], running=True)
    reading.abandoned = True
    assert lanes.nearest(ROOT) is None


def test_an_answer_that_runs_is_no_ancestor() -> None:
    lanes = Lanes()
    begun(sent(lanes, ROOT), "r1")
    assert lanes.nearest(ROOT) is None, "its words are not known yet"


def test_what_the_server_has_forgotten_is_forgotten() -> None:
    lanes = Lanes()
    rests(lanes, ROOT, "r1")
    lanes.forget(Head(ROOT, "r0", NAMES[0]))
    assert lanes.nearest(ROOT)
    lanes.forget(Head(ROOT, "r1", NAMES[0]))
    assert lanes.nearest(ROOT) is None


def test_a_settled_branch_goes_by_its_new_name() -> None:
    lanes, tip = Lanes(), child(ROOT)
    settled = child(ROOT)
    rests(lanes, tip, "r1")
    lanes.rename(tip, settled)
    assert lanes.nearest(child(settled)) == Head(settled, "r1", NAMES[0])
    assert lanes.nearest(tip) is None


# ── where to run ─────────────────────────────────────────────────────────────────────────────


def test_an_answer_never_runs_on_the_lane_that_rests_under_the_settled_node() -> None:
    lanes = Lanes()
    rests(lanes, ROOT, "r1")
    assert lanes.choose(lanes.nearest(ROOT), [ROOT]) != NAMES[0]


def test_a_round_of_tools_stays_on_its_lane() -> None:
    lanes, round_ = Lanes(), child(ROOT)
    rests(lanes, ROOT, "r1", NAMES[0])
    rests(lanes, round_, "r2", NAMES[2])
    assert lanes.choose(lanes.nearest(round_), [ROOT]) == NAMES[2]


def test_input_that_is_being_read_is_continued_on_its_own_lane_whatever_rests() -> None:
    lanes = Lanes()
    begun(sent(lanes, ROOT, NAMES[4], "draft"), "r1")
    assert lanes.choose(lanes.nearest(ROOT), [ROOT]) == NAMES[4]


def test_lanes_take_turns_and_one_that_still_runs_is_avoided() -> None:
    lanes = Lanes()
    sent(lanes, ROOT, NAMES[1])
    chosen = [lanes.choose(None, []) for _ in range(8)]
    assert NAMES[1] not in chosen
    assert len(set(chosen)) == 7


def test_where_all_are_busy_the_shortest_queue_is_taken() -> None:
    lanes = Lanes()
    for name in NAMES:
        sent(lanes, ROOT, name)
        if name != NAMES[5]:
            sent(lanes, ROOT, name)
    assert lanes.choose(None, []) == NAMES[5]


# ── whose event is it ────────────────────────────────────────────────────────────────────────


def delta(lane: str | None = None) -> OutputTextDelta:
    return OutputTextDelta(stream_id=lane) if lane else OutputTextDelta()


def test_an_event_belongs_to_what_runs_on_its_lane() -> None:
    lanes = Lanes()
    one, other = sent(lanes, ROOT, NAMES[0]), sent(lanes, ROOT, NAMES[1])
    assert lanes.owner(delta(NAMES[0])) is one
    assert lanes.owner(delta(NAMES[1])) is other
    assert lanes.owner(delta(NAMES[2])) is None
    assert lanes.owner(delta("somebody-elses")) is None


def test_without_a_lane_it_belongs_to_what_runs() -> None:
    lanes = Lanes()
    assert lanes.owner(delta()) is None
    one = sent(lanes, ROOT, NAMES[3])
    assert lanes.owner(delta()) is one


def test_of_two_on_a_lane_the_named_one_is_meant() -> None:
    lanes = Lanes()
    first, second = begun(sent(lanes, ROOT), "r1"), sent(lanes, ROOT)
    done = Completed(stream_id=NAMES[0], response=Response(id="r1"))
    assert lanes.owner(done) is first
    assert lanes.owner(delta(NAMES[0])) is first
    created = Created(stream_id=NAMES[0], response=Response(id="r2"))
    assert lanes.owner(created) is second, "a new name is that of the next"


def test_of_two_on_a_lane_an_error_refuses_the_one_that_has_not_begun() -> None:
    lanes = Lanes()
    first, second = begun(sent(lanes, ROOT), "r1"), sent(lanes, ROOT)
    error = ErrorEvent(stream_id=NAMES[0], error=ErrorBody(code="server_error"))
    assert lanes.owner(error) is second
    failed = Failed(stream_id=NAMES[0], response=Response(id="r1"))
    assert lanes.owner(failed) is first
    lanes.end(second)
    assert lanes.owner(error) is first


# ── whatever happens ─────────────────────────────────────────────────────────────────────────


@given(st.lists(st.sampled_from(["heard", "interrupted", "runs on", "read"]), max_size=40))
@pytest.mark.parametrize("late", [0, 3])
def test_a_parent_is_always_its_lanes_latest(late: int, ends: list[str]) -> None:
    """A server that keeps one response a lane finds the parent of every request."""
    lanes, latest = Lanes(), dict[str, str]()
    settled, running = ROOT, list[Exchange]()
    for number, end in enumerate(ends):
        node = child(settled)
        parent = lanes.nearest(node)
        if parent:
            assert latest[parent.lane] == parent.response_id
        lane = lanes.choose(parent, [settled])
        purpose: Purpose = "draft" if end == "read" else "answer"
        exchange = begun(sent(lanes, node, lane, purpose), f"r{number}")
        exchange.parent = parent
        latest[lane] = exchange.response_id
        if end == "runs on":
            exchange.abandoned = True
            running.append(exchange)
            if len(running) > late:
                lanes.end(running.pop(0))
            continue
        result = child(node)
        lanes.end(exchange, node if end == "read" else result)
        if end == "heard":
            settled = result
