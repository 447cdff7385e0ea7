"""The seam between words and sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from voice.audio.frames import Int16


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of the answer that is spoken in one go.

    `text` is what is said; it stands at `start:end` in the answer as it was written. Where the two
    differ, `offsets` has the place in the answer of each character of `text`.
    """

    text: str
    start: int
    end: int
    offsets: tuple[int, ...] = ()

    def written_end(self, characters: int) -> int:
        """Where the first `characters` of `text` end in the answer."""
        if characters >= len(self.text):
            return self.end
        if not self.offsets or characters == 0:
            return self.start + characters
        return self.offsets[characters - 1] + 1


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of a clause: `start:end` in the clause's text, and the samples in which it sounds."""

    start: int
    end: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class Sound:
    """A stretch of synthesized speech: int16 mono, and the words that begin in it.

    The samples of `words` are counted from the beginning of the clause.
    """

    samples: Int16
    words: tuple[SpokenWord, ...]


class Synthesizer(Protocol):
    """Speaks text; called from one worker thread, may block."""

    rate: int
    """Hz of the sound it makes."""

    def synthesize(self, text: str) -> Iterator[Sound]:
        """The sound of a clause in order, in one or more pieces. Raises `ModelError`.

        The caller may stop iterating between two pieces; nothing is computed beyond that.
        """
