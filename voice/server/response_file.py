"""Finished responses in a SQLite file, and what it takes to continue from them.

A response is stored with what it adds to its parent's conversation where the parent is stored as
well, and else with the whole conversation: a chain of n turns takes n turns of disk. So a response
that is deleted or too old leaves its items behind while a descendant's conversation needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import structs

from voice.database import Database, Layout
from voice.errors import ServerError
from voice.server.backend import Item
from voice.server.items import read_items, write_item
from voice.server.lanes import Kept, Settled
from voice.server.writer import NewId

_LAYOUT: Final = Layout(
    name="response store",
    application_id=int.from_bytes(b"voir", "big"),
    version=1,
    tables=(
        # Without `response` it is deleted; `input` and `output` are lists of the wire's items.
        "CREATE TABLE responses (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
        " parent INTEGER REFERENCES responses, kept_at REAL NOT NULL,"
        " response TEXT, input TEXT NOT NULL, output TEXT NOT NULL)",
        "CREATE INDEX responses_by_parent ON responses (parent)",
        "CREATE TABLE unerased (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    ),
    settings=("PRAGMA synchronous = NORMAL",),  # a power cut costs the last ones, not the file
    elsewhere="choose another file with --store",
    error=ServerError,
)

_LINE: Final = (
    "WITH RECURSIVE line (parent, input, output, age) AS ("
    " SELECT parent, input, output, 0 FROM responses"
    " WHERE id = ? AND response IS NOT NULL AND kept_at >= ?"
    " UNION ALL SELECT older.parent, older.input, older.output, age + 1"
    " FROM responses AS older JOIN line ON older.number = line.parent)"
    " SELECT input, output FROM line ORDER BY age DESC"
)
"""The inputs and outputs of a response and its ancestors, the oldest first."""

_PRUNE: Final = (
    "WITH RECURSIVE needed (number) AS ("
    " SELECT number FROM responses WHERE response IS NOT NULL"
    " UNION SELECT parent FROM responses JOIN needed USING (number) WHERE parent IS NOT NULL)"
    " DELETE FROM responses WHERE number NOT IN needed"
)
"""Remove what is deleted and in no living response's conversation."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class ResponseFile:
    """The responses in one file, or with `path` None in memory. Times are Unix seconds.

    Every method blocks, and raises `ServerError` where the file cannot be used; call them from one
    thread at a time. Several programs may have the file open. What was kept before `since` is too
    old, and as good as deleted.
    """

    def __init__(self, path: Path | None, new_id: NewId) -> None:
        self._database = Database.open(path, _LAYOUT)
        self._new_id = new_id

    def keep(self, kept: Kept, at: float) -> None:
        """Add a response that ended at `at`."""
        response = kept.response
        with self._database.writing() as database:
            parent = database.execute(
                "SELECT number FROM responses WHERE id = ?", (response.previous_response_id,)
            ).fetchone()
            given = kept.given if parent else kept.before + kept.given
            database.execute(
                "INSERT INTO responses (id, parent, kept_at, response, input, output)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    response.id,
                    parent[0] if parent else None,
                    at,
                    _encode(structs.replace(response, output=[])).decode(),
                    _encode([write_item(item, self._new_id) for item in given]).decode(),
                    _encode(response.output).decode(),
                ),
            )

    def fetch(self, response_id: str, since: float) -> Settled | None:
        """What a continuation needs; None where there is no such response."""
        line = self._database.read(_LINE, response_id, since)
        if not line:
            return None
        history: tuple[Item, ...] = ()
        for given, written in line:
            history += read_items(_decode(given)) + read_items(_decode(written))
        return Settled(response_id, history)

    def response(self, response_id: str, since: float) -> dict[str, Any] | None:
        """The wire's response object; None where there is no such response."""
        rows = self._database.read(
            "SELECT response, output FROM responses"
            " WHERE id = ? AND response IS NOT NULL AND kept_at >= ?",
            response_id,
            since,
        )
        return {**_decode(rows[0][0]), "output": _decode(rows[0][1])} if rows else None

    def input_items(self, response_id: str, since: float) -> list[dict[str, Any]] | None:
        """All items that the response answered to, the oldest first; None as above."""
        line = self._database.read(_LINE, response_id, since)
        if not line:
            return None
        items: list[dict[str, Any]] = []
        for given, written in line:
            items += _decode(given) + _decode(written)
        return items[: len(items) - len(_decode(line[-1][1]))]

    def delete(self, response_id: str, since: float) -> bool:
        """Delete a response; whether there was one."""
        return self._forget("id = ? AND kept_at >= ?", response_id, since) > 0

    def purge(self, since: float) -> int:
        """Delete what is too old; how many they were."""
        return self._forget("kept_at < ?", since)

    def erase(self) -> None:
        """Take what was deleted out of the file; another program's reading puts that off."""
        last = self._database.read("SELECT max(id) FROM unerased")[0][0]
        if last is not None and self._database.erase():
            with self._database.writing() as database:
                # What another program deleted meanwhile stays to be erased.
                database.execute("DELETE FROM unerased WHERE id <= ?", (last,))

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def _forget(self, which: str, *values: Any) -> int:
        with self._database.writing() as database:
            forgotten = database.execute(
                f"UPDATE responses SET response = NULL WHERE response IS NOT NULL AND {which}",
                values,
            ).rowcount
            if forgotten:
                database.execute(_PRUNE)
                database.execute("INSERT INTO unerased DEFAULT VALUES")
        return forgotten
