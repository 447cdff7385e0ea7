"""Whether the echo canceller works, so that the user can talk while the agent does.

Theory. It cannot be seen from levels alone: with somebody talking in the room nothing is quieter
after the canceller than before, however well it works. But what is left of an echo rises and falls
with what was played, and other people's words do not. So the canceller has failed where its output
over a few seconds is loud and its level follows the speaker's, some delay later (a correlation of
the two). Measured on 90 s of the agent's speech each: below 0.56 (p95) with a working canceller,
also while somebody talks, a television runs or dishes clatter; 0.8 to 0.95 where the echo comes
later than the canceller can reach, or where it is not told what is played.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voice.audio.residual import SOUNDING_DBFS

FAILED = 0.7
WORKS = 0.5

WINDOW_BLOCKS = 300
"""3 s, of 10 ms each: some ten syllables to compare."""

LONGEST_DELAY_BLOCKS = 100
"""Of an echo: 1 s. The canceller reaches 0.5 s (measured), Bluetooth speakers have 0.3 s."""

LEAST_SOUNDING = 0.7
"""Part of the window in which the speaker has to be heard: with more silence in it everybody who
begins to talk when the agent does seems to follow it."""

AUDIBLE_DBFS = -50.0
"""What is left is harmless below this level, which it must exceed in a tenth of the window."""

_STEP_BLOCKS = 50
"""Compared each half second."""

_FAILURES = 2
"""Windows in succession that must agree on a failure."""

_SUCCESSES = 6
"""And on a success: the next failure would be heard."""

_QUIETEST_DB = -55.0
"""Differences below this level are the background's."""

_LAG_STEP = 2

FAILED_REASON = (
    "the microphone hears my own voice, and it cannot be taken out: I listen only while I am"
    " silent; headphones would help"
)
WORKS_REASON = "my own voice can be taken out of the microphone again: just talk to interrupt me"

Float64 = NDArray[np.float64]


class Convergence:
    """Levels of speaker and canceller's output in; tells whether to listen while speaking."""

    def __init__(self) -> None:
        self.half_duplex = False
        self._far_db: deque[float] = deque(maxlen=WINDOW_BLOCKS + LONGEST_DELAY_BLOCKS)
        self._clean_db: deque[float] = deque(maxlen=WINDOW_BLOCKS)
        self._fresh_blocks = 0
        self._agreeing = 0

    @property
    def reason(self) -> str:
        """Why one listens only while the agent is silent, or always; for the user."""
        return FAILED_REASON if self.half_duplex else WORKS_REASON

    def receive(self, far_dbfs: Sequence[float], clean_dbfs: float) -> None:
        """What the speaker played since the last block, and the block as cleaned; 10 ms each."""
        self._far_db.extend(far_dbfs)
        self._clean_db.append(clean_dbfs)
        self._fresh_blocks += 1
        if self._fresh_blocks < _STEP_BLOCKS:
            return
        self._fresh_blocks = 0
        far, clean = np.array(self._far_db), np.array(self._clean_db)
        if len(clean) < WINDOW_BLOCKS or len(far) < WINDOW_BLOCKS + LONGEST_DELAY_BLOCKS:
            return
        if float(np.mean(_smooth(far[-WINDOW_BLOCKS:]) > SOUNDING_DBFS)) >= LEAST_SOUNDING:
            self._judge(far, clean)

    def forget(self) -> None:
        """There is no echo at all: begin anew, and listen always."""
        self._far_db.clear()
        self._clean_db.clear()
        self._agreeing = 0
        self.half_duplex = False

    def _judge(self, far: Float64, clean: Float64) -> None:
        audible = float(np.percentile(clean, 90)) > AUDIBLE_DBFS
        alike = likeness(far, clean) if audible else 0.0
        disagrees = alike < WORKS if self.half_duplex else alike > FAILED
        self._agreeing = self._agreeing + 1 if disagrees else 0
        if self._agreeing >= (_SUCCESSES if self.half_duplex else _FAILURES):
            self.half_duplex = not self.half_duplex
            self._agreeing = 0


def likeness(far: Float64, clean: Float64) -> float:
    """How well the levels `clean` (n,) follow `far` (n + longest delay,), both ending now: -1 to 1.

    The highest correlation over all delays.
    """
    length = len(clean)
    output = _standard(np.maximum(clean, _QUIETEST_DB))
    best = -1.0
    for lag in range(0, len(far) - length + 1, _LAG_STEP):
        part = far[len(far) - length - lag : len(far) - lag]
        best = max(best, float(output @ _standard(np.maximum(part, _QUIETEST_DB))) / length)
    return best


def _standard(levels: Float64) -> Float64:
    """With a mean of 0 and a variance of 1; zeros where nothing varies."""
    deviation = float(levels.std())
    return np.zeros_like(levels) if deviation < 1.0 else (levels - levels.mean()) / deviation


def _smooth(levels: Float64) -> Float64:
    """The loudest of each tenth of a second so far: stops inside words are no silence."""
    padded = np.concatenate([np.full(9, levels[0]), levels])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 10).max(axis=1))
