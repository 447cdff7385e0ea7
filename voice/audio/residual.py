"""How much of the agent's voice an echo canceller leaves behind.

Theory. Where the canceller takes much out of a block, the block was echo for the most part, and
what is left of it is the residual. It is compared with the loudest that the speaker played shortly
before; the ratio that hardly any residual exceeds (a quantile, followed by stochastic
approximation: H. Robbins and S. Monro, 1951) tells how loud the residual can be at any moment.
Where the canceller takes out little, somebody else speaks, and nothing can be learned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

SILENCE_DBFS = -96.0

SOUNDING_DBFS = -40.0
"""What the speaker plays below this level, such as the end of a word, leaves nothing to hear."""

_REVERBERATION_BLOCKS = 30
"""0.3 s: what was played that long ago may still be in the room, or on its way."""

_TAKEN_OUT_DB = 6.0
"""A block that the canceller made so much quieter was echo for the most part."""

_FIRST_LEAK_DB = -25.0
"""Before anything is known: the first second of an echo came out at least so weak (measured)."""

_QUANTILE = 0.9
_STEP_DB = 0.3

_ERLE_BLOCKS = 200
"""The last two seconds of echo."""

_AUDIBLE_DBFS = -50.0
"""An echo below this level is too near to the noise of a room to be compared with its residual."""


class ResidualEcho:
    """Levels of speaker, microphone and canceller's output in, 10 ms each."""

    def __init__(self) -> None:
        self._far_db: deque[float] = deque([SILENCE_DBFS], maxlen=_REVERBERATION_BLOCKS)
        self._taken_db: deque[float] = deque(maxlen=_ERLE_BLOCKS)
        self._leak_db = _FIRST_LEAK_DB

    @property
    def sounding(self) -> bool:
        """Whether the speaker may be heard now."""
        return max(self._far_db) > SOUNDING_DBFS

    @property
    def dbfs(self) -> float:
        """The highest level that what is left of the echo may have now."""
        return max(SILENCE_DBFS, max(self._far_db) + self._leak_db)

    @property
    def erle_db(self) -> float | None:
        """Echo return loss enhancement: by how much the canceller lowers the echo, median.

        A lower bound: what is left is mostly the room's own noise, and somebody may have talked.
        None: not known (yet).
        """
        return median(self._taken_db) if len(self._taken_db) == _ERLE_BLOCKS else None

    def receive(self, far_dbfs: Sequence[float], near_dbfs: float, clean_dbfs: float) -> None:
        """What the speaker played since the last block, and a block as captured and as cleaned."""
        self._far_db.extend(far_dbfs)
        if not self.sounding:
            return
        taken_db = near_dbfs - clean_dbfs
        if near_dbfs > _AUDIBLE_DBFS:
            self._taken_db.append(taken_db)
        if taken_db < _TAKEN_OUT_DB:
            return
        above = clean_dbfs > max(self._far_db) + self._leak_db
        self._leak_db += _STEP_DB * (_QUANTILE if above else _QUANTILE - 1)
