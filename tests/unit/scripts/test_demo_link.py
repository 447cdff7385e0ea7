"""When bytes arrive on a link, without any time passing."""

from __future__ import annotations

import pytest

from scripts.demo.link import Delay


def test_bytes_take_half_a_round_trip_each_way() -> None:
    delay = Delay(rtt_seconds=0.06, opened_at=10.0)
    assert delay.up(20.0) == pytest.approx(20.03)
    assert delay.down(20.0) == pytest.approx(20.03)


def test_nothing_leaves_before_the_handshake_of_tcp_would_be_over() -> None:
    delay = Delay(rtt_seconds=0.06, opened_at=10.0)
    assert delay.up(10.0) == delay.up(10.05) == pytest.approx(10.09)
    assert delay.up(10.07) == pytest.approx(10.10)


def test_a_link_without_delay_adds_nothing() -> None:
    delay = Delay(rtt_seconds=0.0, opened_at=10.0)
    assert delay.up(10.0) == delay.down(10.0) == 10.0
