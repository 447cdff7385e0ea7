"""Durations in buckets."""

from __future__ import annotations

from voice.apps.kiosk.waits import BOUNDS_SECONDS, PARTS, Waits


def test_a_bucket_counts_what_took_no_longer() -> None:
    waits = Waits()
    for seconds in (0.1, 0.11, 30.0):
        waits.add({"transcribe": seconds, "endpoint": None})
    buckets = dict(waits.buckets("transcribe"))
    assert buckets[0.05] == 0
    assert buckets[0.1] == 1
    assert buckets[0.2] == 2
    assert buckets[BOUNDS_SECONDS[-1]] == 2
    assert buckets[float("inf")] == 3
    assert waits.seconds["transcribe"] == 30.21


def test_a_part_that_is_not_known_is_not_counted() -> None:
    waits = Waits()
    waits.add({"endpoint": None})
    assert all(waits.buckets(part)[-1] == (float("inf"), 0) for part in PARTS)
