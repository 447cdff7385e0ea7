"""Which of llama.cpp's slots a prompt should run in, so that it finds most of itself there.

A slot keeps the key-value states of the last text it saw; what a new text shares with it from the
start is not computed again. Each has a context for itself.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from os.path import commonprefix


@dataclass(slots=True)
class _Slot:
    text: str = ""
    ends: bool = False
    busy: bool = False
    last_use: int = 0


class SlotTable:
    """The slots' texts and which of them are free. Pure bookkeeping."""

    def __init__(self, count: int) -> None:
        self._slots = [_Slot() for _ in range(count)]
        self._uses = itertools.count(1)

    def take(self, text: str, ends: bool = False) -> int | None:
        """The best free slot for this text, now busy with it; None where none is free.

        Best is where most is shared and least is lost: a fork or the next turn goes where its
        conversation is, a new conversation to an empty slot or the one unused for longest. With a
        text that `ends` nothing is lost: nobody goes on from it.
        """
        free = [n for n, slot in enumerate(self._slots) if not slot.busy]
        if not free:
            return None
        best = max(free, key=lambda n: (self._gain(n, text), -self._slots[n].last_use))
        slot = self._slots[best]
        slot.text, slot.ends, slot.busy, slot.last_use = text, ends, True, next(self._uses)
        return best

    def add(self, index: int, generated: str) -> None:
        """The slot went on from its text with this."""
        self._slots[index].text += generated

    def give_back(self, index: int) -> None:
        """The slot is free again."""
        self._slots[index].busy = False

    def _gain(self, index: int, text: str) -> int:
        slot = self._slots[index]
        shared = len(commonprefix([slot.text, text]))  # noqa: RUF071 (characters are meant)
        lost = 0 if slot.ends else len(slot.text) - shared
        return shared - lost
