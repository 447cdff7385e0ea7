"""Configurations that are read anew; the kiosk is a fake."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from voice.apps.kiosk import service as module
from voice.apps.kiosk.json_log import JsonLog
from voice.apps.kiosk.service import Service
from voice.config import KioskOptions, Options
from voice.errors import UsageError

OTHER = Options(kiosk=KioskOptions(forget_seconds=5.0))


class FakeKiosk:
    """Runs until it is given other options, or fails."""

    all: list[FakeKiosk]
    failure: Exception | None = None

    def __init__(self, options: Options, *_: object) -> None:
        self.options = options
        self._replaced: asyncio.Future[Options] = asyncio.get_running_loop().create_future()
        FakeKiosk.all.append(self)
        if FakeKiosk.failure and len(FakeKiosk.all) == 2:
            self._replaced.set_exception(ExceptionGroup("", [FakeKiosk.failure]))

    async def run(self) -> Options:
        return await self._replaced

    def replace(self, options: Options) -> None:
        self._replaced.set_result(options)


class Stage:
    """A service and its log."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        FakeKiosk.all, FakeKiosk.failure = [], None
        monkeypatch.setattr(module, "Kiosk", FakeKiosk)
        monkeypatch.setattr(module, "serve_status", self._serve_status)
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
        self.read: Options | UsageError = Options()
        self._log = io.StringIO()
        self.service = Service(self._load, JsonLog(self._log), [])

    @asynccontextmanager
    async def _serve_status(self, *_: object) -> AsyncIterator[str]:
        yield ""

    def _load(self) -> Options:
        if isinstance(self.read, UsageError):
            raise self.read
        return self.read

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        running = asyncio.create_task(self.service.run(Options()))
        try:
            await self.until(lambda: bool(FakeKiosk.all))
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


async def test_a_changed_configuration_begins_another_kiosk(stage: Stage) -> None:
    async with stage.running():
        stage.read = OTHER
        stage.service.reload()
        await stage.until(lambda: len(FakeKiosk.all) == 2)
    assert FakeKiosk.all[1].options == OTHER
    assert stage.told("config.reloaded")


async def test_a_wrong_one_is_told_with_its_cure_and_the_old_one_goes_on(stage: Stage) -> None:
    async with stage.running():
        stage.read = UsageError("there is no key kiosk.x", "did you mean wake_word?")
        stage.service.reload()
        await asyncio.sleep(0)
    (told,) = stage.told("config.refused")
    assert (told["problem"], told["cure"]) == (stage.read.problem, stage.read.cure)
    assert len(FakeKiosk.all) == 1


async def test_one_that_turns_out_wrong_later_gives_way_to_the_one_before(stage: Stage) -> None:
    FakeKiosk.failure = UsageError("no model is chosen", "name one")
    async with stage.running():
        stage.read = OTHER
        stage.service.reload()
        await stage.until(lambda: len(FakeKiosk.all) == 3)
    assert [kiosk.options for kiosk in FakeKiosk.all] == [Options(), OTHER, Options()]
    assert stage.told("config.refused")


async def test_a_first_one_that_cannot_work_ends_the_program(stage: Stage) -> None:
    async with stage.running() as running:
        FakeKiosk.all[0]._replaced.set_exception(UsageError("no model is chosen", "name one"))
        with pytest.raises(UsageError):
            await running
