"""Words compared."""

from __future__ import annotations

from collections.abc import Sequence


def edits(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Words to change, leave out or put in (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(reference, 1):
        before, row[0] = row[0], number
        for index, other in enumerate(heard, 1):
            change = before + (word != other)
            before, row[index] = row[index], min(change, row[index] + 1, row[index - 1] + 1)
    return row[-1]
