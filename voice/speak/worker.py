"""Runs a synthesizer on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor

from voice.speak.synthesizer import Sound, Synthesizer


class SynthesisWorker:
    """Speaks clauses one after the other; a piece is computed when somebody asks for it."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self.rate = synthesizer.rate
        self._synthesizer = synthesizer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="speak")

    async def synthesize(self, text: str) -> AsyncIterator[Sound]:
        """The pieces of a clause as they become ready. Raises `ModelError`.

        Nobody needs to wait for the end: when the caller is cancelled or stops, the piece that is
        being computed is dropped and none follows.
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
