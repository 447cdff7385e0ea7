"""Deletes old conversations in time, also while nobody comes and the kiosk runs for months."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from voice.errors import JournalError
from voice.responses.journal import Journal
from voice.responses.journal_options import JournalOptions

EVERY_SECONDS: Final = 3600.0
"""So much longer than allowed a conversation may be kept."""


async def forget_in_time(
    options: Callable[[], JournalOptions], every_seconds: float = EVERY_SECONDS
) -> None:
    """Look again and again; where the file cannot be used, others tell of that."""
    while True:
        await asyncio.sleep(every_seconds)
        journal = options()
        if journal.path:
            await asyncio.to_thread(_forget, journal)


def _forget(options: JournalOptions) -> None:
    try:
        Journal.open(Path(options.path), options.retention_days, time.time()).close()
    except JournalError:
        return
