"""Which words of a growing utterance are final.

Theory. While somebody speaks the same sound is transcribed again and again, each time with more
of it. A word that comes out the same in successive hypotheses will most likely stay (local
agreement: Liu et al. 2020, "Low-Latency Sequence-to-Sequence Speech Recognition"; Macháček et al.
2023, "Turning Whisper into Real-Time Transcription System"), except at the very end, where its
last sound may be missing. So a word is committed when the latest hypotheses agree on it and on a
word after it, and it ended some time ago. The word after it also fixes its punctuation.

A committed word is given to the decoder as already written, and is never taken back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from voice.listen.guards import plain_word
from voice.listen.speech_model import DecodedWord


class Commits:
    """Hypotheses beyond the committed words in, newly committed words out."""

    def __init__(self, passes: int, settle_seconds: float) -> None:
        self._settle_seconds = settle_seconds
        self._hypotheses: deque[tuple[str, ...]] = deque(maxlen=passes)

    def receive(self, words: Sequence[DecodedWord], sound_seconds: float) -> int:
        """Take the words heard in `sound_seconds` of sound; returns how many are final now."""
        self._hypotheses.append(tuple(plain_word(word.text) for word in words))
        if len(self._hypotheses) < (self._hypotheses.maxlen or 0):
            return 0
        count = max(0, min(self._agreed() - 1, self._settled(words, sound_seconds)))
        self._drop(count)
        return count

    def force(self, words: Sequence[DecodedWord], sound_seconds: float) -> int:
        """The same, whatever was agreed; `words` are those of the latest hypothesis."""
        count = self._settled(words, sound_seconds)
        self._hypotheses.clear()
        return count

    def _settled(self, words: Sequence[DecodedWord], sound_seconds: float) -> int:
        latest = sound_seconds - self._settle_seconds
        return sum(1 for word in words if word.end_seconds <= latest)

    def _agreed(self) -> int:
        """How many first words are the same in all of the latest hypotheses."""
        agreed = 0
        for same in zip(*self._hypotheses, strict=False):
            if len(set(same)) > 1:
                break
            agreed += 1
        return agreed

    def _drop(self, count: int) -> None:
        for index, words in enumerate(self._hypotheses):
            self._hypotheses[index] = words[count:]
