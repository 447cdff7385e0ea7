"""A place in an answer that is still being written, and what was recognised there."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONGEST_RUN = 80
"""A longer run of one character is taken for several."""


class MoreNeeded(Exception):  # noqa: N818 - not an error: the answer goes on
    """What stands here can only be told when more of the answer is known."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The place `at` in `text`; before it stands what was read already."""

    text: str
    at: int
    whole: bool
    """Whether nothing follows `text`, which then ends with a line's end."""
    in_row: bool = False
    """Whether it is in the row of a table."""

    @property
    def before(self) -> str:
        """The character before; a space where there is none."""
        return self.text[self.at - 1] if self.at else " "

    def after(self, end: int) -> str:
        """The character at `end`. Raises `MoreNeeded`."""
        if end < len(self.text):
            return self.text[end]
        if not self.whole:
            raise MoreNeeded
        return "\n"

    def run(self) -> int:
        """Where the run of one and the same character ends. Raises `MoreNeeded`."""
        end = self.at + 1
        while end - self.at < _LONGEST_RUN and self.after(end) == self.text[self.at]:
            end += 1
        return end

    def match(self, pattern: re.Pattern[str], begun: re.Pattern[str]) -> re.Match[str] | None:
        """`pattern` here; raises `MoreNeeded` while all that is known only `begun` to match."""
        if found := pattern.match(self.text, self.at):
            return found
        if not self.whole and begun.fullmatch(self.text, self.at):
            raise MoreNeeded
        return None

    def bounded(
        self, pattern: re.Pattern[str], most: int, *, start: int | None = None, lines: bool = False
    ) -> re.Match[str] | None:
        """`pattern` within `most` characters, in this line or (`lines`) in any.

        Raises `MoreNeeded` while it could still match.
        """
        at = self.at if start is None else start
        limit = at + most
        if found := pattern.match(self.text, at, limit):
            return found
        ended = not lines and self.text.find("\n", at, limit) >= 0
        if not (self.whole or ended or len(self.text) >= limit):
            raise MoreNeeded
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """What was recognised reaches to `end`, and `text` is read for it: "" leaves it out."""

    end: int
    text: str | None = ""
    """None: what stands there."""
    inner: tuple[int, int] | None = None
    """This part is read as it stands, the rest is left out."""
    tail: tuple[int, int] | None = None
    """This part, further on, is left out too; what stands before it is read as usual."""
    until: str = ""
    """All that follows up to and with this mark belongs to it."""
    aloud: bool = False
    """Whether what `until` ends is read, as it stands."""
    depth: int = 0
    """So many brackets of JSON are open; all that follows up to the last one's end is left out."""
    line: bool = False
    """Marks of a line's beginning may follow."""
    alone: bool = False
    """What follows in the line is not continued in the next one."""
    row: bool = False
    """The row of a table begins."""
