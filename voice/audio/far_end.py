"""What was played, on the microphone's time.

Theory. An echo canceller counts: it takes the n-th block of the speaker and the n-th of the
microphone for simultaneous, but for a delay that it has found out. When a busy machine leaves the
speaker without sound for a tenth of a second, or reads the microphone late, the counts no longer
tell the time, and the canceller has to find the delay anew, which takes a second in which the echo
is heard. So sound and silence of the speaker are put where they were audible by the clock, and
given out as the microphone's time proceeds. (Simulated with a gap of 0.1 s each 10 s: 29 dB of the
echo taken out, where blocks in the order in which they came made it 18 dB.)

Times told by a device are off by some milliseconds, while samples come evenly; so a block follows
the one before unless its time contradicts that.
"""

from __future__ import annotations

import numpy as np

from voice.audio.frames import Int16

LEAD_SECONDS = 0.03
"""So long before it is audible a sound is given out, where it is known: an echo must not come
before its sound, and devices err about their latencies."""

TOLERANCE_SECONDS = 0.04
"""What PortAudio told was up to 15 ms off (measured), and blocks come in bursts of 20 ms."""

LONGEST_GAP_SECONDS = 1.0
"""After more silence (a suspended machine's) the canceller begins anew anyway."""

_AGREEMENT = 0.02
"""Weight of a block's own time: the error is averaged over half a second, and clocks may drift."""


class FarEnd:
    """Blocks with their times in, an even stream out. Times are seconds of one clock."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._blocks: list[Int16] = []
        self._samples = 0  # in the blocks
        self._end_at = 0.0  # when the last of them has been heard
        self._begun = False

    def play(self, samples: Int16, at: float) -> None:
        """A speaker plays the samples (n,), the first of them to be heard at `at`."""
        late_seconds = at - self._end_at
        if not self._begun or late_seconds < -TOLERANCE_SECONDS:
            self._end_at = at
        elif late_seconds > TOLERANCE_SECONDS:
            self._be_silent(until=at)
        else:
            self._end_at += _AGREEMENT * late_seconds
        self._begun = True
        self._append(samples)

    def take(self, until: float) -> Int16:
        """What was heard since the last call up to `until`, and up to `LEAD_SECONDS` more, (n,).

        What nobody has told of by now was silence.
        """
        if not self._begun:
            return np.zeros(0, np.int16)
        if until > self._end_at:
            self._be_silent(until)
        left = max(0, round((self._end_at - until - LEAD_SECONDS) * self._rate))
        return self._pop(max(0, self._samples - left))

    def _be_silent(self, until: float) -> None:
        seconds = min(until - self._end_at, LONGEST_GAP_SECONDS)
        self._append(np.zeros(round(seconds * self._rate), np.int16))
        self._end_at = until

    def _append(self, samples: Int16) -> None:
        self._blocks.append(samples)
        self._samples += len(samples)
        self._end_at += len(samples) / self._rate

    def _pop(self, count: int) -> Int16:
        whole = np.concatenate([*self._blocks, np.zeros(0, np.int16)])
        self._blocks = [whole[count:]]
        self._samples -= count
        return whole[:count]
