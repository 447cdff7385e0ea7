"""From measured times to figures, and what is counted without being decoded."""

from __future__ import annotations

import itertools

import pytest

from scripts.benchmarks.figures import verdicts
from scripts.benchmarks.server_figures import TARGETS, first_token_ratios
from scripts.benchmarks.server_reader import Tally
from scripts.benchmarks.server_talk import question
from voice.responses.events import Completed, Created, ErrorEvent, OutputTextDelta, encode

_EVENTS = [
    Created(),
    OutputTextDelta(sequence_number=1, delta="Good "),
    OutputTextDelta(sequence_number=2, delta="day."),
    Completed(sequence_number=3),
]
_STREAM = b"".join(b"\x81\x7e" + encode(event).encode() for event in _EVENTS)


def test_ratios_compare_the_longest_conversation() -> None:
    ratios = first_token_ratios(
        {
            "websocket": {1: [0.1, 0.1, 0.3], 50: [0.12, 0.12, 0.4]},
            "warm": {1: [0.09, 0.1, 0.3], 50: [0.125, 0.15, 0.4]},
            "cold": {1: [0.9], 50: [2.4]},
        }
    )
    assert ratios == {
        "first_token_websocket_to_cold": 0.05,
        "first_token_websocket_to_warm": 0.96,
        "first_token_websocket_last_turn_to_first": 1.2,
    }


def test_verdicts_are_on_what_was_measured() -> None:
    figures = {"relayed_events_per_second": 9_999, "connection_mb": 0.1, "connections": 200}
    assert verdicts(figures, TARGETS) == {
        "relayed_events_per_second": "missed",
        "connection_mb": "met",
    }


@pytest.mark.parametrize("chunk_bytes", [1, 7, 16, 31, 32, 33, 100, 10_000])
def test_events_are_counted_wherever_the_stream_is_cut(chunk_bytes: int) -> None:
    tally = Tally()
    new = [
        tally.add(_STREAM[start : start + chunk_bytes])
        for start in range(0, len(_STREAM), chunk_bytes)
    ]
    assert sum(new) == tally.events == len(_EVENTS)
    assert tally.ends == 1


def test_a_refusal_is_not_counted_but_raised() -> None:
    with pytest.raises(RuntimeError, match="too much"):
        Tally().add(encode(ErrorEvent(status=429, message="too much")).encode())


def test_neighbouring_questions_share_no_beginning() -> None:
    """Else a model's cache would hold more of a question than of a real one."""
    questions = [question(number) for number in range(200)]
    first_words = [one.split()[0] for one in questions]
    assert all(one != other for one, other in itertools.pairwise(first_words))
    assert len(set(questions)) == 200
    assert all(10 <= len(one.split()) <= 20 for one in questions)
