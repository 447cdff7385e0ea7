"""Runs a synthesizer on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from voice.speak.synthesizer import Sound, Synthesizer


class SynthesisWorker:
    """Speaks clauses one after the other; a piece is computed when somebody asks for it."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        loading: Future[Synthesizer] | None = None,
        ahead: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`loading` tells when all can be said; `ahead` is then done on the thread, one by one."""
        self.rate = synthesizer.rate
        self._synthesizer = synthesizer
        self._loading = loading
        self._ahead = ahead
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="speak")

    async def prepare(self) -> None:
        """Wait until all can be said, and do what is to be done ahead. Raises `ModelError`."""
        if self._loading:
            await asyncio.wrap_future(self._loading)
        for job in self._ahead:
            await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def synthesize(self, text: str) -> AsyncGenerator[Sound, None]:
        """The pieces of a clause as they become ready. Raises `ModelError`.

        Whoever stops before the end closes it (`contextlib.aclosing`): the piece that is being
        computed is dropped, and none follows.
        """
        loop = asyncio.get_running_loop()
        pieces = await loop.run_in_executor(self._thread, self._synthesizer.synthesize, text)
        try:
            while (
                sound := await loop.run_in_executor(self._thread, next, pieces, None)
            ) is not None:
                yield sound
        finally:
            if isinstance(pieces, Generator):
                with contextlib.suppress(RuntimeError):  # the thread has been ended
                    self._thread.submit(pieces.close)  # there, because it may be running

    def close(self) -> None:
        """End the thread after the piece in progress. Safe to call twice."""
        self._thread.shutdown(wait=False, cancel_futures=True)
