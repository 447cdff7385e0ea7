"""Which lane a response runs on.

Theory. With `store: false` the server keeps only the latest response of each lane, so the settled
head's lane must rest while the next answer runs elsewhere: then a fork from it always succeeds.
A chain of tool calls continues on the lane it began on. An abandoned answer may run on for a
while; its lane is avoided until it ended, since a lane is first in, first out. Four names serve
for ever, far below the 32 that a connection allows: one rests, one runs, two may be running dry.
"""

from __future__ import annotations

from collections.abc import Callable

NAMES = ("voice-0", "voice-1", "voice-2", "voice-3")


class Lanes:
    """The ring of names."""

    def __init__(self) -> None:
        self._last = NAMES[-1]

    def choose(
        self, parent: str | None, settled: str | None, running_on: Callable[[str], int]
    ) -> str:
        """The lane for a response whose parent rests on `parent`; `settled` is left alone.

        `running_on` tells how many responses have not ended on a lane.
        """
        if parent is not None and parent != settled:
            return parent
        after = NAMES.index(self._last) + 1
        candidates = [name for name in (*NAMES[after:], *NAMES[:after]) if name != settled]
        self._last = min(candidates, key=running_on)
        return self._last
