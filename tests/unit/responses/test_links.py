"""Connections: opened, lost, opened again with patience, and replaced between turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.responses.links import LASTING_SECONDS, Link, Links
from voice.responses.recovery import Backoff
from voice.responses.signals import CloseLink, OpenLink

AGE = 3300.0


def links(random: float = 1.0) -> Links:
    return Links(Backoff(lambda: random, first_seconds=0.5, most_seconds=30.0), AGE)


def link(number: int, at: float, *, feeds: bool = True) -> Link:
    return Link(number, at, chains=True, feeds=feeds, cancels=True)


def open_next(some: Links, at: float, *, feeds: bool = True) -> Link:
    """The connection that is due is asked for and is there at once."""
    [action] = some.turn_over(at, idle=True)
    assert isinstance(action, OpenLink)
    opened = some.opened(link(action.link, at, feeds=feeds))
    assert opened is not None
    return opened


def test_the_first_connection_is_opened_at_once_and_once() -> None:
    some = links()
    assert some.deadline() == 0.0
    assert some.turn_over(0.0, idle=True) == [OpenLink(1)]
    assert some.turn_over(5.0, idle=True) == []
    assert some.deadline() is None, "nothing to do but wait"


def test_requests_go_to_the_connection_that_is_there() -> None:
    some = links()
    assert (some.active, some.lost_at) == (None, 0.0)
    first = open_next(some, 1.0)
    assert some.active is first
    assert some.get(1) is first
    assert some.get(2) is None
    assert some.lost_at is None
    assert some.deadline() == 1.0 + AGE


def test_a_connection_that_nobody_waits_for_is_not_taken() -> None:
    some = links()
    open_next(some, 0.0)
    assert some.opened(link(7, 1.0)) is None
    assert some.active
    assert some.active.number == 1


def test_one_that_reads_nothing_ahead_is_ready_at_once() -> None:
    assert not open_next(links(), 0.0).primed
    assert open_next(links(), 0.0, feeds=False).primed


def test_a_lost_connection_is_opened_anew_at_once() -> None:
    some = links()
    first = open_next(some, 0.0)
    some.lost(first, 5.0)
    assert some.lost_at == 5.0
    assert some.deadline() == 5.0
    assert some.turn_over(5.0, idle=False) == [OpenLink(2)]


def test_what_cannot_be_opened_is_tried_less_and_less_often() -> None:
    some, now, waits = links(), 0.0, list[float]()
    for _ in range(9):
        [opened] = some.turn_over(now, idle=True)
        assert isinstance(opened, OpenLink)
        some.failed(opened.link, now)
        at = some.deadline()
        assert at is not None
        assert some.turn_over(at - 0.01, idle=True) == []
        waits.append(at - now)
        now = at
    assert waits == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30, 30])


def test_the_failure_of_a_connection_that_nobody_waits_for_changes_nothing() -> None:
    some = links()
    open_next(some, 0.0)
    some.failed(1, 1.0)
    assert some.deadline() == AGE


def test_a_server_that_lets_us_in_and_throws_us_out_is_not_called_again_and_again() -> None:
    some, now, waits = links(), 0.0, list[float]()
    for _ in range(6):
        opened = open_next(some, now)
        some.lost(opened, now)
        at = some.deadline()
        assert at is not None
        waits.append(at - now)
        now = at
    assert waits == pytest.approx([0.0, 0.5, 1, 2, 4, 8])


@pytest.mark.parametrize("proof", ["answered", "lasted"])
def test_one_that_was_any_good_is_opened_anew_at_once(proof: str) -> None:
    some, now = links(), 0.0
    for _ in range(4):
        opened = open_next(some, now)
        if proof == "answered":
            some.proved()
        else:
            now += LASTING_SECONDS
        some.lost(opened, now)
        assert some.deadline() == now


# ── rotation ─────────────────────────────────────────────────────────────────────────────────


def old_with_successor() -> tuple[Links, Link, Link]:
    some = links()
    first = open_next(some, 0.0)
    second = open_next(some, AGE)
    assert some.active is first
    assert some.successor is second
    return some, first, second


def test_an_old_connection_is_replaced_between_turns() -> None:
    some, _, second = old_with_successor()
    assert some.turn_over(AGE, idle=True) == [], "the new one has not read the conversation yet"
    second.primed = True
    assert some.turn_over(AGE + 1, idle=False) == [], "somebody speaks"
    assert some.turn_over(AGE + 2, idle=True) == [CloseLink(1)]
    assert some.active is second
    assert some.successor is None
    assert some.deadline() == 2 * AGE


def test_while_a_successor_is_there_no_other_is_opened() -> None:
    some, _, _ = old_with_successor()
    assert some.deadline() is None
    assert some.turn_over(AGE * 3, idle=False) == []


def test_a_worn_connection_is_replaced_before_its_time() -> None:
    some = links()
    first = open_next(some, 0.0)
    first.worn = True
    assert some.turn_over(1.0, idle=True) == [OpenLink(2)]


def test_where_the_old_one_is_lost_its_successor_takes_over_at_once() -> None:
    some, first, second = old_with_successor()
    some.lost(first, AGE + 1)
    assert some.active is second
    assert some.successor is None
    assert some.lost_at is None, "there was always one"
    assert some.turn_over(AGE + 1, idle=False) == []


def test_where_the_old_one_is_lost_first_the_one_that_is_being_opened_takes_its_place() -> None:
    some = links()
    first = open_next(some, 0.0)
    assert some.turn_over(AGE, idle=True) == [OpenLink(2)]
    some.lost(first, AGE + 1)
    assert some.turn_over(AGE + 1, idle=True) == [], "it is on its way"
    second = some.opened(link(2, AGE + 2))
    assert some.active is second


@pytest.mark.parametrize("how", ["not opened", "lost again"])
def test_a_rotation_that_fails_is_tried_again_later(how: str) -> None:
    some = links()
    first = open_next(some, 0.0)
    first.primed = True
    if how == "not opened":
        some.turn_over(AGE, idle=True)
        some.failed(2, AGE)
    else:
        some.lost(open_next(some, AGE), AGE)
    assert some.active is first
    assert some.lost_at is None
    at = some.deadline()
    assert at is not None
    assert at <= AGE + 0.5
    assert some.turn_over(at, idle=False) == [OpenLink(3)]


def test_rotations_that_fail_are_tried_less_and_less_often() -> None:
    some, now, waits = links(), AGE, list[float]()
    open_next(some, 0.0).primed = True
    for _ in range(4):
        some.lost(open_next(some, now), now)
        at = some.deadline()
        assert at is not None
        waits.append(at - now)
        now = at
    assert waits == pytest.approx([0.0, 0.5, 1, 2])


def test_somebody_who_waits_is_not_kept_waiting() -> None:
    some = links()
    some.turn_over(0.0, idle=True)
    some.failed(1, 0.0)
    some.hurry(0.1)
    assert some.turn_over(0.1, idle=False) == [OpenLink(2)]
    some.hurry(0.2)
    assert some.turn_over(0.2, idle=False) == [], "it is on its way"
    some.opened(link(2, 0.3))
    some.hurry(0.3)
    assert some.turn_over(0.3, idle=False) == [], "it is there"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["opened", "failed", "lost", "successor lost", "read", "worn"]),
        st.floats(0, 2 * AGE),
        st.booleans(),
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_what_is_due_is_done_and_there_are_two_connections_at_most(
    steps: list[tuple[str, float, bool]],
) -> None:
    some, now, waiting, open_ones = links(), 0.0, set[int](), set[int]()
    for step, seconds, idle in steps:
        for action in some.turn_over(now, idle=idle):
            if isinstance(action, OpenLink):
                waiting.add(action.link)
            else:
                open_ones.remove(action.link)
        assert len(waiting) <= 1
        assert len(waiting | open_ones) <= 2
        assert {one.number for one in (some.active, some.successor) if one} == open_ones
        assert some.active or not some.successor
        deadline = some.deadline()
        assert deadline is None or deadline > now
        assert deadline is not None or waiting or some.successor, "nothing would ever happen"
        now += seconds
        if step == "opened" and waiting:
            number = waiting.pop()
            assert some.opened(link(number, now))
            open_ones.add(number)
        elif step == "failed" and waiting:
            some.failed(waiting.pop(), now)
        elif step == "read" and some.successor:
            some.successor.primed = True
        elif step == "worn" and some.active:
            some.active.worn = True
        elif one := {"lost": some.active, "successor lost": some.successor}.get(step):
            open_ones.remove(one.number)
            some.lost(one, now)
