"""What is said of a written clause: its words, without the marks that only the eye needs.

A first cut: marks are left out or turned into a comma. Each character that remains knows where it
stood, so what was heard can be told in the words as written.
"""

from __future__ import annotations

import re
import unicodedata

from voice.speak.abbreviations import BEFORE_NAME, BEFORE_NUMBER

_LINE_MARK = re.compile(r"(?:\#{1,6}|>|[-*+•])\s+")
_LIST_NUMBER = re.compile(r"\d{1,3}([.)])(?=\s)")
_LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]*)\)")
_ELLIPSIS = re.compile(r"(\.{2,}|…)(?=\s+\S)")
_MARKS = re.compile(
    r"""
    `+ | ~~ | \|                                # code, strike-through, table cells
    | (?<!\d)(?:(?<=\S)|(?=\*+\S))\*+           # emphasis, but not "3 * 4" and "3*4"
    | (?:(?<=\S)|(?=\*+\S))\*+(?!\d|\*)
    | (?<!\w)_+(?=\S) | (?<=\S)_+(?!\w)         # emphasis, but not snake_case
    """,
    re.VERBOSE,
)
_ABBREVIATIONS = "|".join(sorted(BEFORE_NAME | BEFORE_NUMBER))
_PERIOD = re.compile(rf"(?<![\w.])(?:(?i:{_ABBREVIATIONS})|(?:[A-Z]\.)*[A-Z])(\.)(?=\s+\S)")
"""A period after which espeak would begin a new sentence, where none begins."""
_UNSPOKEN = {"So", "Sk", "Cc", "Cf", "Cs", "Co", "Cn"}
"""Unicode categories of emoji, their modifiers and joiners, and control characters."""


def speakable(written: str, start: int, line_start: bool) -> tuple[str, tuple[int, ...]]:
    """What to say of `written`, which begins at `start` in the answer.

    Returns the text and, for each of its characters, where it stands in the answer. Both are empty
    where nothing can be said. `line_start` tells that a bullet or a heading may begin here.
    """
    said = [*written]
    if line_start:
        _blank(said, _LINE_MARK.match(written))
        if number := _LIST_NUMBER.match(written):
            said[number.start(1)] = ","
    for link in _LINK.finditer(written):
        said[link.start() : link.start(1)] = [""] * (link.start(1) - link.start())
        said[link.end(1) : link.end()] = [""] * (link.end() - link.end(1))
    for mark in _MARKS.finditer(written):
        _blank(said, mark)
    for dots in _ELLIPSIS.finditer(written):
        _blank(said, dots)
        said[dots.start()] = ","
    for abbreviation in _PERIOD.finditer(written):
        said[abbreviation.start(1)] = ""
    return _placed(said, start)


def can_be_said(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(character.isalnum() for character in text)


def _blank(said: list[str], match: re.Match[str] | None) -> None:
    if match:
        said[match.start() : match.end()] = [""] * (match.end() - match.start())


def _placed(said: list[str], start: int) -> tuple[str, tuple[int, ...]]:
    kept = [
        (" " if character.isspace() else character, start + index)
        for index, character in enumerate(said)
        if character and (character in "°\n\t" or unicodedata.category(character) not in _UNSPOKEN)
    ]
    while kept and kept[0][0] == " ":
        kept.pop(0)
    while kept and kept[-1][0] == " ":
        kept.pop()
    text = "".join(character for character, _ in kept)
    return (text, tuple(place for _, place in kept)) if can_be_said(text) else ("", ())
