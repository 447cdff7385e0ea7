"""How much may be thrown away for answering early, and how much was."""

from __future__ import annotations

import re

_SILENT = re.compile(r"[\s.,;:!?…\"“”„«»()\[\]¿¡—。、，；：！？]+|(?<=[^\W\d])-(?=[^\W\d])")
"""What is written and not said. Signs such as + and % are said, and so are vowel signs."""


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in nothing that is heard: a late full stop changes no answer."""
    return _words(one) == _words(other)


def _words(text: str) -> list[str]:
    return _SILENT.sub(" ", text.casefold().replace("’", "'")).split()


class EagerBudget:
    """The account of a conversation, in tokens of answers."""

    def __init__(self, most_tokens: int) -> None:
        self._most_tokens = most_tokens
        self.discarded_tokens = 0
        self.begun = 0
        self.discarded = 0

    @property
    def spent(self) -> bool:
        """Whether nothing more may be risked."""
        return self.discarded_tokens >= self._most_tokens

    def discard(self, tokens: int) -> None:
        """An answer was thrown away."""
        self.discarded += 1
        self.discarded_tokens += tokens

    @property
    def discard_rate(self) -> float:
        """The share of the answers begun early that were thrown away."""
        return self.discarded / self.begun if self.begun else 0.0
