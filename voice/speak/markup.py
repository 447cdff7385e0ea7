"""An answer as it is written, to the text that is read: marks, code and chatter fall away.

Markdown, HTML, LaTeX, addresses on the web and the JSON of tool calls are made for the eye or for
a program. They are recognised while the answer is being written, and what is read never depends on
how the answer was cut into deltas: at a mark the reading waits until no later character could
change its meaning. A plain sentence has no marks and waits for nothing.
"""

from __future__ import annotations

import re

from voice.speak.ahead import Ahead, Found, MoreNeeded
from voice.speak.blocks import line_mark
from voice.speak.marks import mark
from voice.speak.options import SpeakOptions
from voice.speak.placed import Placed

_MARK = re.compile(
    r"[`*_~\[\]<$\\|{&【\n] | !(?=\[) | (?<![^\W_])(?:https?://|www\.)",
    re.VERBOSE | re.IGNORECASE,
)
_MARK_BEGUN = re.compile(
    r"! | (?<![^\W_])(?:ht?|htt|https?:?|https?:/|ww?|www)", re.VERBOSE | re.IGNORECASE
)
_LONGEST_BEGUN = len("https:/")
_SPACE = re.compile(r"\s+")
_BRACKET_OR_STRING = re.compile(r"""["{}\[\]]""")
_STRING_END = re.compile(r"""["\\\n]""")
_KEPT = 4096
"""What was read is forgotten after so many characters, but for the last one."""


class Markup:
    """One answer's text to what is read of it."""

    def __init__(self, options: SpeakOptions) -> None:
        self._options = options
        self._text = ""
        self._start = 0  # of `_text` in the answer
        self._at = 0
        self._whole = False
        self._line_start = True
        self._in_row = False
        self._alone = False
        self._tails: dict[int, int] = {}
        self._until = ""
        self._aloud = False
        self._depth = 0
        self._in_string = False
        self._out: list[Placed] = []

    def receive(self, delta: str) -> Placed:
        """More of the answer; what can be read of it now."""
        self._text += delta
        return self._read()

    def finish(self) -> Placed:
        """The answer is whole; what is left."""
        self._text += "\n"
        self._whole = True
        return self._read()

    def _read(self) -> Placed:
        self._out = []
        try:
            while self._at < len(self._text):
                self._step()
        except MoreNeeded:
            pass
        if self._at > _KEPT:
            passed = self._at - 1
            self._text = self._text[passed:]
            self._start, self._at = self._start + passed, 1
        return Placed.joined(self._out)

    def _step(self) -> None:
        if self._until:
            self._pass_until()
        elif self._depth:
            self._pass_json()
        elif not (self._line_start and self._begin_line()):
            self._pass_plain_or_mark()

    def _begin_line(self) -> bool:
        """Whether a space or a mark at the line's beginning was passed."""
        if space := _SPACE.match(self._text, self._at):
            self._keep(space.end())
            return True
        found = line_mark(self._ahead(), self._options)
        self._line_start = False
        if found:
            self._take(found)
        return found is not None

    def _pass_plain_or_mark(self) -> None:
        found = _MARK.search(self._text, self._at)
        plain_end = found.start() if found else self._plain_end()
        if plain_end > self._at:
            self._keep(plain_end)
        elif not found:
            raise MoreNeeded
        elif found[0] == "\n":
            self._take(Found(self._at + 1, "\n\n" if self._alone else None, line=True))
            self._in_row = self._alone = False
            self._tails.clear()
        elif found[0] == "]":
            tail = self._tails.pop(self._start + self._at, None)
            self._take(Found(tail - self._start) if tail else Found(self._at + 1, None))
        else:
            self._take(mark(self._ahead(), self._options) or Found(self._at + 1, None))

    def _plain_end(self) -> int:
        """Where the known text ends, or a mark begins at its end."""
        end = len(self._text)
        for start in range(max(self._at, end - _LONGEST_BEGUN), end):
            if _MARK_BEGUN.fullmatch(self._text, start):
                return start
        return end

    def _pass_until(self) -> None:
        """Past what belongs to a block, up to and with its last mark."""
        found = self._text.find(self._until, self._at)
        known = len(self._text) if self._whole else len(self._text) - len(self._until) + 1
        end = found if found >= 0 else max(self._at, known)
        if self._aloud and end > self._at:
            self._keep(end)
        self._at = end
        if found >= 0:
            self._line_start = self._until == "\n"
            self._at, self._until = end + len(self._until), ""
        elif not self._whole:
            raise MoreNeeded

    def _pass_json(self) -> None:
        pattern = _STRING_END if self._in_string else _BRACKET_OR_STRING
        found = pattern.search(self._text, self._at)
        if not found:
            self._at = len(self._text)
        elif found[0] == "\\":
            self._ahead().after(found.end())
            self._at = found.end() + 1
        else:
            self._at = found.end()
            if found[0] in '"\n':
                self._in_string = found[0] == '"' and not self._in_string
            else:
                self._depth += 1 if found[0] in "{[" else -1

    def _ahead(self) -> Ahead:
        return Ahead(self._text, self._at, self._whole, self._in_row)

    def _keep(self, end: int) -> None:
        """Read the text up to `end` as it stands."""
        self._out.append(Placed.written(self._text[self._at : end], self._start + self._at))
        self._at = end

    def _take(self, found: Found) -> None:
        if found.text is None:
            self._keep(found.end)
        elif found.inner:
            self._at, end = found.inner
            self._keep(end)
        elif found.text:
            place = self._start + self._at, self._start + found.end
            self._out.append(Placed.instead(found.text, *place))
        if found.tail:
            start, end = found.tail
            self._tails[self._start + start] = self._start + end
        self._at = found.end
        self._until, self._aloud, self._depth = found.until, found.aloud, found.depth
        self._in_string = False
        self._line_start = found.line
        self._in_row |= found.row
        self._alone |= found.alone
