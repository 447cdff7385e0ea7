"""Conversations in a SQLite file: what was said outlives a crash, a reboot and a power cut.

Every append is a transaction in a write-ahead log that is on the disk when the call returns. What
is deleted is gone from the file as well; a deletion has a row in `unerased` until that is done, so
that the next start can finish it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from voice.database import Database, Layout
from voice.errors import JournalError
from voice.responses.events import InputItem, InputMessage

_log = logging.getLogger(__name__)

_LAYOUT: Final = Layout(
    name="journal",
    application_id=int.from_bytes(b"voic", "big"),
    version=1,
    tables=(
        "CREATE TABLE conversations (number INTEGER PRIMARY KEY AUTOINCREMENT,"
        " began_at REAL NOT NULL, last_at REAL NOT NULL, model TEXT NOT NULL)",
        "CREATE TABLE items (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL"
        " REFERENCES conversations ON DELETE CASCADE, turn INTEGER NOT NULL, at REAL NOT NULL,"
        " kind TEXT NOT NULL, item TEXT NOT NULL)",
        "CREATE INDEX items_by_conversation ON items (conversation)",
        "CREATE TABLE unerased (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    ),
    settings=(
        "PRAGMA synchronous = FULL",  # wait for the disk at every commit
        "PRAGMA fullfsync = ON",  # on macOS the disk's own cache, too
        "PRAGMA checkpoint_fullfsync = ON",
    ),
    elsewhere="set [journal] path to another file",
    error=JournalError,
)

_DAY_SECONDS = 86_400

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

    def __init__(self, path: Path, database: Database) -> None:
        self._path = path
        self._database = database

    @classmethod
    def open(cls, path: Path, retention_days: float, now: float) -> Journal:
        """Open the file, or begin one that only this user can read.

        Conversations that are older than `retention_days` at `now` are deleted; 0 keeps all.
        Raises `JournalError`, and leaves alone a file that is no journal or a newer one.
        """
        path = path.expanduser().absolute()
        database = Database.open(path, _LAYOUT)
        try:
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
        with self._database.writing() as connection:
            added = connection.execute(
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
        with self._database.writing() as connection:
            # A clock that was set back must not make the conversation older.
            connection.execute(
                "INSERT INTO conversations VALUES (?, ?, ?, '') ON CONFLICT (number)"
                " DO UPDATE SET last_at = max(last_at, excluded.last_at)",
                (conversation, at, at),
            )
            connection.executemany(
                "INSERT INTO items (conversation, turn, at, kind, item) VALUES (?, ?, ?, ?, ?)",
                rows,
            )

    def latest(self) -> int | None:
        """The conversation that was appended to last; None where there is none."""
        rows = self._database.read("SELECT conversation FROM items ORDER BY id DESC LIMIT 1")
        return rows[0][0] if rows else None

    def items(self, conversation: int) -> list[InputItem]:
        """The conversation's items in order; those that this version does not know are left out."""
        rows = self._database.read(
            "SELECT id, item FROM items WHERE conversation = ? ORDER BY id", conversation
        )
        return [item for number, text in rows if (item := _decoded(number, text)) is not None]

    def conversations(self) -> list[Summary]:
        """The conversations in which something was said, the oldest first."""
        rows = self._database.read(
            "SELECT number, began_at, last_at, model,"
            " (SELECT count(*) FROM items WHERE conversation = number AND kind = 'user'),"
            " (SELECT item FROM items WHERE conversation = number AND kind = 'user'"
            " ORDER BY id LIMIT 1)"
            " FROM conversations"
            " WHERE EXISTS (SELECT 1 FROM items WHERE conversation = number)"
            " ORDER BY number"
        )
        return [
            Summary(number, began_at, last_at, model, turns, _words(first))
            for number, began_at, last_at, model, turns, first in rows
        ]

    def delete(self, *conversations: int) -> None:
        """Delete conversations, and their words from the file.

        Raises `JournalError` where one is unknown, and then deletes none.
        """
        with self._database.writing() as connection:
            for number in conversations:
                if not _delete(connection, "number = ?", number):
                    raise JournalError(
                        f"there is no conversation {number} in {self._path}",
                        "`voice journal list` shows them",
                    )
        self._erase()

    def forget_before(self, at: float) -> int:
        """Delete the conversations that were last appended to before `at`; how many they were."""
        with self._database.writing() as connection:
            forgotten = _delete(connection, "last_at < ?", at)
        self._erase()
        return forgotten

    def close(self) -> None:
        """Give the file back; safe to call twice."""
        self._database.close()

    def _erase(self) -> None:
        """Take deleted words out of the file, if there are any."""
        last = self._database.read("SELECT max(id) FROM unerased")[0][0]
        if last is None:
            return
        if not self._database.erase():
            raise JournalError(
                f"what was deleted from {self._path} may still be in its -wal file: another "
                "program reads there",
                "end that program; the next `voice` that uses the journal finishes it",
            )
        with self._database.writing() as connection:
            # What another program deleted meanwhile stays to be erased.
            connection.execute("DELETE FROM unerased WHERE id <= ?", (last,))


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

    async def begin_anew(self, at: float, *, forget: bool) -> None:
        """Append to a new conversation from now on; `forget`: delete the one so far.

        Raises `JournalError`, and then goes on with the same.
        """
        loop = asyncio.get_running_loop()
        await asyncio.shield(loop.run_in_executor(self._thread, self._begin_anew, at, forget))

    def _begin_anew(self, at: float, forget: bool) -> None:
        number = self._journal.begin(at)
        before, self._conversation = self._conversation, number
        if forget:
            self._unwritten = []
            self._journal.delete(before)

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


def _delete(connection: sqlite3.Connection, which: str, value: float) -> int:
    connection.execute(
        f"INSERT INTO unerased SELECT NULL FROM conversations WHERE {which}", (value,)
    )
    return connection.execute(f"DELETE FROM conversations WHERE {which}", (value,)).rowcount


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
