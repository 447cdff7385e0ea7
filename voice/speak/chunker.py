"""Cuts an answer, while it is being written, into the clauses in which it is spoken.

The first clause is short, so that speech begins early; then come whole sentences, because a
synthesizer gives a sentence its melody only when it sees all of it. Where a clause ends depends on
the text alone, never on how it was cut into deltas: a possible end is settled only when so much of
what follows is known that nothing later could change the decision.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from voice.speak.abbreviations import BEFORE_NUMBER, FIRST_WORDS, NEVER_LAST, SOMETIMES_LAST
from voice.speak.speakable import can_be_said, speakable
from voice.speak.synthesizer import Clause

_CLOSERS = r"""["'”’»)\]*_`]"""
_CANDIDATE = re.compile(
    rf"""
    (?P<line>\n)
    | (?P<stop>[.!?…]+{_CLOSERS}*(?=\s))
    | (?P<stop_cjk>[。！？]+[」』”’）]*(?=[^。！？」』”’）]))
    | (?P<pause>[,;:]{_CLOSERS}*(?=\s) | [，、；：](?=.) | —(?=.) | \s[-–](?=\s))
    | (?P<joint>\s(?=(?:and|but|or|so|because|which|who|when|where|while|if|that|though)\s))
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENERS = "\"'“‘«([*_`"
_INITIALS = re.compile(r"(?:[a-z]\.)*[a-z]")
_LIST_NUMBER = re.compile(r"\d{1,3}\.")
_AHEAD = 12
"""Characters of the next word that decide whether it begins a sentence; longer ones never do."""
_NEXT_WORD = re.compile(rf"\s*(?:\n|(\S{{{_AHEAD}}})|(\S+)(?=\s))")


@dataclass(frozen=True, slots=True)
class ChunkerOptions:
    """How long clauses may be.

    The first one may end at a comma after `first_words` and before a conjunction after
    `first_joint_words`. No clause is longer than `first_characters` or `most_characters`: Piper's
    memory and time grow with the clause (150 characters are about 8 s of speech).
    """

    first_words: int = 2
    first_joint_words: int = 6
    first_characters: int = 100
    most_characters: int = 150


class _Verdict(enum.Enum):
    END = enum.auto()
    GO_ON = enum.auto()
    UNKNOWN = enum.auto()


class Chunker:
    """One answer's text to clauses."""

    def __init__(self, options: ChunkerOptions | None = None) -> None:
        self._options = options or ChunkerOptions()
        self._pending = ""
        self._start = 0
        self._line_start = True
        self._first = True

    def receive(self, delta: str) -> list[Clause]:
        """More of the answer; the clauses that are complete now."""
        self._pending += delta
        return self._cut()

    def finish(self) -> list[Clause]:
        """The answer is whole; the clauses that are left."""
        self._pending += "\n" * (_AHEAD + 1)  # settles every end
        return self._cut()

    def _cut(self) -> list[Clause]:
        clauses = []
        self._skip_space()
        while (end := self._end()) is not None:
            clauses += self._take(end)
            self._skip_space()
        return clauses

    def _skip_space(self) -> None:
        text = self._pending.lstrip()
        space = self._pending[: len(self._pending) - len(text)]
        self._line_start |= "\n" in space
        self._start += len(space)
        self._pending = text

    def _take(self, end: int) -> list[Clause]:
        text, offsets = speakable(self._pending[:end], self._start, self._line_start)
        clause = Clause(text, self._start, self._start + end, offsets)
        self._start += end
        self._pending = self._pending[end:]
        self._line_start = False
        if not text:
            return []
        self._first = False
        return [clause]

    def _end(self) -> int | None:
        """Where the clause that begins the pending text ends; None while that is not settled."""
        text, options = self._pending, self._options
        limit = options.first_characters if self._first else options.most_characters
        breaks: list[int] = []
        for candidate in _CANDIDATE.finditer(text):
            if candidate.end() > limit:
                break
            verdict = self._judge(candidate)
            if verdict is _Verdict.END:
                return _edge(candidate)
            if verdict is _Verdict.UNKNOWN:
                return None
            if candidate.lastgroup in ("pause", "joint") and candidate.end() >= limit // 3:
                breaks.append(_edge(candidate))
        if len(text) <= limit + _AHEAD:
            return None
        return breaks[-1] if breaks else _last_space(text, limit)

    def _judge(self, candidate: re.Match[str]) -> _Verdict:
        """Whether the clause ends at the candidate."""
        kind = candidate.lastgroup
        if kind in ("line", "stop_cjk"):
            return _Verdict.END
        if kind == "stop":
            return _judge_stop(candidate.string, candidate.start(), candidate.end())
        if not self._first:
            return _Verdict.GO_ON
        least = self._options.first_words if kind == "pause" else self._options.first_joint_words
        words = sum(map(can_be_said, candidate.string[: candidate.end()].split()))
        return _Verdict.END if words >= least else _Verdict.GO_ON


def _edge(candidate: re.Match[str]) -> int:
    """Where a clause would end: after the mark, or before the space where there is none."""
    return candidate.start() if candidate[0].isspace() else candidate.end()


def _judge_stop(text: str, start: int, end: int) -> _Verdict:
    """Whether the full stop (or ! ? …) at `start:end` ends the sentence that begins the text."""
    mark = text[start:end]
    word = text[:start].split()[-1:] if start and not text[start - 1].isspace() else []
    abbreviation = word[0].lstrip(_OPENERS).lower() if word and mark[0] == "." else ""
    if abbreviation in NEVER_LAST or _LIST_NUMBER.fullmatch(text[:end]):
        return _Verdict.GO_ON
    initials = len(mark) == 1 and _INITIALS.fullmatch(abbreviation)
    closed = mark[-1] not in ".!?…"
    trails = mark.startswith(("..", "…"))
    if not (initials or closed or trails or abbreviation in SOMETIMES_LAST | BEFORE_NUMBER):
        return _Verdict.END
    following = _NEXT_WORD.match(text, end)
    if following is None:
        return _Verdict.UNKNOWN
    begins = following[1] or following[2]
    if begins is None:  # a new line
        return _Verdict.END
    if initials or abbreviation in SOMETIMES_LAST:
        ends = begins.strip(_OPENERS + ",.;:!?").replace("’", "'").lower() in FIRST_WORDS
        ends = ends and not begins[0].islower()
    elif abbreviation in BEFORE_NUMBER:
        ends = not begins[0].isdigit()
    else:
        ends = not begins[0].islower()
    return _Verdict.END if ends else _Verdict.GO_ON


def _last_space(text: str, limit: int) -> int:
    """The last word boundary up to `limit`; `limit` where there is none."""
    end = limit
    while end and not text[end].isspace():
        end -= 1
    return len(text[:end].rstrip()) or limit
