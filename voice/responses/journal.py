"""Conversations in a SQLite file: what was said outlives a crash, a reboot and a power cut.

Every append is a transaction in a write-ahead log that is on the disk when the call returns. What
is deleted is gone from the file as well: SQLite's `secure_delete` alone leaves copies in pages
that were rebalanced, so the file is written anew and the log is emptied. A deletion has a row in
`unerased` until that is done, so that the next start can finish it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from voice.errors import JournalError
from voice.responses.events import InputItem, InputMessage

_log = logging.getLogger(__name__)

_APPLICATION_ID: Final = int.from_bytes(b"voic", "big")
"""In the file's header: tells a journal from other programs' databases."""

_SCHEMA: Final = 1
_TABLES: Final = (
    "CREATE TABLE conversations (number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " began_at REAL NOT NULL, last_at REAL NOT NULL, model TEXT NOT NULL)",
    "CREATE TABLE items (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL"
    " REFERENCES conversations ON DELETE CASCADE, turn INTEGER NOT NULL, at REAL NOT NULL,"
    " kind TEXT NOT NULL, item TEXT NOT NULL)",
    "CREATE INDEX items_by_conversation ON items (conversation)",
    "CREATE TABLE unerased (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    f"PRAGMA application_id = {_APPLICATION_ID}",
    f"PRAGMA user_version = {_SCHEMA}",
)

_SETTINGS: Final = (
    "PRAGMA synchronous = FULL",  # wait for the disk at every commit
    "PRAGMA fullfsync = ON",  # on macOS the disk's own cache, too
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",  # nothing that was said goes into temporary files
)

_BUSY_SECONDS = 5.0
"""Another program's transaction takes milliseconds; one that takes this long hangs."""

_SMALLEST_BYTES = 512
"""SQLite's smallest page; it takes a file of one byte for an empty one and would write over it."""

_DAY_SECONDS = 86_400

_ELSEWHERE = "set [journal] path to another file"
_PROBLEMS: Final = {
    sqlite3.SQLITE_NOTADB: ("is no journal", _ELSEWHERE),
    sqlite3.SQLITE_CORRUPT: ("is damaged", f"move it away, or {_ELSEWHERE}"),
    sqlite3.SQLITE_BUSY: (
        "is locked by another program",
        "end that program, or wait until it is done",
    ),
    sqlite3.SQLITE_FULL: ("does not fit on the disk", f"free some space, or {_ELSEWHERE}"),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk failed or is full",
        f"free some space, check the disk, or {_ELSEWHERE}",
    ),
    sqlite3.SQLITE_READONLY: (
        "cannot be written",
        "make the file and its folder writable for this user",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "make the file and its folder writable for this user",
    ),
}
"""By SQLite's primary result code: what is wrong with the file, and the cure."""

