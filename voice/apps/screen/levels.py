"""Level meters: dBFS in, cells out, with a peak that falls slowly. Pure."""

from __future__ import annotations

QUIETEST_DBFS = -60.0
"""Where a meter begins: a quiet room."""

LOUDEST_DBFS = -6.0
"""Where it ends: speech that nearly clips has an RMS of about this."""

FALL_DB_PER_SECOND = 40.0
"""How fast a meter falls: the eye follows it, and syllables do not make it flicker."""


def fraction(dbfs: float) -> float:
    """How much of a meter a level fills, 0 to 1."""
    span = LOUDEST_DBFS - QUIETEST_DBFS
    return min(1.0, max(0.0, (dbfs - QUIETEST_DBFS) / span))


class Meter:
    """Rises at once and falls slowly."""

    def __init__(self) -> None:
        self._dbfs = QUIETEST_DBFS
        self._at = 0.0

    def show(self, dbfs: float, now: float, cells: int) -> int:
        """The cells that are lit of so many, at `now` (seconds)."""
        fallen = self._dbfs - FALL_DB_PER_SECOND * (now - self._at)
        self._dbfs, self._at = max(dbfs, fallen, QUIETEST_DBFS), now
        return round(fraction(self._dbfs) * cells)
