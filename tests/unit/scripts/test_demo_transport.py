"""In which order and side by side with what the chains are held."""

from __future__ import annotations

from scripts.demo.chains import COLD_WAYS, WAYS
from scripts.demo.transport import Plan
from scripts.demo.workload import TINY


def _plan(*rtts: float, side_by_side: bool = False) -> Plan:
    return Plan(TINY, WAYS, rtts, rounds=3, side_by_side=side_by_side)


def test_every_round_begins_with_another_way_and_has_all() -> None:
    plan = _plan(0)
    rounds = [plan.order(number) for number in range(7)]
    assert [ways[0].letter for ways in rounds] == list("abcdeab")
    assert all(set(ways) == set(WAYS) for ways in rounds)


def test_a_cold_prefix_has_one_round() -> None:
    plan = Plan(TINY, [*COLD_WAYS, *WAYS], [0, 60], rounds=3)
    assert {way.prefix for way in plan.order(0)} == {"cold", "warm"}
    assert {way.prefix for way in plan.order(1)} == {"warm"}
    assert plan.chains == 2 * (7 + 5 + 5)


def test_a_link_without_delay_is_measured_alone() -> None:
    assert _plan(0, 20, 60, side_by_side=True).groups() == [[0], [20, 60]]
    assert _plan(20, 60, side_by_side=True).groups() == [[20, 60]]
    assert _plan(0, side_by_side=True).groups() == [[0]]


def test_one_link_at_a_time_where_figures_are_to_be_quoted() -> None:
    assert _plan(0, 20, 60).groups() == [[0], [20], [60]]


def test_only_ways_that_carry_the_whole_context_can_be_cold() -> None:
    assert [way.letter for way in COLD_WAYS] == ["a cold", "b cold"]
    assert all(way.prefix == "cold" and way.carries_whole for way in COLD_WAYS)
