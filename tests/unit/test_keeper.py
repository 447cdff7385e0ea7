"""What outlives a conversation, and what happens where it cannot be kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voice.clock import VirtualClock
from voice.errors import JournalError
from voice.keeper import Keeper
from voice.responses.events import InputItem, InputMessage
from voice.responses.journal import Journal, JournalWriter
from voice.responses.signals import ItemsSettled
from voice.tools.kept_timers import KeptTimers
from voice.tools.timers import Timers
from voice.trace import Trace, TraceEvent


def _said(text: str) -> ItemsSettled:
    return ItemsSettled(1, [InputMessage(role="user", content=text)])


def _kept(path: Path) -> list[list[str]]:
    journal = Journal.open(path, 0, 0.0)
    kept = [
        [item.content for item in journal.items(one.number) if isinstance(item, InputMessage)]
        for one in journal.conversations()
    ]
    journal.close()
    return kept


async def _converse(path: Path, *, forget: bool) -> None:
    journal = Journal.open(path, 0, 0.0)
    writer = JournalWriter(journal, journal.begin(0.0))
    keeper = Keeper(Timers(lambda: 0.0), VirtualClock(), Trace(), writer)
    await keeper.keep(_said("before"))
    await keeper.begin_anew(forget=forget)
    await keeper.keep(_said("after"))
    await writer.close()


async def test_another_conversation_leaves_the_one_before(tmp_path: Path) -> None:
    await _converse(tmp_path / "j.db", forget=False)
    assert _kept(tmp_path / "j.db") == [["before"], ["after"]]


async def test_what_is_forgotten_leaves_the_file(tmp_path: Path) -> None:
    await _converse(tmp_path / "j.db", forget=True)
    assert _kept(tmp_path / "j.db") == [["after"]]
    assert b"before" not in (tmp_path / "j.db").read_bytes()


class _Full:
    """A journal on a full disk."""

    async def append(self, turn: int, at: float, items: Sequence[InputItem]) -> None:
        raise JournalError("the disk is full", "make room")

    async def begin_anew(self, at: float, *, forget: bool) -> None:
        raise JournalError("the disk is full", "make room")


async def test_a_failure_is_traced_and_the_conversation_goes_on() -> None:
    events: list[TraceEvent] = []
    full: Any = _Full()
    keeper = Keeper(Timers(lambda: 0.0), VirtualClock(), Trace(events.append), full)
    await keeper.keep(_said("words"))
    await keeper.begin_anew(forget=True)
    assert [(one.event, one.turn) for one in events] == [
        ("journal.failed", 1),
        ("journal.failed", 0),
    ]


async def test_timers_are_kept_when_they_change(tmp_path: Path) -> None:
    timers, kept = Timers(lambda: 0.0), KeptTimers.open(tmp_path / "j.db")
    keeper = Keeper(timers, VirtualClock(), Trace(), None, kept)
    await timers.set_timer("5 minutes", "tea")
    await keeper.keep_timers()
    await kept.close()
    again = KeptTimers.open(tmp_path / "j.db")
    assert [one.name for one in again.found] == ["tea"]
    await again.close()
