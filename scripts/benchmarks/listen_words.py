"""Words compared: what was said against what was understood. Pure."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.support.words import edits
from voice.listen.transcriber import Hypothesis

_SMALL = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def _spelled(number: int) -> str:
    if number < 20:
        return _SMALL[number]
    if number == 100:
        return "one hundred"
    tens, ones = divmod(number, 10)
    return _TENS[tens - 2] + (f" {_SMALL[ones]}" if ones else "")


_NUMBERS = {str(number): _spelled(number).split() for number in range(101)}


def normalised(text: str) -> list[str]:
    """Lower-case words without punctuation, the numbers 0 to 100 spelled in English.

    That is what the recordings' manifest does to its `text_norm`, in every language.
    """
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", plain)
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain)
    return [part for word in words for part in _NUMBERS.get(word, [word])]


@dataclass(frozen=True, slots=True)
class Tally:
    """Errors in so many words; tallies of clips add up to that of the corpus."""

    errors: int = 0
    words: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.errors + other.errors, self.words + other.words)

    @property
    def rate(self) -> float | None:
        """The word error rate as a fraction; None without words."""
        return self.errors / self.words if self.words else None


def tally(said: str, understood: str) -> Tally:
    """One clip's errors."""
    reference = normalised(said)
    return Tally(edits(reference, normalised(understood)), len(reference))


def total(tallies: Iterable[Tally]) -> Tally:
    """The corpus."""
    return sum(tallies, Tally())


def retractions(hypotheses: Sequence[Hypothesis]) -> int:
    """Committed words that a later hypothesis of the same utterance changed or lost."""
    taken_back = 0
    for before, after in itertools.pairwise(hypotheses):
        for place, word in enumerate(before.committed):
            if place >= len(after.committed) or after.committed[place].text != word.text:
                taken_back += 1
    return taken_back
