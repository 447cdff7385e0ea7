"""How far the parts are, as the trace is told."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest

from voice import loading as module
from voice.clock import MonotonicClock, VirtualClock
from voice.errors import ModelError
from voice.loading import Loading
from voice.models import fetch as fetching
from voice.models.fetch import Progress
from voice.models.sources import Halt
from voice.trace import Trace, TraceEvent


class Told:
    """A `Loading`, and what it told."""

    def __init__(self, *, fetches: bool = False) -> None:
        self.events: list[TraceEvent] = []
        self.loading = Loading(Trace(self.events.append), MonotonicClock(), fetches=fetches)

    @property
    def steps(self) -> list[tuple[str, int, int]]:
        fields = [event.fields for event in self.events]
        return [(one["part"], one["done"], one["total"]) for one in fields]


async def test_a_part_begins_and_ends_with_its_seconds() -> None:
    told = Told()
    assert await told.loading.load("voice", lambda: 7) == 7
    assert told.steps == [("voice", 0, 1), ("voice", 1, 1)]
    assert 0 <= told.events[-1].fields["seconds"] < 5


async def test_a_part_that_fails_does_not_end() -> None:
    told = Told()

    def load() -> None:
        raise ModelError("it is damaged")

    with pytest.raises(ModelError):
        await told.loading.load("voice", load)
    assert told.steps == [("voice", 0, 1)]


async def test_what_is_loaded_elsewhere_ends_with_its_result() -> None:
    told, voice, broken = Told(), Future[int](), Future[int]()
    for part, future in (("voice", voice), ("other", broken)):
        told.loading.begin(part)
        told.loading.end_with(part, future)
    await asyncio.to_thread(voice.set_result, 1)
    broken.set_exception(ModelError("it is damaged"))
    await asyncio.sleep(0)
    assert told.steps[2:] == [("voice", 1, 1)]


async def test_a_second_connection_is_not_told() -> None:
    told = Told()
    told.loading.begin("server")
    told.loading.end("server")
    told.loading.end("server")
    assert told.steps == [("server", 0, 1), ("server", 1, 1)]


async def test_a_missing_model_is_fetched_and_its_bytes_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fetch(names: list[str], progress: Progress, *, halt: Halt) -> None:
        assert names == ["tiny.en"]
        progress.advanced("tiny.en", 30, 100)
        progress.advanced("tiny.en", 100, 100)

    monkeypatch.setattr(fetching, "fetch", fetch)
    monkeypatch.setattr(module, "_missing", list)
    told = Told(fetches=True)
    await told.loading.load("hearing", lambda: None, ["tiny.en"])
    counted = [(done, total) for _, done, total in told.steps]
    assert counted == [(0, 1), (30, 100), (99, 100), (0, 1), (1, 1)], "verified is not loaded"


async def test_nothing_is_fetched_unless_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(fetching, "fetch", fetch)
    monkeypatch.setattr(module, "_missing", list)
    await Told().loading.fetch("hearing", ["tiny.en"])


async def test_after_the_end_nothing_is_told() -> None:
    told = Told()
    told.loading.begin("voice")
    told.loading.close()
    told.loading.end("voice")
    assert told.steps == [("voice", 0, 1)]


async def test_in_virtual_time_nothing_is_told() -> None:
    events: list[TraceEvent] = []
    await Loading(Trace(events.append), VirtualClock()).load("voice", lambda: 1)
    assert events == []
