"""What is said of a clause: its words, without the marks that only the eye needs.

The words remember where they stand in the answer, so what was heard can be told in the words as
written. A written word counts as heard when all that is said for it was.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from voice.speak.english import rewritten
from voice.speak.options import SpeakOptions
from voice.speak.placed import Placed

_ELLIPSIS = re.compile(r"(?:\.\.|…)[.…]*(?=\s+\S)")
_COMMAS = re.compile(r"\s*,(?:\s*,)+")
_COMMA_AFTER = re.compile(r"(?<=[!?:;])\s*,")
_SPACE_BEFORE = re.compile(r"\s+(?=[,;:!?…)\]]|\.(?!\w))")
_LEFT_OUT = re.compile(r"\*+|\(\s*\)|\[\s*\]|\|+|_{2,}|[\x00-\x08\x0e-\x1f\x7f]+")
_EMPTY_ENDS = re.compile(r"^(?:[\s,;:!?…)\]–—-]|\.(?!\d))+(?=.*\w)(?<!-)|\s+$")
_OTHER_SPACE = re.compile(r"\s{2,}|[^\S ]")
_WORD = re.compile(r"\S+")
_ENDED = frozenset(".!?…:;,。！？、，：；—–-")
_UNSPOKEN = {"So", "Sk", "Cc", "Cf", "Cs", "Co", "Cn"}
"""Unicode categories of emoji, their modifiers and joiners, and control characters."""
_VARIANTS = frozenset("\ufe0e\ufe0f\u20e3")
"""They choose how the character before looks."""
_KEPT = frozenset("°©®™\u200c")


def speakable(
    written: Placed, end: int, options: SpeakOptions, *, line_end: bool = False
) -> tuple[str, tuple[int, ...]]:
    """What to say of a clause, which ends at `end` in the answer.

    Returns the text and, for each of its characters, the last character of the answer that has
    been heard with it (`start - 1`: none yet). Both are empty where nothing can be said. A clause
    that ends only because its line does (`line_end`: a heading, an item of a list) gets a period.
    """
    said = _without_emoji(written, options)
    if options.language == "en":
        said = rewritten(said)
    for pattern, new in ((_ELLIPSIS, ","), (_LEFT_OUT, ""), (_COMMAS, ","), (_COMMA_AFTER, "")):
        said = said.replaced(pattern, new)
    said = _single_spaces(said).replaced(_SPACE_BEFORE, "").replaced(_EMPTY_ENDS, "")
    if not can_be_said(said.text):
        return "", ()
    if line_end and said.text[-1] not in _ENDED:
        said = Placed.joined([said, Placed.instead(".", end, end)])
    return said.text, tuple(heard - 1 for heard in _heard(said, _word_ends(written, end), end))


def can_be_said(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(character.isalnum() for character in text)


def _without_emoji(written: Placed, options: SpeakOptions) -> Placed:
    if written.text.isascii():
        return written
    parts = []
    for index, character in enumerate(written.text):
        kind = "Cf" if character in _VARIANTS else unicodedata.category(character)
        if character.isascii() or character in _KEPT or kind not in _UNSPOKEN:
            parts.append(written.part(index, index + 1))
        elif options.emoji == "say" and kind == "So":
            name = f" {unicodedata.name(character, '').lower()} "
            place = written.starts[index], written.ends[index]
            parts.append(Placed.instead(name, *place))
    return Placed.joined(parts)


def _single_spaces(said: Placed) -> Placed:
    """One space for several: the last one before which something was left out, or the first."""
    parts: list[Placed] = []
    at = 0
    for space in _OTHER_SPACE.finditer(said.text):
        start, end = space.span()
        kept = start
        for index in range(start + 1, end):
            if said.starts[index] > said.ends[index - 1]:
                kept = index
        parts += [
            said.part(at, start),
            Placed(" ", said.starts[kept : kept + 1], said.ends[kept : kept + 1]),
        ]
        at = end
    return Placed.joined([*parts, said.part(at)])


def _word_ends(written: Placed, end: int) -> set[int]:
    """Where the clause's words end in the answer."""
    places = zip(written.text, written.starts, written.ends, strict=True)
    spaces = {start for character, start, stop in places if character.isspace() and stop > start}
    return spaces | {end}


def _heard(said: Placed, word_ends: set[int], end: int) -> Iterator[int]:
    """For each character, how far the answer has been heard when it has."""
    heard = said.starts[0]
    at = 0
    for word in _WORD.finditer(said.text):
        yield from [heard] * (word.start() - at)
        at = word.end()
        after = said.starts[at] if at < len(said.text) else end
        whole = max(heard, after if after in word_ends else heard)
        for index in range(word.start(), at - 1):
            yield min(max(heard, said.ends[index]), whole)
        heard = whole
        yield heard
    yield from [heard] * (len(said.text) - at)
