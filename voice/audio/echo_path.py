"""Whether the microphone hears the speaker at all.

Theory. With headphones there is no echo, and a canceller that expects one takes the user's own
words for it while the assistant speaks. An echo of gain g that is at most `LONGEST_SECONDS` late
makes every frame of the microphone at least g times as loud as the quietest block that the speaker
played in that time. So a quiet frame of the microphone after a stretch of steady sound proves that
g is small, whoever else speaks. The proof holds for a while, then it has to be made again: a plug
may have been pulled.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE

LONGEST_SECONDS = 0.2
"""Of speaker, room and microphone together; Bluetooth speakers are later, and count as echoing."""

STEADY_DBFS = -40.0
"""Quieter frames of the speaker prove nothing above the noise of a room."""

AUDIBLE_GAIN_DB = -35.0
"""An echo weaker than this stays below what the speech gate takes for speech."""

PROOFS = 3
"""Frames that have to agree: a glitch of a device can make one quiet."""

PROOF_SECONDS = 5.0
"""Of steady sound from the speaker, after which a proof has to be made again."""

_FAR_BLOCKS = round(LONGEST_SECONDS / 0.01)
_NEAR_FRAMES = round(PROOF_SECONDS * SAMPLE_RATE / FRAME_SAMPLES)


class EchoPath:
    """Levels of speaker and microphone in, frame by frame; an echo is assumed until disproved."""

    def __init__(self) -> None:
        self._far_db: deque[float] = deque(maxlen=_FAR_BLOCKS)
        self._gains_db: deque[float] = deque(maxlen=_NEAR_FRAMES)

    @property
    def audible(self) -> bool:
        """Whether the speaker may be heard in the microphone."""
        quietest = heapq.nsmallest(PROOFS, self._gains_db)
        return len(quietest) < PROOFS or quietest[-1] > AUDIBLE_GAIN_DB

    def receive(self, far_dbfs: Iterable[float], near_dbfs: float) -> None:
        """What the speaker played since the last frame, each 10 ms, and the frame's level."""
        self._far_db.extend(far_dbfs)
        quietest = min(self._far_db, default=STEADY_DBFS)
        if len(self._far_db) == _FAR_BLOCKS and quietest > STEADY_DBFS:
            self._gains_db.append(near_dbfs - quietest)
