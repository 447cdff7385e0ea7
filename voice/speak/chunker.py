"""Cuts an answer, while it is being written, into the clauses in which it is spoken.

The first clause is short, so that speech begins early; then come whole sentences, because a
synthesizer gives a sentence its melody only when it sees all of it. Where a clause ends depends on
the text alone, never on how it was cut into deltas: a possible end is settled only when so much of
what follows is known that nothing later could change the decision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from voice.speak.clause_ends import AHEAD, WINDOW, Verdict, judge_line, judge_pause, judge_stop
from voice.speak.markup import Markup
from voice.speak.options import SpeakOptions
from voice.speak.placed import Placed
from voice.speak.speakable import can_be_said, speakable
from voice.speak.synthesizer import Clause

_CLOSERS = r"""["'”’»)\]]"""
_CANDIDATE = re.compile(
    rf"""
    (?P<line>\n)
    | (?P<stop>[.!?…।؟]+{_CLOSERS}*(?=\s))
    | (?P<stop_cjk>[。！？]+[」』”’）]*(?=[^。！？」』”’）]))
    | (?P<pause>[,;:]["'”’»]*(?=\s) | [，、；：](?=.) | —(?=.) | \s[-–](?=\s))
    | (?P<joint>\s(?=(?:and|but|or|so|because|which|who|when|where|while|if|that|though)\s))
    """,
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class ChunkerOptions:
    """How long clauses may be.

    The first one may end at a comma after `first_words` and before a conjunction after
    `first_joint_words`. No clause is longer than `first_characters` or `most_characters`, counted
    without marks and before numbers become words: Piper's memory and time grow with the clause
    (150 characters are about 8 s of speech).
    """

    first_words: int = 2
    first_joint_words: int = 6
    first_characters: int = 100
    most_characters: int = 150


class Chunker:
    """One answer's text to clauses."""

    def __init__(
        self, options: SpeakOptions | None = None, limits: ChunkerOptions | None = None
    ) -> None:
        self._options = options or SpeakOptions()
        self._limits = limits or ChunkerOptions()
        self._markup = Markup(self._options)
        self._length = 0
        self._read = Placed()
        self._at = 0
        self._first = True

    def receive(self, delta: str) -> list[Clause]:
        """More of the answer; the clauses that are complete now."""
        self._length += len(delta)
        return self._cut(self._markup.receive(delta))

    def finish(self) -> list[Clause]:
        """The answer is whole; the clauses that are left."""
        end = self._length
        settling = Placed.instead("\n" * (AHEAD + 1), end, end)  # settles every end
        return self._cut(Placed.joined([self._markup.finish(), settling]))

    def _cut(self, more: Placed) -> list[Clause]:
        if not more.text:
            return []
        self._read = Placed.joined([self._read.part(self._at), more])
        self._at = 0
        clauses = []
        self._skip_space()
        while (candidate := self._end()) is not None:
            clauses += self._take(*candidate)
            self._skip_space()
        return clauses

    def _skip_space(self) -> None:
        space = _SPACE.match(self._read.text, self._at)
        self._at = space.end() if space else self._at

    def _take(self, end: int, line_end: bool) -> list[Clause]:
        clause = self._read.part(self._at, end)
        self._at = end
        stop = self._read.starts[end] if self._read.text[end].isspace() else clause.ends[-1]
        text, heard = speakable(clause, stop, self._options, line_end=line_end)
        if not text:
            return []
        self._first = False
        return [Clause(text, clause.starts[0], stop, heard)]

    def _end(self) -> tuple[int, bool] | None:
        """Where the clause that begins the unsaid text ends, and whether its line does.

        None while that is not settled.
        """
        limit = self._limits.first_characters if self._first else self._limits.most_characters
        text = self._read.text[self._at : self._at + limit + WINDOW]
        breaks: list[int] = []
        for candidate in _CANDIDATE.finditer(text):
            if candidate.end() > limit:
                break
            verdict = self._judge(candidate)
            if verdict is Verdict.END:
                return self._at + _edge(candidate), candidate.lastgroup == "line"
            if verdict is Verdict.UNKNOWN:
                return None
            if candidate.lastgroup in ("pause", "joint") and candidate.end() >= limit // 3:
                breaks.append(_edge(candidate))
        if len(text) <= limit + AHEAD:
            return None
        return self._at + (breaks[-1] if breaks else _last_space(text, limit)), False

    def _judge(self, candidate: re.Match[str]) -> Verdict:
        """Whether the clause ends at the candidate."""
        kind = candidate.lastgroup
        if kind == "stop_cjk":
            return Verdict.END
        if kind == "line":
            return judge_line(candidate)
        if kind == "stop":
            return judge_stop(candidate, self._options.language)
        return self._judge_pause(candidate) if self._first else Verdict.GO_ON

    def _judge_pause(self, candidate: re.Match[str]) -> Verdict:
        """Whether the first clause may end already within a sentence."""
        pause = candidate.lastgroup == "pause"
        limits = self._limits
        least = limits.first_words if pause else limits.first_joint_words
        words = sum(map(can_be_said, candidate.string[: candidate.end()].split()))
        if words < least:
            return Verdict.GO_ON
        return judge_pause(candidate) if pause else Verdict.END


def _edge(candidate: re.Match[str]) -> int:
    """Where a clause would end: after the mark, or before the space where there is none."""
    return candidate.start() if candidate[0].isspace() else candidate.end()


def _last_space(text: str, limit: int) -> int:
    """The last word boundary up to `limit`; `limit` where there is none."""
    end = limit
    while end and not text[end].isspace():
        end -= 1
    return len(text[:end].rstrip()) or limit
