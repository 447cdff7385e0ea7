"""How far the parts of a conversation are that are loaded side by side, told to the trace.

`loading.progress` has the `part`, `done` and `total`: bytes while a model is fetched, else one
step; with the last come its `seconds`. In virtual time loading takes none, and is not told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from voice.clock import Clock, VirtualClock
from voice.models.resolve import states
from voice.trace import Trace

if TYPE_CHECKING:
    from voice.models.sources import Halt

_Part = TypeVar("_Part")


class Loading:
    """Tells of each part until it is closed; models that are not here come only if it `fetches`."""

    def __init__(self, trace: Trace, clock: Clock, *, fetches: bool = False) -> None:
        self._trace = trace
        self._clock = clock
        self.fetches = fetches
        self._silent = isinstance(clock, VirtualClock)
        self._loop = asyncio.get_running_loop()
        self._began: dict[str, float] = {}
        self._halt: Halt | None = None

    def begin(self, part: str) -> None:
        """The part is being loaded from now on."""
        self._began[part] = self._clock.now()
        self._tell(part, 0, 1)

    def end(self, part: str) -> None:
        """It is there; only the first time counts."""
        if (began := self._began.pop(part, None)) is not None:
            self._tell(part, 1, 1, seconds=round(self._clock.now() - began, 3))

    def end_with(self, part: str, loaded: Future[Any]) -> None:
        """It is there when `loaded` has a result, on whatever thread."""

        def ended(future: Future[Any]) -> None:
            if not (future.cancelled() or future.exception()):
                self._soon(self.end, part)

        loaded.add_done_callback(ended)

    async def load(self, part: str, load: Callable[[], _Part], models: Iterable[str] = ()) -> _Part:
        """Load it on a thread, with these models. Raises what `load` raises, and `ModelError`."""
        self.begin(part)
        await self.fetch(part, models)
        loaded = await asyncio.to_thread(load)
        self.end(part)
        return loaded

    async def fetch(self, part: str, models: Iterable[str]) -> None:
        """Bring those of the models that are not here. Raises `ModelError`."""
        if not (self.fetches and (missing := await asyncio.to_thread(_missing, models))):
            return
        from voice.models.fetch import fetch  # noqa: PLC0415 - HTTP is seldom needed
        from voice.models.sources import Halt  # noqa: PLC0415

        self._halt = self._halt or Halt()
        await asyncio.to_thread(fetch, missing, _Fetching(self, part), halt=self._halt)
        self._tell(part, 0, 1)

    def advanced(self, part: str, done: int, total: int) -> None:
        """So many bytes of it are there; called on any thread."""
        self._soon(self._tell, part, min(done, total - 1), total)

    def close(self) -> None:
        """Tell nothing more, and call a fetch off."""
        self._silent = True
        if self._halt:
            self._halt.set()

    def _soon(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the program has ended meanwhile
            self._loop.call_soon_threadsafe(call, *arguments)

    def _tell(self, part: str, done: int, total: int, **fields: Any) -> None:
        if not self._silent:
            now = self._clock.now()
            self._trace.mark("loading.progress", now, part=part, done=done, total=total, **fields)


class _Fetching:
    """The progress of a fetch is that of a part."""

    def __init__(self, loading: Loading, part: str) -> None:
        self._loading = loading
        self._part = part

    def advanced(self, model: str, done: int, total: int) -> None:
        """More bytes are there."""
        self._loading.advanced(self._part, done, total)

    def noted(self, text: str) -> None:
        """What a fetch says besides is for `voice models fetch`."""


def _missing(names: Iterable[str]) -> list[str]:
    """Those models of the manifest that are not in the cache."""
    wanted = set(names)
    return [
        state.model.name
        for state in states()
        if state.model.name in wanted and state.status in ("missing", "incomplete")
    ]
