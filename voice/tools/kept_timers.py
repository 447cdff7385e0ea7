"""Timers in a SQLite file of their own, beside the journal: they outlive a crash and a restart.

The journal's file has a layout and a version that only the journal changes, so timers have theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final

from voice.database import Database, Layout
from voice.errors import JournalError
from voice.tools.timers import KeptTimer

_LAYOUT: Final = Layout(
    name="file of timers",
    application_id=int.from_bytes(b"vtim", "big"),
    version=1,
    tables=(
        "CREATE TABLE timers (name TEXT NOT NULL, seconds INTEGER NOT NULL, at TEXT NOT NULL)",
    ),
    settings=("PRAGMA synchronous = FULL",),
    elsewhere="set [journal] path to another file",
    error=JournalError,
)


class KeptTimers:
    """What `Timers` has to know after a restart.

    A write replaces all that is kept, so one that failed is made good by the next. Writes wait for
    the disk, on a thread of their own and in the order of the calls; `open` blocks.
    """

    def __init__(self, database: Database, kept: Sequence[KeptTimer]) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="timers")
        self._unwritten: tuple[KeptTimer, ...] | None = None
        self.found = tuple(kept)
        """What the file held when it was opened, for `Timers.restore`."""

    @classmethod
    def open(cls, journal: Path) -> KeptTimers:
        """Open the file that belongs to a journal, or begin one that only this user can read.

        For `talk.db` it is `talk-timers.db`. Raises `JournalError` if it cannot be used.
        """
        journal = journal.expanduser().absolute()
        path = journal.with_name(f"{journal.stem}-timers{journal.suffix}")
        database = Database.open(path, _LAYOUT)
        try:
            kept = [_kept(*row) for row in database.read("SELECT name, seconds, at FROM timers")]
            with database.writing() as connection:
                # A file that cannot be written is found now, and not with the first timer.
                connection.execute("DELETE FROM timers WHERE false")
        except ValueError as error:
            database.close()
            raise JournalError(
                f"the file of timers {path} is damaged: {error}",
                f"delete it, or {_LAYOUT.elsewhere}",
            ) from error
        except BaseException:
            database.close()
            raise
        return cls(database, kept)

    async def write(self, kept: Sequence[KeptTimer]) -> JournalError | None:
        """Keep these and no others; they are on the disk when this returns.

        A failure is returned: the timers run on, and only a restart would lose them. Written even
        if the caller is cancelled.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, self._write, tuple(kept)))

    async def close(self) -> None:
        """Try once more what could not be written, and give the file back. Safe to call twice."""
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._close)

    def _write(self, kept: tuple[KeptTimer, ...]) -> JournalError | None:
        self._unwritten = kept
        rows = [(one.name, one.seconds, one.at.isoformat()) for one in kept]
        try:
            with self._database.writing() as connection:
                connection.execute("DELETE FROM timers")
                connection.executemany("INSERT INTO timers VALUES (?, ?, ?)", rows)
        except JournalError as error:
            return error
        self._unwritten = None
        return None

    def _close(self) -> None:
        if self._unwritten is not None:
            self._write(self._unwritten)
            self._unwritten = None
        self._database.close()


def _kept(name: str, seconds: int, at: str) -> KeptTimer:
    """Raises `ValueError` for what we have not written."""
    moment = datetime.fromisoformat(at)
    if (moment.tzinfo is None) == bool(seconds):
        raise ValueError(f"{at!r} is no end of a timer")
    return KeptTimer(name, seconds, moment)
