"""A kiosk's journal, on a real disk: what is too old is deleted while the kiosk runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from voice.apps.kiosk.retention import forget_in_time
from voice.responses.events import InputMessage
from voice.responses.journal import Journal
from voice.responses.journal_options import JournalOptions

_DAY_SECONDS = 86_400.0


def _journal(path: Path) -> Journal:
    return Journal.open(path, retention_days=0, now=0)


async def _look_for(options: JournalOptions, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await forget_in_time(lambda: options, every_seconds=0.01)


@pytest.mark.parametrize(("days", "left"), [(7.0, ["new"]), (0.0, ["old", "new"])])
async def test_old_conversations_are_deleted_while_the_journal_is_in_use(
    tmp_path: Path, days: float, left: list[str]
) -> None:
    options = JournalOptions(path=str(tmp_path / "journal.db"), retention_days=days)
    journal = _journal(Path(options.path))
    for name, age_days in (("old", 8.0), ("new", 6.0)):
        at = time.time() - age_days * _DAY_SECONDS
        journal.append(journal.begin(at), 1, at, [InputMessage(role="user", content=name)])
    await _look_for(options, 1.0)
    assert [summary.first_words for summary in journal.conversations()] == left
    journal.close()


async def test_a_file_that_cannot_be_used_ends_nothing(tmp_path: Path) -> None:
    await _look_for(JournalOptions(path=str(tmp_path)), 0.2)
