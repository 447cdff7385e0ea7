"""Calls that must not be made twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

MOST_REMEMBERED = 64
"""Calls; many times what a turn and the requests that are sent again after it hold."""


class Once:
    """Remembers the outcomes of the latest calls by their keys."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._outcomes: dict[str, asyncio.Future[str]] = {}

    async def run(self, key: str, work: Callable[[], Awaitable[str]], cancelled: str) -> str:
        """What `work` gave when it was first asked for under this key, or `cancelled`.

        Whoever asks while it runs waits for it. A first one that is cancelled may have taken effect
        or not, so it is not made again either.
        """
        if (outcome := self._outcomes.get(key)) is not None:
            return await asyncio.shield(outcome)
        outcome = self._outcomes[key] = asyncio.get_running_loop().create_future()
        if len(self._outcomes) > self._most:
            del self._outcomes[next(iter(self._outcomes))]
        result = cancelled
        try:
            result = await work()
        finally:
            outcome.set_result(result)
        return result