_creating = threading.Lock()
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[InputItem] = msgspec.json.Decoder(InputItem)


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation at a glance; times are Unix seconds.

    `turns` counts what the user said, and `first_words` are the first of it ("": nothing yet).
    """

    number: int
    began_at: float
    last_at: float
    model: str
    turns: int
    first_words: str


class Journal:
    """The conversations in one file; times are Unix seconds.

    Every method blocks: call it from a worker thread, from one at a time. Several programs may
    have the file open. All methods raise `JournalError` where the file cannot be used.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database

    @classmethod
    def open(cls, path: Path, retention_days: float, now: float) -> Journal:
        """Open the file, or begin one that only this user can read.

        Conversations that are older than `retention_days` at `now` are deleted; 0 keeps all.
        Raises `JournalError`, and leaves alone a file that is no journal or a newer one.
        """
        path = path.expanduser().absolute()
        database = _connect(path)
        try:
            with _explained(path):
                _prepare(database, path)
            journal = cls(path, database)
            journal._erase()
            if retention_days > 0:
                journal.forget_before(now - retention_days * _DAY_SECONDS)
        except BaseException:
            database.close()
            raise
        return journal

    def begin(self, at: float, model: str = "") -> int:
        """The number of a new conversation; numbers are not used again."""
        with self._writing():
            added = self._database.execute(
                "INSERT INTO conversations (began_at, last_at, model) VALUES (?, ?, ?)",
                (at, at, model),
            )
        assert added.lastrowid is not None
        return added.lastrowid

    def append(self, conversation: int, turn: int, at: float, items: Sequence[InputItem]) -> None:
        """Add settled items, all or none; they are on the disk when this returns.

        A conversation that was deleted meanwhile begins again with them.
        """
        if not items:
            return
        rows = [
            (conversation, turn, at, _kind(item), _encoder.encode(item).decode()) for item in items
        ]
        with self._writing():
            # A clock that was set back must not make the conversation older.
            self._database.execute(
                "INSERT INTO conversations VALUES (?, ?, ?, '') ON CONFLICT (number)"
                " DO UPDATE SET last_at = max(last_at, excluded.last_at)",
                (conversation, at, at),
            )
            self._database.executemany(
                "INSERT INTO items (conversation, turn, at, kind, item) VALUES (?, ?, ?, ?, ?)",
                rows,
            )

    def latest(self) -> int | None:
        """The conversation that was appended to last; None where there is none."""
        with _explained(self._path):
            row = self._database.execute(
                "SELECT conversation FROM items ORDER BY id DESC LIMIT 1"
            ).fetchone()
        return row[0] if row else None

    def items(self, conversation: int) -> list[InputItem]:
        """The conversation's items in order; those that this version does not know are left out."""
        with _explained(self._path):
            rows = self._database.execute(
                "SELECT id, item FROM items WHERE conversation = ? ORDER BY id", (conversation,)
            ).fetchall()
        return [item for number, text in rows if (item := _decoded(number, text)) is not None]

    def conversations(self) -> list[Summary]:
        """The conversations in which something was said, the oldest first."""
        with _explained(self._path):
            rows = self._database.execute(
                "SELECT number, began_at, last_at, model,"
                " (SELECT count(*) FROM items WHERE conversation = number AND kind = 'user'),"
                " (SELECT item FROM items WHERE conversation = number AND kind = 'user'"
                " ORDER BY id LIMIT 1)"
                " FROM conversations"
                " WHERE EXISTS (SELECT 1 FROM items WHERE conversation = number)"
                " ORDER BY number"
            ).fetchall()
        return [
            Summary(number, began_at, last_at, model, turns, _words(first))
            for number, began_at, last_at, model, turns, first in rows
        ]

    def delete(self, *conversations: int) -> None:
        """Delete conversations, and their words from the file.

        Raises `JournalError` where one is unknown, and then deletes none.
        """
        with self._writing():
            for number in conversations:
                if not self._delete("number = ?", number):
                    raise JournalError(
                        f"there is no conversation {number} in {self._path}",
                        "`voice journal list` shows them",
                    )
        self._erase()

    def forget_before(self, at: float) -> int:
        """Delete the conversations that were last appended to before `at`; how many they were."""
        with self._writing():
            forgotten = self._delete("last_at < ?", at)
        self._erase()
        return forgotten

    def close(self) -> None:
        """Give the file back; safe to call twice."""
        with _explained(self._path):
            self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that nobody else writes in."""
        with _explained(self._path), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield

    def _delete(self, which: str, value: float) -> int:
        self._database.execute(
            f"INSERT INTO unerased SELECT NULL FROM conversations WHERE {which}", (value,)
        )
        deleted = self._database.execute(f"DELETE FROM conversations WHERE {which}", (value,))
        return deleted.rowcount

    def _erase(self) -> None:
        """Take deleted words out of the file, if there are any."""
        with _explained(self._path):
            last = self._database.execute("SELECT max(id) FROM unerased").fetchone()[0]
            if last is None:
                return
            self._database.execute("VACUUM")
            busy, *_ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise JournalError(
                f"what was deleted from {self._path} may still be in its -wal file: another "
                "program reads there",
                "end that program; the next `voice` that uses the journal finishes it",
            )
        with self._writing():
            # What another program deleted meanwhile stays to be erased.
            self._database.execute("DELETE FROM unerased WHERE id <= ?", (last,))


class JournalWriter:
    """Appends to one conversation on a thread of its own, in the order of the calls."""

    def __init__(self, journal: Journal, conversation: int) -> None:
        self._journal = journal
        self._conversation = conversation
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._unwritten: list[InputItem] = []
        self._last = (0, 0.0)

    async def append(self, turn: int, at: float, items: Sequence[InputItem]) -> None:
        """Add settled items, as `Journal.append` does; they are written even if we are cancelled.

        `at` is in Unix seconds. Raises `JournalError`; the items then go with the next ones.
        """
        loop = asyncio.get_running_loop()
        await asyncio.shield(
            loop.run_in_executor(self._thread, self._append, turn, at, tuple(items))
        )

    def _append(self, turn: int, at: float, items: Sequence[InputItem]) -> None:
        """What could not be written before goes first: a journal has no holes."""
        self._unwritten += items
        self._last = turn, at
        self._journal.append(self._conversation, turn, at, self._unwritten)
        self._unwritten = []

    async def close(self) -> None:
        """Write what is waiting, and give the file back. Safe to call twice."""
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        if self._unwritten:
            with suppress(JournalError):  # whoever appended has been told
                self._append(*self._last, ())
        self._journal.close()


def _connect(path: Path) -> sqlite3.Connection:
    _make(path)
    with _explained(path):
        return sqlite3.connect(
            f"{path.as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,  # transactions begin where we say so
            check_same_thread=False,
        )


def _make(path: Path) -> None:
    """Create the file if it is missing; SQLite gives -wal and -shm the same permissions.

    Closing a file ends all locks that this process has on it, so one that is there is not opened,
    and nobody else goes on before a new one is closed.
    """
    try:
        with _creating, suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        ordinary, size = path.is_file(), path.stat().st_size
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be created: {error.strerror}",
            "set [journal] path to a file in a folder that exists and is yours",
        ) from error
    if not ordinary or 0 < size < _SMALLEST_BYTES:
        raise JournalError(f"{path} is no journal", _ELSEWHERE)


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    """Check whose file it is before anything is written, and make the tables in a new one."""
    new = _is_new(database, path)
    for setting in _SETTINGS:
        database.execute(setting)
    _keep_log(database, path)
    if new:
        with database:
            database.execute("BEGIN IMMEDIATE")
            if _is_new(database, path):  # another program may have been quicker
                for statement in _TABLES:
                    database.execute(statement)


def _is_new(database: sqlite3.Connection, path: Path) -> bool:
    application, version, tables = database.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()  # in one statement: another program may be making the tables
    if application == version == tables == 0:
        return True
    if application != _APPLICATION_ID:
        raise JournalError(f"{path} is another program's database", _ELSEWHERE)
    if version > _SCHEMA:
        raise JournalError(
            f"the journal {path} was written by a newer version (schema {version}; this one "
            f"knows {_SCHEMA})",
            f"update voice, or {_ELSEWHERE}",
        )
    return False


def _keep_log(database: sqlite3.Connection, path: Path) -> None:
    """Switch to a write-ahead log.

    SQLite does not wait where two programs switch at once, so we do.
    """
    give_up_at = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            mode = database.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if _primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise JournalError(
            f"the disk of {path} cannot hold a write-ahead log",
            "set [journal] path to a file on a local disk",
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Map what SQLite says to a `JournalError`."""
    try:
        yield
    except sqlite3.Error as error:
        if (code := _primary(error)) is None:
            raise
        problem, cure = _PROBLEMS.get(code, (f"cannot be used: {error}", _ELSEWHERE))
        raise JournalError(f"the journal {path} {problem}", cure) from error


def _primary(error: sqlite3.Error) -> int | None:
    """SQLite's result code without its details; None for a wrong use of the module."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _kind(item: InputItem) -> str:
    """Who said it, or which type of item it is."""
    return item.role if isinstance(item, InputMessage) else str(item.__struct_config__.tag)


def _decoded(number: int, text: str) -> InputItem | None:
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError as error:
        _log.warning("the journal's item %d is left out: %s", number, error)
        return None


def _words(text: str | None) -> str:
    item = _decoded(0, text) if text else None
    return item.content if isinstance(item, InputMessage) else ""
