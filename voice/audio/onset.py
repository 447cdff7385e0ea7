"""Does somebody begin to speak? A quick answer, which may be wrong.

The speech gate believes in speech after a tenth of a second; an agent that is to grow quieter at
once cannot wait for that. Two blocks of 10 ms are enough here (one is often a click), if both are
clearly louder than the background, and than what may be left of the agent's own echo, and WebRTC's
detector takes them for speech.

An onset that no speech follows was something else: a dish, or the echo's last reverberation. After
such ones the detector grows wary for a while, and wants to hear more.
"""

from __future__ import annotations

FLOOR_MARGIN_DB = 12.0
"""How far above the noise floor. With 9 dB a reverberant echo was taken for speech twice as often,
and no recording was heard earlier."""

ECHO_MARGIN_DB = 6.0
"""How far above what may be left of the echo."""

QUIETEST_DBFS = -60.0
"""Nobody who speaks to us is quieter."""

ONSET_BLOCKS = 2

REARM_BLOCKS = 20
"""So long nothing may be heard until the next sound is a new one: no pause inside a word."""

TRIAL_BLOCKS = 30
PROVEN_BLOCKS = 12
"""A sound was speech if so many of the `TRIAL_BLOCKS` after its onset were. In a room that echoes
badly (gain 0.3) false onsets fell from 57 to 5 a minute, and none of the recordings was heard
later."""

WARY_DB = 6.0
WARIEST_DB = 18.0
CALM_DB = 0.002
"""Louder than this the next onset must be after one that came to nothing; at most; and how much of
it is forgotten in each block (a fifth of a decibel a second)."""


class OnsetDetector:
    """Blocks of 10 ms in, beginnings of sounds out."""

    def __init__(self) -> None:
        self._loud_blocks = 0
        self._quiet_blocks = REARM_BLOCKS
        self._armed = True
        self._wary_db = 0.0
        self._trial_blocks = 0
        self._speech_blocks = 0

    def receive(
        self, level_dbfs: float, speech: bool, floor_dbfs: float, residual_dbfs: float
    ) -> bool:
        """Whether a sound has begun, `ONSET_BLOCKS` long by now.

        `speech` is the detector's verdict on the block; `floor_dbfs` is the level of the
        background, `residual_dbfs` the highest of what may be left of an echo.
        """
        least_dbfs = max(
            floor_dbfs + FLOOR_MARGIN_DB, residual_dbfs + ECHO_MARGIN_DB, QUIETEST_DBFS
        )
        self._try(speech and level_dbfs > least_dbfs)
        if not (speech and level_dbfs > least_dbfs + self._wary_db):
            self._loud_blocks = 0
            self._quiet_blocks += 1
            self._armed = self._armed or self._quiet_blocks >= REARM_BLOCKS
            return False
        self._loud_blocks += 1
        self._quiet_blocks = 0
        if not self._armed or self._loud_blocks < ONSET_BLOCKS:
            return False
        self._armed = False
        self._trial_blocks, self._speech_blocks = TRIAL_BLOCKS, self._loud_blocks
        return True

    def _try(self, loud: bool) -> None:
        """Learn what has become of the last onset."""
        self._wary_db = max(0.0, self._wary_db - CALM_DB)
        if not self._trial_blocks:
            return
        self._trial_blocks -= 1
        self._speech_blocks += loud
        if self._trial_blocks == 0:
            came_to_nothing = self._speech_blocks < PROVEN_BLOCKS
            self._wary_db = min(WARIEST_DB, self._wary_db + WARY_DB) if came_to_nothing else 0.0
