"""SQLite files of our own: opened with care, and their problems told in plain words.

Every file has a write-ahead log, so that one program writes while others read. What is deleted is
gone from the file as well: SQLite's `secure_delete` alone leaves copies in pages that were
rebalanced, so `erase` writes the file anew and empties the log.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from voice.errors import VoiceError

_SETTINGS: Final = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",  # nothing goes into temporary files
)

_BUSY_SECONDS: Final = 5.0
"""Another program's transaction takes milliseconds; one that takes this long hangs."""

_SMALLEST_BYTES: Final = 512
"""SQLite's smallest page; it takes a file of one byte for an empty one and would write over it."""

_PERMISSION: Final = "make the file and its folder writable for this user"
_PROBLEMS: Final = {
    sqlite3.SQLITE_NOTADB: ("is no {name}", "{elsewhere}"),
    sqlite3.SQLITE_CORRUPT: ("is damaged", "move it away, or {elsewhere}"),
    sqlite3.SQLITE_BUSY: (
        "is locked by another program",
        "end that program, or wait until it is done",
    ),
    sqlite3.SQLITE_FULL: ("does not fit on the disk", "free some space, or {elsewhere}"),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk failed or is full",
        "free some space, check the disk, or {elsewhere}",
    ),
    sqlite3.SQLITE_READONLY: ("cannot be written", _PERMISSION),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", _PERMISSION),
}
"""By SQLite's primary result code: what is wrong with the file, and the cure."""

_creating = threading.Lock()


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file: its tables, what tells it from others, and how its problems are told.

    `name` fits into "the journal is damaged", `elsewhere` is the cure that always helps, and
    `error` what is raised.
    """

    name: str
    application_id: int
    version: int
    tables: tuple[str, ...]
    settings: tuple[str, ...]
    elsewhere: str
    error: type[VoiceError]


class Database:
    """An open file. Every method blocks, and raises the layout's error; one thread at a time."""

    def __init__(self, path: Path | None, layout: Layout, connection: sqlite3.Connection) -> None:
        self._path = path
        self._layout = layout
        self._connection = connection

    @classmethod
    def open(cls, path: Path | None, layout: Layout) -> Database:
        """Open the file, or begin one that only this user can read; None: in memory.

        A file that is of another kind or of a newer version is left alone.
        """
        if path is not None:
            _make(path, layout)
        with _explained(path, layout):
            connection = sqlite3.connect(
                ":memory:" if path is None else f"{path.absolute().as_uri()}?mode=rw",
                uri=path is not None,
                timeout=_BUSY_SECONDS,
                isolation_level=None,  # transactions begin where we say so
                check_same_thread=False,
            )
        database = cls(path, layout, connection)
        try:
            with _explained(path, layout):
                database._prepare()
        except BaseException:
            connection.close()
            raise
        return database

    def read(self, statement: str, *values: Any) -> list[Any]:
        """All rows that a query finds."""
        with _explained(self._path, self._layout):
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes in."""
        with _explained(self._path, self._layout), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection

    def erase(self) -> bool:
        """Take what was deleted out of the file; False where another program reads the log."""
        with _explained(self._path, self._layout):
            self._connection.execute("VACUUM")
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Give the file back; safe to call twice."""
        with _explained(self._path, self._layout):
            self._connection.close()

    def _prepare(self) -> None:
        """Check whose file it is before anything is written, and make the tables in a new one."""
        new = self._is_new()
        for setting in (*_SETTINGS, *self._layout.settings):
            self._connection.execute(setting)
        if self._path is not None:
            self._keep_log()
        if new:
            with self.writing():
                if self._is_new():  # another program may have been quicker
                    self._make_tables()

    def _make_tables(self) -> None:
        for statement in self._layout.tables:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {self._layout.application_id}")
        self._connection.execute(f"PRAGMA user_version = {self._layout.version}")

    def _is_new(self) -> bool:
        layout = self._layout
        application, version, tables = self._connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
            " FROM pragma_application_id, pragma_user_version"
        ).fetchone()  # in one statement: another program may be making the tables
        if application == version == tables == 0:
            return True
        if application != layout.application_id:
            raise layout.error(f"{self._path} is another program's database", layout.elsewhere)
        if version > layout.version:
            raise layout.error(
                f"the {layout.name} {self._path} was written by a newer version (schema {version}; "
                f"this one knows {layout.version})",
                f"update voice, or {layout.elsewhere}",
            )
        return False

    def _keep_log(self) -> None:
        """Switch to a write-ahead log.

        SQLite does not wait where two programs switch at once, so we do.
        """
        give_up_at = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                mode = self._connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                break
            except sqlite3.OperationalError as error:
                if _primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.01)
        if mode != "wal":
            raise self._layout.error(
                f"the disk of {self._path} cannot hold a write-ahead log", self._layout.elsewhere
            )


def _make(path: Path, layout: Layout) -> None:
    """Create the file if it is missing; SQLite gives -wal and -shm the same permissions.

    Closing a file ends all locks that this process has on it, so one that is there is not opened,
    and nobody else goes on before a new one is closed.
    """
    try:
        with _creating, suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        ordinary, size = path.is_file(), path.stat().st_size
    except OSError as error:
        raise layout.error(
            f"the {layout.name} {path} cannot be created: {error.strerror}",
            f"make its folder, one that is yours, or {layout.elsewhere}",
        ) from error
    if not ordinary or 0 < size < _SMALLEST_BYTES:
        raise layout.error(f"{path} is no {layout.name}", layout.elsewhere)


@contextmanager
def _explained(path: Path | None, layout: Layout) -> Iterator[None]:
    """Map what SQLite says to the layout's error."""
    try:
        yield
    except sqlite3.Error as error:
        if (code := _primary(error)) is None:
            raise
        problem, cure = _PROBLEMS.get(code, (f"cannot be used: {error}", "{elsewhere}"))
        raise layout.error(
            f"the {layout.name} {path or 'in memory'} {problem.format(name=layout.name)}",
            cure.format(elsewhere=layout.elsewhere),
        ) from error


def _primary(error: sqlite3.Error) -> int | None:
    """SQLite's result code without its details; None for a wrong use of the module."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
