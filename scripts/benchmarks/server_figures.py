"""From measured times to figures, targets and a table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.benchmarks.figures import Target, rounded

TARGETS: Mapping[str, Target] = {
    "first_token_websocket_to_cold": Target(0.25),
    "first_token_websocket_to_warm": Target(1.02),  # never slower, but for what chance adds
    "first_token_websocket_last_turn_to_first": Target(1.3),
    "relayed_events_per_second": Target(10_000, least=True),
    "connection_mb": Target(1.0),
}


def first_token_ratios(seconds: Mapping[str, Mapping[int, Sequence[float]]]) -> dict[str, Any]:
    """What a WebSocket saves in the longest conversation; times are by way and turn.

    With the warm cache, whose times are close, each is compared to its neighbour in time.
    """
    websocket, warm = seconds["websocket"], seconds["warm"]
    first, last = min(websocket), max(websocket)
    median = statistics.median(websocket[last])
    return {
        "first_token_websocket_to_cold": rounded(median / statistics.median(seconds["cold"][last])),
        "first_token_websocket_to_warm": rounded(
            statistics.median(ratios_to_warm(websocket[last], warm[last]))
        ),
        "first_token_websocket_last_turn_to_first": rounded(
            median / statistics.median(websocket[first])
        ),
    }


def ratios_to_warm(websocket: Sequence[float], warm: Sequence[float]) -> list[float]:
    """Of each time to its neighbour."""
    return [one / other for one, other in zip(websocket, warm, strict=True)]
