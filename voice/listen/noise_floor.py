"""How loud the background is, followed through speech.

Theory. Speech dips to the background between words and syllables, so the quietest moment of the
last seconds is background even while somebody speaks (minimum statistics: R. Martin, IEEE
Transactions on Speech and Audio Processing 9(5), 2001). A single quiet frame may be chance, so
levels are smoothed first. The floor falls at once and rises by a few decibels a second: a fan
that starts is background soon after, a long vowel is not.
"""

from __future__ import annotations

from collections import deque

LOWEST_DBFS = -70.0
"""A quiet room; digital silence must not make the first noise after it look like speech."""

HIGHEST_FIRST_DBFS = -35.0
"""A recording may begin with speech; then its level must not become the floor."""

_SMOOTHING = 0.4
"""Weight of a new frame of 20 ms: a memory of about 40 ms, shorter than a gap between words."""

_FALL = 0.3
"""Part of the way down that is gone in each frame."""


class NoiseFloor:
    """Levels in, one a frame; the level of the background out, both in dB of full scale."""

    def __init__(self, frame_seconds: float, window_seconds: float, rise_db_per_second: float):
        self._levels: deque[float] = deque(maxlen=max(1, round(window_seconds / frame_seconds)))
        self._rise_db = rise_db_per_second * frame_seconds
        self._smooth: float | None = None
        self._floor: float | None = None

    @property
    def dbfs(self) -> float:
        """The floor as it is now."""
        return LOWEST_DBFS if self._floor is None else self._floor

    def follow(self, level_dbfs: float) -> None:
        """Take the level of the next frame."""
        level = max(level_dbfs, LOWEST_DBFS)
        if self._smooth is None or self._floor is None:
            self._smooth, self._floor = level, min(level, HIGHEST_FIRST_DBFS)
        self._smooth += _SMOOTHING * (level - self._smooth)
        self._levels.append(self._smooth)
        quietest = min(self._levels)
        if quietest < self._floor:
            self._floor += _FALL * (quietest - self._floor)
        else:
            self._floor += min(quietest - self._floor, self._rise_db)
