"""A turn's latencies as bars: seconds in, cells of a terminal out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PARTS = {
    "endpoint": "pause",
    "transcribe": "words",
    "first_token": "first token",
    "first_audio": "first sound",
}
"""The latencies that follow one another, and what a person calls them."""

CELLS_PER_SECOND = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of the wait: its `cells` begin after `offset` cells."""

    part: str
    seconds: float
    offset: int
    cells: int

    @property
    def label(self) -> str:
        """What a person calls it."""
        return PARTS[self.part]


def waterfall(latency: Mapping[str, float | None], width: int) -> list[Bar]:
    """The parts of a turn's latency one after another, in at most `width` cells.

    All turns have the same scale but those that would be too long. A part that took no time worth
    a cell has none. Empty where the turn has no latency from word to sound.
    """
    if latency.get("voice_to_voice") is None:
        return []
    known = {part: max(0.0, latency.get(part) or 0.0) for part in PARTS}
    scale = min(CELLS_PER_SECOND, width / (sum(known.values()) or 1.0))
    bars, end = [], 0.0
    for part, seconds in known.items():
        begin, end = end, end + seconds
        offset = round(begin * scale)
        bars.append(Bar(part, seconds, offset, round(end * scale) - offset))
    return bars


def median(values: list[float]) -> float | None:
    """The middle one (of two, the lower); None of none."""
    return sorted(values)[(len(values) - 1) // 2] if values else None


_STEPS = "▁▂▃▄▅▆▇█"
_HIGHEST_SECONDS = 2.0


def sparkline(seconds: list[float], width: int) -> str:
    """The latest `width` values as columns; two seconds and more are a whole one."""
    top = len(_STEPS) - 1
    return "".join(_STEPS[min(top, round(s / _HIGHEST_SECONDS * top))] for s in seconds[-width:])
