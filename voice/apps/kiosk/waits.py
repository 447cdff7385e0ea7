"""How long visitors waited, part by part: counts over a whole run. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

PARTS: Final = ("endpoint", "transcribe", "first_token", "first_audio", "voice_to_voice")
"""The trace's latencies."""

BOUNDS_SECONDS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.5, 2.5, 5.0, 10.0)
"""Upper ends of the buckets; closest where a person begins to notice."""


class Waits:
    """Each part's durations in buckets of `BOUNDS_SECONDS`, and one for all that took longer."""

    def __init__(self) -> None:
        self._counts = {part: [0] * (len(BOUNDS_SECONDS) + 1) for part in PARTS}
        self.seconds = dict.fromkeys(PARTS, 0.0)
        """All durations of a part together."""

    def add(self, latency: Mapping[str, float | None]) -> None:
        """One turn's parts; None where one is not known."""
        for part in PARTS:
            if (seconds := latency.get(part)) is not None:
                self._counts[part][bisect_left(BOUNDS_SECONDS, seconds)] += 1
                self.seconds[part] += seconds

    def buckets(self, part: str) -> list[tuple[float, int]]:
        """Upper bounds in seconds, the last infinite, with how many took no longer."""
        bounds = (*BOUNDS_SECONDS, float("inf"))
        counts = self._counts[part]
        return [(bound, sum(counts[: i + 1])) for i, bound in enumerate(bounds)]
