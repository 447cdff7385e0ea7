from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from voice.errors import JournalError
from voice.tools.kept_timers import KeptTimers
from voice.tools.timers import KeptTimer

TEA = KeptTimer("tea", 300, datetime(2026, 11, 26, 7, 5, 0, 250_000, tzinfo=UTC))
WORK = KeptTimer("work", 0, datetime(2026, 11, 27, 7, 0))


async def test_what_is_written_is_found_again(tmp_path: Path) -> None:
    kept = KeptTimers.open(tmp_path / "talk.db")
    assert kept.found == ()
    assert await kept.write([TEA, WORK]) is None
    await kept.close()
    again = KeptTimers.open(tmp_path / "talk.db")
    assert again.found == (TEA, WORK)
    assert await again.write([WORK]) is None
    await again.close()
    last = KeptTimers.open(tmp_path / "talk.db")
    assert last.found == (WORK,)
    await last.close()
    await last.close()


def test_the_file_is_beside_the_journal_and_private(tmp_path: Path) -> None:
    asyncio.run(KeptTimers.open(tmp_path / "talk.db").close())
    path = tmp_path / "talk-timers.db"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_an_error_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "talk-timers.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(JournalError, match=r"talk-timers.db.*\[journal\] path"):
        KeptTimers.open(tmp_path / "talk.db")


async def test_a_row_that_makes_no_sense_is_an_error_with_a_cure(tmp_path: Path) -> None:
    await KeptTimers.open(tmp_path / "talk.db").close()
    with sqlite3.connect(tmp_path / "talk-timers.db") as connection:
        connection.execute("INSERT INTO timers VALUES ('tea', 300, 'soon')")
    connection.close()
    with pytest.raises(JournalError, match=r"is damaged: .*soon.*delete it"):
        KeptTimers.open(tmp_path / "talk.db")


def test_a_folder_that_is_not_there_is_an_error_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be created"):
        KeptTimers.open(tmp_path / "nowhere" / "talk.db")


async def test_a_write_that_fails_is_told_and_made_good(tmp_path: Path) -> None:
    kept = KeptTimers.open(tmp_path / "talk.db")
    await kept.write([])  # now the table can be hidden from it
    with sqlite3.connect(tmp_path / "talk-timers.db") as connection:
        connection.execute("ALTER TABLE timers RENAME TO hidden")
    failure = await kept.write([TEA])
    assert isinstance(failure, JournalError)
    assert "talk-timers.db" in str(failure)
    with connection:
        connection.execute("ALTER TABLE hidden RENAME TO timers")
    connection.close()
    await kept.close()
    again = KeptTimers.open(tmp_path / "talk.db")
    assert again.found == (TEA,)
    await again.close()
