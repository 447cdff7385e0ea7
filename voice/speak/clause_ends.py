"""Whether a clause ends at a mark, which may be an abbreviation's period or a date's comma.

Where what follows decides, no more than `WINDOW` characters of it do.
"""

from __future__ import annotations

import enum
import re

from voice.speak.abbreviations import (
    BEFORE_NUMBER,
    FIRST_WORDS,
    NEVER_LAST,
    ORDINAL_PERIODS,
    SAYING,
    SOMETIMES_LAST,
    TITLES,
)

AHEAD = 12
"""Characters of the next word that decide whether it begins a sentence; longer ones never do."""
WINDOW = 100
_SPACES = r"[^\S\n]{0,24}+"
"""More spaces than these are as good as a line's end."""

_OPENERS = "\"'“‘«(["
_INITIALS = re.compile(r"(?:[a-z]\.)*[a-z]")
_LIST_NUMBER = re.compile(r"(?:.*[:;]\s+)?\d{1,3}\.", re.DOTALL)
_ORDINAL = re.compile(r"\d{1,2}\.")
_NUMBERS = re.compile(rf"\d[,–-]?{_SPACES}[–-]?{_SPACES}(?:\d|\Z)")
_NEXT_LINE = re.compile(rf"{_SPACES}(\S|\s)")
_WORD_OR_LINE = rf"{_SPACES}(?:\s|(\S{{{AHEAD}}})|(\S+)(?=\s))"
_NEXT_WORD = re.compile(_WORD_OR_LINE)
_WHO_SAYS = re.compile(rf"{_SPACES}(?:\S{{{AHEAD}}}|\S+(?=\s){_WORD_OR_LINE})")


class Verdict(enum.Enum):
    """Whether the clause ends; `UNKNOWN` until more of the answer is known."""

    END = enum.auto()
    GO_ON = enum.auto()
    UNKNOWN = enum.auto()


def judge_line(candidate: re.Match[str]) -> Verdict:
    """Whether the line's end is more than the place where a paragraph was wrapped."""
    following = _NEXT_LINE.match(candidate.string, candidate.end())
    if following is None:
        return Verdict.UNKNOWN
    return Verdict.GO_ON if following[1].islower() else Verdict.END


def judge_pause(candidate: re.Match[str]) -> Verdict:
    """Whether the mark is more than the comma of a date or the dash between two numbers."""
    if candidate.string.endswith(("e.g.", "i.e."), 0, candidate.start()):
        return Verdict.GO_ON
    numbers = _NUMBERS.match(candidate.string, max(0, candidate.start() - 1))
    if not numbers:
        return Verdict.END
    return Verdict.GO_ON if numbers[0][-1].isdigit() else Verdict.UNKNOWN


def judge_stop(candidate: re.Match[str], language: str) -> Verdict:
    """Whether the full stop (or ! ? …) ends the sentence that begins the text."""
    text, (start, end), mark = candidate.string, candidate.span(), candidate[0]
    word = text[:start].split()[-1:] if start and not text[start - 1].isspace() else []
    written = word[0].lstrip(_OPENERS) if word and mark[0] == "." else ""
    abbreviation = "" if written in TITLES else written.lower()
    ordinal = language in ORDINAL_PERIODS and _ORDINAL.fullmatch(f"{written}{mark}")
    if abbreviation in NEVER_LAST or ordinal or _LIST_NUMBER.fullmatch(text, 0, end):
        return Verdict.GO_ON
    initials = len(mark) == 1 and _INITIALS.fullmatch(abbreviation)
    closed = mark[-1] not in ".!?…।؟"
    trails = mark.startswith(("..", "…"))
    if not (initials or closed or trails or abbreviation in SOMETIMES_LAST | BEFORE_NUMBER):
        return Verdict.END
    following = _NEXT_WORD.match(text, end)
    if following is None:
        return Verdict.UNKNOWN
    begins = following[1] or following[2]
    if begins is None:  # a new line
        return Verdict.END
    ends = not begins[0].islower()
    first = begins.strip(_OPENERS + ",.;:!?").replace("’", "'").lower() in FIRST_WORDS
    if initials or abbreviation in SOMETIMES_LAST:
        ends &= first
    elif abbreviation in BEFORE_NUMBER:
        ends &= not begins[0].isdigit()
    elif ends and closed and mark[0] in "!?" and not first:
        return _judge_quote(text, end)
    return Verdict.END if ends else Verdict.GO_ON


def _judge_quote(text: str, end: int) -> Verdict:
    """Whether the quoted question or call that ends at `end` is not followed by who says it."""
    following = _WHO_SAYS.match(text, end)
    if following is None:
        return Verdict.UNKNOWN
    says = (following[2] or "").rstrip(",.;:") in SAYING
    return Verdict.GO_ON if says else Verdict.END
