"""Whether the microphone hears the speaker at all.

Theory. With headphones there is no echo, and a canceller that expects one takes the user's own
words for it while the assistant speaks. An echo of gain g that comes d late makes every frame of
the microphone at least g times as loud as what the speaker played d before. So quiet frames of the
microphone, each d after a steady sound of the speaker, prove that no echo comes d late and is
stronger than that, whoever else speaks; and there is none at all when that is proved for each d up
to `LONGEST_SECONDS`. The proof holds for a while, then it has to be made again: a plug may have
been pulled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE

LONGEST_SECONDS = 1.0
"""Of speaker, room and microphone together."""

LIKELY_SECONDS = 0.3
"""Bluetooth speakers have that; nothing is passed on as free of echo before so much is proved."""

STEADY_DBFS = -40.0
"""Quieter blocks of the speaker prove nothing above the noise of a room."""

AUDIBLE_GAIN_DB = -35.0
"""An echo weaker than this stays below what the speech gate takes for speech."""

PROOFS = 3
"""Frames that have to agree: a glitch of a device can make one quiet."""

DOUBTS = 50
"""Frames, a second of them, after which a late echo is believed in that was not disproved."""

PROOF_SECONDS = 5.0
"""Of sound from the speaker, after which a proof has to be made again."""

_FRAME_BLOCKS = 2

_JITTER_BLOCKS = 2
"""So many blocks of the speaker may come too early or too late: two devices, two callbacks."""

_STEADY_BLOCKS = _FRAME_BLOCKS + 1 + 2 * _JITTER_BLOCKS
"""Those that a frame may hear if the delay is known to one frame: 70 ms."""

_DELAYS = round(LONGEST_SECONDS * SAMPLE_RATE / FRAME_SAMPLES)
_LIKELY_DELAYS = round(LIKELY_SECONDS * SAMPLE_RATE / FRAME_SAMPLES)
_FAR_BLOCKS = _FRAME_BLOCKS * _DELAYS + _STEADY_BLOCKS
_NEAR_FRAMES = round(PROOF_SECONDS * SAMPLE_RATE / FRAME_SAMPLES)


class EchoPath:
    """Levels of speaker and microphone in, frame by frame; an echo is assumed until disproved."""

    def __init__(self) -> None:
        silence = [-np.inf] * _FAR_BLOCKS
        self._far_db: deque[float] = deque(silence, maxlen=_FAR_BLOCKS)
        self._gains_db = np.full((_NEAR_FRAMES, _DELAYS), np.inf)
        self._frames = 0
        self._audible = True

    @property
    def audible(self) -> bool:
        """Whether the speaker may be heard in the microphone."""
        return self._audible

    def receive(self, far_dbfs: Iterable[float], near_dbfs: float) -> None:
        """What the speaker played since the last frame, each 10 ms, and the frame's level."""
        self._far_db.extend(far_dbfs)
        recent = np.lib.stride_tricks.sliding_window_view(np.array(self._far_db), _STEADY_BLOCKS)
        quietest = recent.min(axis=1)[::-1][:-1:_FRAME_BLOCKS]  # for each delay, the shortest first
        steady = quietest > STEADY_DBFS
        if not steady.any():
            return
        row = self._gains_db[self._frames % _NEAR_FRAMES]
        row[:] = np.inf
        row[steady] = near_dbfs - quietest[steady]
        self._frames += 1
        strongest_db = np.partition(self._gains_db, PROOFS - 1, axis=0)[PROOFS - 1]
        believed = np.isfinite(self._gains_db).sum(axis=0) >= DOUBTS
        believed[:_LIKELY_DELAYS] = True
        self._audible = bool(strongest_db[believed].max() > AUDIBLE_GAIN_DB)
