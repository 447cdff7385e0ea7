"""What libraries in C print on stderr becomes lines of the log, so that all of it is JSON."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TextIO

_log = logging.getLogger("stderr")


_END_SECONDS = 0.5
"""A child that still runs keeps the pipe open, and is not waited for any longer."""


@contextmanager
def kept_for_the_log() -> Iterator[TextIO]:
    """Yields the real stderr; what others write to descriptor 2 meanwhile is logged."""
    with os.fdopen(os.dup(2), "w", encoding="utf-8") as real:
        reading, writing = os.pipe()
        os.dup2(writing, 2)
        os.close(writing)
        passing = Thread(target=_pass_on, args=(reading,), name="stderr", daemon=True)
        passing.start()
        try:
            yield real
        finally:
            os.dup2(real.fileno(), 2)
            passing.join(_END_SECONDS)  # the log still needs the real stderr


def _pass_on(reading: int) -> None:
    with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            _log.warning("%s", line.rstrip())
