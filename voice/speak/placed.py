"""Text that knows, character by character, which part of the answer it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]
"""A pattern and what replaces it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Character `text[i]` stands for `starts[i]:ends[i]` of the answer.

    Both never fall. Text that replaces something stands for it as a whole: its last character has
    the whole span, those before it nothing (`start:start`). What lies between two neighbours was
    left out.
    """

    text: str = ""
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @classmethod
    def written(cls, text: str, start: int) -> Placed:
        """`text`, which stands at `start` as it is."""
        end = start + len(text)
        return cls(text, [*range(start, end)], [*range(start + 1, end + 1)])

    @classmethod
    def instead(cls, text: str, start: int, end: int) -> Placed:
        """`text` in place of `start:end`; without text nothing remains of it."""
        inner = [start] * max(0, len(text) - 1)
        return cls(text, [start] * len(text), [*inner, end] if text else [])

    @classmethod
    def joined(cls, parts: Iterable[Placed]) -> Placed:
        """The parts, which are in order, as one."""
        parts = [part for part in parts if part.text]
        if len(parts) == 1:
            return parts[0]
        return cls(
            "".join(part.text for part in parts),
            list(chain.from_iterable(part.starts for part in parts)),
            list(chain.from_iterable(part.ends for part in parts)),
        )

    def part(self, start: int, end: int | None = None) -> Placed:
        """Characters `start:end`."""
        return Placed(self.text[start:end], self.starts[start:end], self.ends[start:end])

    def replaced(
        self, pattern: re.Pattern[str], new: str | Callable[[re.Match[str]], str]
    ) -> Placed:
        """With `new` (literally) wherever the pattern matches.

        A `new` that equals what it replaces changes nothing, not even its places.
        """
        if not pattern.search(self.text):
            return self
        parts: list[Placed] = []
        at = 0
        for match in pattern.finditer(self.text):
            start, end = match.span()
            text = new if isinstance(new, str) else new(match)
            if text == match[0]:
                continue
            place = self.starts[start], self.ends[end - 1]
            parts += [self.part(at, start), Placed.instead(text, *place)]
            at = end
        return Placed.joined([*parts, self.part(at)]) if parts else self
