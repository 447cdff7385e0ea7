"""When an echo canceller need not work: while nothing is played, there is no echo.

Theory. A canceller counts (see `far_end`), so speaker and microphone must stand still together, or
it has to find its delay anew. Sound of both comes in uneven pieces; what was passed over of one
and not of the other is made good where the canceller goes on. What the speaker plays is known
`LEAD_SECONDS` before it is heard, so it goes on in time.
"""

from __future__ import annotations

import numpy as np

from voice.audio.far_end import TOLERANCE_SECONDS
from voice.audio.frames import SAMPLE_RATE, Int16

AFTER_SECONDS = 1.5
"""Of silence: more than the longest echo (`echo_path.LONGEST_SECONDS`), and its reverberation."""


class Rest:
    """What a speaker plays at `far_rate`, beside a microphone at `SAMPLE_RATE`."""

    def __init__(self, far_rate: int) -> None:
        self._far_rate = far_rate
        self._most_ahead = round(TOLERANCE_SECONDS * far_rate)
        self._silent_samples = 0  # of the microphone, while nothing was played
        self._ahead_samples = 0  # more was passed over of the speaker than of the microphone

    def pass_over(self, far: Int16, near_samples: int) -> Int16 | None:
        """Of the sound `far` (n,) what the canceller is to hear with so many samples.

        None: neither of the two.
        """
        silent = not far.any()
        self._silent_samples = self._silent_samples + near_samples if silent else 0
        if self._silent_samples > AFTER_SECONDS * SAMPLE_RATE:
            self._count(len(far) - near_samples * self._far_rate // SAMPLE_RATE)
            return None
        return self._made_good(far)

    def _count(self, ahead_samples: int) -> None:
        """Beyond the tolerance a device has stood still: the delay is another one anyway."""
        ahead = self._ahead_samples + ahead_samples
        self._ahead_samples = min(max(ahead, -self._most_ahead), self._most_ahead)

    def _made_good(self, far: Int16) -> Int16:
        ahead = self._ahead_samples
        if ahead >= 0:
            self._ahead_samples = 0
            return np.concatenate([np.zeros(ahead, np.int16), far]) if ahead else far
        dropped = min(-ahead, len(far))
        self._ahead_samples += dropped
        return far[dropped:]
