"""What a program says on its standard error, kept away from the terminal."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TextIO

_LOGGER = logging.getLogger(__name__)

KEPT_LINES = 20
LINE_CHARACTERS = 300
LAST_SECONDS = 0.2
"""So long the last lines of a program that has ended are waited for: its children may live on."""


class StandardError:
    """Collects the lines of the program `name`; they go to the log at DEBUG, redacted."""

    def __init__(self, name: str, redact: Callable[[str], str]) -> None:
        self._name = name
        self._redact = redact
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    def last_words(self) -> str:
        """The last line; of a Python traceback that is the error. Empty if it said nothing."""
        return self._lines[-1] if self._lines else ""

    @asynccontextmanager
    async def collected(self) -> AsyncIterator[TextIO]:
        """A pipe to give to the program as its standard error."""
        reading, writing = os.pipe()
        # A thread, since no event loop reads pipes on every system; it ends with the pipe.
        thread = threading.Thread(target=self._read, args=(reading,), daemon=True)
        thread.start()
        try:
            with os.fdopen(writing, "w") as pipe:
                yield pipe
        finally:
            await asyncio.to_thread(thread.join, LAST_SECONDS)

    def _read(self, reading: int) -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
            for line in pipe:
                if text := self._redact(line.strip())[:LINE_CHARACTERS]:
                    self._lines.append(text)
                    _LOGGER.debug("%s: %s", self._name, text)
