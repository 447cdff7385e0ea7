"""Against what a speech model makes up: loops, words after the end, words over noise.

Whisper was trained on 30 s of sound. Given less it can miss the end of the speech and say all of
it again; given none it recites what its training films said in silence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from voice.listen.speech_model import Decoded, DecodedWord

_RECITED = frozenset(
    (
        "thank you for watching", "thanks for watching", "thank you very much for watching",
        "please subscribe", "please subscribe to my channel",
        "subtitles by the amara org community",
        "ill see you in the next video", "see you in the next video",
    )
)  # fmt: skip
"""What Whisper recites from the ends of films when it hears breath or music. It can be probable and
the same twice; nobody says it to an agent."""

SENTENCE_ENDS = (".", "?", "!", "。", "？", "！")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """When words are not believed."""

    least_probability: float
    """Of a whole hypothesis (mean over its words). What tiny.en wrote over 40 pieces of noise had
    0.05 in the middle and one 0.36, what it wrote over speech in noise 0.44 and more."""

    no_speech: float = 0.6
    """The model's own doubt; believed together with a probability under `doubtful_probability`."""

    doubtful_probability: float = 0.5
    """See `no_speech`."""

    most_words_a_second: float = 7.0
    """A bound, not a measurement: read speech has 2 to 4, a loop soon exceeds it."""


def believable(
    decoded: Decoded,
    written: Sequence[DecodedWord],
    sound_seconds: float,
    options: GuardOptions,
) -> list[DecodedWord]:
    """The words that were plausibly said after the `written` ones in `sound_seconds` of sound."""
    words = [word for word in decoded.words if word.start_seconds < sound_seconds]
    words = without_restart([*written, *words])[len(written) :]
    words = words[: max(0, 1 + int(options.most_words_a_second * sound_seconds) - len(written))]
    if words and _made_up(words, decoded.no_speech, options):
        return []
    return words


def without_restart(words: Sequence[DecodedWord]) -> list[DecodedWord]:
    """Cut where the words begin to repeat themselves up to their end; the first saying stays.

    A loop is a phrase of two or more words said twice over, one word four times, or a sentence of
    three or more words that is begun again.
    """
    plain = [plain_word(word.text) for word in words]
    for length in range(1, len(plain) // 2 + 1):
        begins = _repetition(plain, length)
        if len(plain) - begins >= (3 if length == 1 else length):
            return list(words[:begins])
    ends = [0, *(i for i, word in enumerate(words, 1) if word.text.endswith(SENTENCE_ENDS))]
    if len(ends) >= 2:
        sentence, begun = plain[ends[-2] : ends[-1]], plain[ends[-1] :]
        if len(sentence) >= 3 and begun == sentence[: len(begun)]:
            return list(words[: ends[-1]])
    return list(words)


def without_loop(tokens: Sequence[int]) -> list[int]:
    """Cut tokens that go round and round to the end, three times or more, to the first round."""
    for length in range(1, len(tokens) // 3 + 1):
        begins = _repetition(tokens, length)
        if len(tokens) - begins >= 2 * length and len(tokens) - begins > 3:
            return list(tokens[:begins])
    return list(tokens)


def plain_word(text: str) -> str:
    """A word as it is compared: lower case, letters and digits only."""
    return re.sub(r"[^\w]", "", text.lower())


def _repetition(items: Sequence[object], length: int) -> int:
    """From where on each item is the one that stood `length` before; the end: nowhere."""
    begins = len(items)
    while begins > length and items[begins - 1] == items[begins - 1 - length]:
        begins -= 1
    return begins


def _made_up(words: Sequence[DecodedWord], no_speech: float, options: GuardOptions) -> bool:
    if " ".join(plain_word(word.text) for word in words) in _RECITED:
        return True
    mean = sum(word.probability for word in words) / len(words)
    if mean < options.least_probability:
        return True
    return no_speech > options.no_speech and mean < options.doubtful_probability
