"""Earcons on the speaker: between answers, and part of none."""

from __future__ import annotations

from contextlib import suppress

from voice.audio.frames import AudioOutput
from voice.errors import AudioError
from voice.speak.earcons import EarconName, earcon

THINKING_SECONDS = 0.8
"""An answer without a word for so long leaves one wondering whether one was heard. Chosen."""


class Cues:
    """Makes earcons while nothing is said; whoever says something ends them first."""

    def __init__(self, output: AudioOutput, *, wanted: bool) -> None:
        """Unless they are `wanted`, none is made."""
        self._output = output
        self._wanted = wanted
        self._made = False

    def play(self, name: EarconName) -> None:
        """Make a sound; a speaker that is gone makes none."""
        if not self._wanted:
            return
        with suppress(AudioError):
            self._output.write(earcon(name, self._output.rate))
            self._made = True

    def end(self) -> None:
        """Let fade what is left of it, so that nothing waits, and no gap is counted after it."""
        if self._made:
            self._made = False
            self._output.discard()
