"""Servers of tools are started again, ever less often, in simulated time."""

from __future__ import annotations

import pytest

from voice.tools.mcp_lifecycle import LASTING_SECONDS, MOST_SECONDS, Lifecycle


def pauses(lifecycle: Lifecycle, count: int, up_seconds: float | None = None) -> list[float]:
    """How long each failure is followed by nothing; the server may have been up before it."""
    found = []
    for _ in range(count):
        at = lifecycle.deadline()
        assert at is not None
        lifecycle.starting()
        if up_seconds is not None:
            lifecycle.came_up(at)
            at += up_seconds
        lifecycle.went_down(at)
        found.append((lifecycle.deadline() or 0.0) - at)
    return found


def test_the_first_start_is_at_once_and_once() -> None:
    lifecycle = Lifecycle(lambda: 0.0)
    assert lifecycle.deadline() == 0.0
    lifecycle.starting()
    assert lifecycle.deadline() is None
    lifecycle.came_up(3.0)
    assert lifecycle.deadline() is None, "nothing to do while it is up"


def test_pauses_double_up_to_a_minute() -> None:
    found = pauses(Lifecycle(lambda: 0.0), 100)
    assert found[:9] == pytest.approx([0.5, 1, 2, 4, 8, 16, 32, 60, 60])
    assert found[-1] == pytest.approx(MOST_SECONDS)


def test_chance_shortens_a_pause_by_half_at_most() -> None:
    assert pauses(Lifecycle(lambda: 1.0), 3) == pytest.approx([0.25, 0.5, 1.0])


def test_a_server_that_dies_soon_after_each_start_is_waited_for_ever_longer() -> None:
    found = pauses(Lifecycle(lambda: 0.0), 4, up_seconds=LASTING_SECONDS - 1)
    assert found == pytest.approx([0.5, 1, 2, 4])


def test_one_that_lasted_is_started_again_soon() -> None:
    lifecycle = Lifecycle(lambda: 0.0)
    pauses(lifecycle, 5)
    assert pauses(lifecycle, 2, up_seconds=LASTING_SECONDS) == pytest.approx([0.5, 0.5])


def test_the_time_that_a_start_takes_is_no_time_that_it_was_up() -> None:
    lifecycle = Lifecycle(lambda: 0.0)
    pauses(lifecycle, 2, up_seconds=LASTING_SECONDS)
    lifecycle.starting()
    lifecycle.went_down(1_000.0)
    assert lifecycle.deadline() == pytest.approx(1_001.0)
