"""The seam between sound and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from voice.audio.frames import Int16


@dataclass(frozen=True, slots=True)
class Word:
    """A word as written (with its punctuation) and where it lies, in samples of the capture."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What has been said so far, up to the sample `end`.

    `committed` words are never taken back; `tail` may still change.
    """

    committed: tuple[Word, ...]
    tail: tuple[Word, ...]
    end: int

    @property
    def text(self) -> str:
        """All words, one space between them."""
        return " ".join(word.text for word in (*self.committed, *self.tail))


class Transcriber(Protocol):
    """Transcribes one utterance at a time; called from one worker thread, may block."""

    def begin(self, start: int) -> None:
        """A new utterance, whose first sample has the position `start`; forgets the one before."""

    def accept(self, samples: Int16) -> None:
        """More of the utterance (int16, mono, 16 kHz); cheap."""

    def hypothesis(self) -> Hypothesis:
        """Transcribe what was accepted. Raises `ModelError`."""
