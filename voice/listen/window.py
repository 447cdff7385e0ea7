"""Where a long utterance can be cut: what was before is not transcribed again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from voice.listen.guards import SENTENCE_ENDS
from voice.listen.speech_model import DecodedWord

_LEAST_KEPT_SECONDS = 2.0
"""The decoder needs some sound before the new words to know where it is."""

_PAUSE_SECONDS = 0.3


def cut(words: Sequence[DecodedWord], sound_seconds: float) -> tuple[int, float] | None:
    """How many of the committed `words` leave the window, and at which second it is cut.

    Best after the last sentence, else in the last pause, else after the last word that leaves
    enough sound. None: no word lies that far back.
    """
    gaps = [
        (count, word, following)
        for count, (word, following) in enumerate(pairwise(words), 1)
        if following.start_seconds <= sound_seconds - _LEAST_KEPT_SECONDS
    ]
    if not gaps:
        return None
    sentences = [gap for gap in gaps if gap[1].text.endswith(SENTENCE_ENDS)]
    pauses = [gap for gap in gaps if gap[2].start_seconds - gap[1].end_seconds > _PAUSE_SECONDS]
    count, word, following = (sentences or pauses or gaps)[-1]
    return count, (word.end_seconds + following.start_seconds) / 2
