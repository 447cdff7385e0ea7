from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.turns.endpoint import Evidence, end_likely, silence_seconds
from voice.turns.options import TurnOptions

OPTIONS = TurnOptions()
SHARES = st.none() | st.floats(0, 1)


@pytest.mark.parametrize(
    ("text", "audio", "seconds"),
    [
        (0.9, 0.99, OPTIONS.quick_seconds),
        (0.9, None, OPTIONS.single_seconds),
        (None, 0.99, OPTIONS.single_seconds),
        (0.85, 0.7, OPTIONS.endpoint_seconds),
        (0.95, 0.7, OPTIONS.single_seconds),
        (0.95, 0.2, OPTIONS.slow_seconds),
        (0.5, 0.99, OPTIONS.endpoint_seconds),
        (None, None, OPTIONS.endpoint_seconds),
        (0.9, 0.2, OPTIONS.slow_seconds),
        (0.1, 0.99, OPTIONS.slow_seconds),
        (0.1, None, OPTIONS.slow_seconds),
    ],
)
def test_two_witnesses(text: float | None, audio: float | None, seconds: float) -> None:
    assert silence_seconds(Evidence(text, audio), OPTIONS) == seconds


def test_a_hesitation_waits_longest() -> None:
    assert silence_seconds(Evidence(0.9, 0.99, "hesitation"), OPTIONS) == OPTIONS.hesitation_seconds


def test_stop_does_not_wait_for_the_voice() -> None:
    assert silence_seconds(Evidence(0.1, 0.1, stop=True), OPTIONS) == OPTIONS.quick_seconds


@given(SHARES, SHARES, SHARES)
def test_more_evidence_for_an_end_never_waits_longer(
    text: float | None, audio: float | None, other: float | None
) -> None:
    if audio is None or other is None:
        return
    less, more = sorted((audio, other))
    waits = [silence_seconds(Evidence(text, share), OPTIONS) for share in (less, more)]
    assert waits[0] >= waits[1]


@given(SHARES, SHARES, st.floats(0.1, 2.0))
def test_there_is_an_upper_bound(text: float | None, audio: float | None, bound: float) -> None:
    options = TurnOptions(longest_pause_seconds=bound)
    assert silence_seconds(Evidence(text, audio, "hesitation"), options) <= bound


@pytest.mark.parametrize(
    ("evidence", "likely"),
    [
        (Evidence(0.9), True),
        (Evidence(0.9, 0.7), True),
        (Evidence(0.9, 0.2), False),
        (Evidence(0.1, 0.99), False),
        (Evidence(None, 0.99), False),
        (Evidence(0.9, None, "hesitation"), False),
        (Evidence(0.1, 0.2, long_silence=True), True),
        (Evidence(None, 0.99, long_silence=True), False),
        (Evidence(0.9, 0.99, "hesitation", long_silence=True), False),
    ],
)
def test_a_likely_end_needs_words_and_a_sign(evidence: Evidence, likely: bool) -> None:
    assert end_likely(evidence, OPTIONS) is likely
