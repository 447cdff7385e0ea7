"""Conversations opened anew after each fault; session, devices and visitors are fakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voice.apps.kiosk import kiosk as module
from voice.apps.kiosk.faults import UNREACHABLE_SECONDS
from voice.apps.kiosk.kiosk import Kiosk
from voice.apps.kiosk.notify import Notifier
from voice.apps.kiosk.visitors import Note
from voice.audio.frames import Frame, OutputPosition
from voice.clock import Clock
from voice.config import KioskOptions, Options
from voice.errors import AgentError, MicrophoneError, ModelError, UsageError, first_known
from voice.responses.options import AgentOptions
from voice.trace import Trace, TraceEvent

REMOTE = Options(agent=AgentOptions(url="ws://127.0.0.1:1/v1"))
GONE = MicrophoneError("the microphone is gone", "connect it")

_MEMORY = {"release": lambda: None, "spare": lambda: None}


class FakeSession:
    """Hears a frame at each look, until it is told how to end."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.announced: list[str] = []
        self.progress: tuple[int, str, int] | None = None
        self.deaf = False
        self._frame = Frame(0, np.zeros(320, np.int16), 0.0)

    @property
    def latest_frame(self) -> Frame:
        if not self.deaf:
            self._frame = replace(self._frame)
        return self._frame

    async def run(self) -> None:
        await self.ended

    def announce(self, text: str) -> None:
        self.announced.append(text)


class FakeVisitors:
    """Nobody, unless the test says so."""

    def __init__(self, note: Note) -> None:
        self.note = note
        self.sessions: list[FakeSession | None] = []

    def __call__(self, event: TraceEvent) -> None:
        pass

    def attach(self, session: Any) -> None:
        self.sessions.append(session)

    def detach(self) -> None:
        self.sessions.append(None)

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()


class Stage:
    """A kiosk with fakes, and what the trace has of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sessions: list[FakeSession] = []
        self.opened: list[Options] = []
        self.events: list[TraceEvent] = []
        self.said: list[str] = []
        self.checked = 0
        self.failures: list[Exception] = []
        self.now = 100.0
        self.server: Exception | None = None
        self.speaker: Any = SimpleNamespace(
            rate=48000, alive=True, running=True, position=lambda: OutputPosition(0, 0, 0),
            device=SimpleNamespace(name="fake"),
        )  # fmt: skip
        for name, value in (
            ("open_ends", self._open_ends), ("open_session", self._open_session),
            ("announce", self._announce), ("keep_phrases", lambda *_: None),
            ("discard_damaged", self._discard_damaged), ("memory", SimpleNamespace(**_MEMORY)),
            ("_TICK_SECONDS", 0.0), ("_LOOK_SECONDS", 0.0),
        ):  # fmt: skip
            monkeypatch.setattr(module, name, value)
        monkeypatch.setattr("voice.apps.kiosk.probing.reach_server", self._reach_server)
        monkeypatch.setattr("voice.apps.kiosk.faults._FIRST_SECONDS", {})
        monkeypatch.setattr("voice.apps.kiosk.faults._LATER_SECONDS", {})
        monkeypatch.setattr("voice.apps.kiosk.faults._USUAL_SECONDS", 0.0)

    def _open_ends(self, *_: object) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        return SimpleNamespace(devices=None, microphone=self.speaker.device, speaker=self.speaker)

    @asynccontextmanager
    async def _open_session(
        self, options: Options, _: object, trace: Trace, *, fetch: bool
    ) -> AsyncIterator[FakeSession]:
        self.opened.append(options)
        self.trace = trace
        self.sessions.append(FakeSession())
        yield self.sessions[-1]

    async def _announce(self, phrase: str, _: Options) -> None:
        self.said.append(phrase)

    def _discard_damaged(self, _: Options) -> list[str]:
        self.checked += 1
        return []

    async def _reach_server(self, _: AgentOptions) -> None:
        await asyncio.sleep(0)
        if self.server:
            raise self.server

    @asynccontextmanager
    async def running(self, options: Options = REMOTE) -> AsyncIterator[asyncio.Task[Options]]:
        def visitors(note: Note, clock: Clock) -> FakeVisitors:
            self.visitors = FakeVisitors(note)
            return self.visitors

        self.kiosk = Kiosk(options, Notifier(), visitors, self.events.append)
        self.kiosk._clock.now = lambda: self.now  # type: ignore[method-assign]
        running = asyncio.create_task(self.kiosk.run())
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def told(self, event: str) -> list[dict[str, Any]]:
        return [one.fields for one in self.events if one.event == event]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def ready(self, count: int = 1) -> None:
        await self.until(lambda: len(self.told("kiosk.ready")) == count)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


async def test_it_is_ready_when_sound_comes_and_visitors_meet_the_session(stage: Stage) -> None:
    async with stage.running():
        await stage.ready()
        assert stage.visitors.sessions == [stage.sessions[0]]
    assert stage.visitors.sessions == [stage.sessions[0], None]
    assert stage.opened == [REMOTE]


async def test_a_conversation_that_ends_in_a_fault_is_opened_anew(stage: Stage) -> None:
    async with stage.running():
        await stage.ready()
        stage.failures = [GONE, GONE, GONE]
        stage.sessions[0].ended.set_exception(GONE)
        await stage.ready(2)
    assert [fault["fault"] for fault in stage.told("fault.began")] == ["microphone"]
    assert [fault["fault"] for fault in stage.told("fault.ended")] == ["microphone"]
    assert len(stage.said) == 1, "and it is said aloud once"


async def test_a_speaker_that_takes_no_sound_is_noticed_while_nobody_talks(stage: Stage) -> None:
    async with stage.running():
        await stage.ready()
        stage.speaker.alive = False
        await stage.until(lambda: stage.told("fault.began"))
        stage.speaker.alive = True
        await stage.ready(2)
    assert stage.told("fault.began")[0]["fault"] == "speaker"


async def test_a_speaker_that_never_asks_for_sound_is_not_ready(stage: Stage) -> None:
    stage.speaker.running = False
    async with stage.running():
        await stage.until(lambda: stage.sessions)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not stage.told("kiosk.ready")
        stage.speaker.running = True
        await stage.ready()


async def test_without_its_server_it_goes_on_with_the_local_one_and_returns(stage: Stage) -> None:
    stage.server = AgentError("no server answers", "check the network")
    async with stage.running():
        await stage.ready()
        stage.trace.mark("connection.lost", stage.now, reason="the connection was lost")
        stage.now += UNREACHABLE_SECONDS + 1.0
        await stage.until(lambda: stage.told("agent.degraded"))
        assert stage.opened[-1].agent.url == "local"
        stage.server = None
        await stage.until(lambda: stage.told("agent.restored"))
    assert stage.opened[-1] == REMOTE
    assert [fault["fault"] for fault in stage.told("fault.ended")] == ["network"]


async def test_it_returns_to_its_server_between_visits_only(stage: Stage) -> None:
    stage.failures = [AgentError("no server answers", "check the network")]
    stage.server = stage.failures[0]
    async with stage.running():
        await stage.until(lambda: stage.told("agent.degraded"))
        stage.visitors.note("visit.began", {"by": "speech"})
        stage.server = None
        await stage.until(lambda: stage.told("fault.ended"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not stage.told("agent.restored")
        stage.visitors.note("visit.ended", {"reason": "silence"})
        await stage.until(lambda: stage.told("agent.restored"))


async def test_with_no_fallback_it_stays_with_the_conversation_that_apologises(
    stage: Stage,
) -> None:
    stage.server = AgentError("no server answers", "check the network")
    async with stage.running(replace(REMOTE, kiosk=KioskOptions(fallback="none"))):
        await stage.ready()
        stage.trace.mark("connection.lost", stage.now, reason="the connection was lost")
        stage.now += UNREACHABLE_SECONDS + 1.0
        await stage.until(lambda: stage.sessions[0].announced)
        assert len(stage.sessions) == 1
        stage.server = None
        await stage.ready(2)
    assert {options.agent.url for options in stage.opened} == {REMOTE.agent.url}


async def test_a_local_server_that_died_is_started_anew(stage: Stage) -> None:
    async with stage.running(Options()):
        await stage.ready()
        stage.trace.mark("connection.lost", stage.now, reason="the connection was lost")
        stage.now += UNREACHABLE_SECONDS + 1.0
        await stage.ready(2)
    assert len(stage.opened) == 2


async def test_a_stage_that_stalls_costs_the_conversation(stage: Stage) -> None:
    async with stage.running():
        await stage.ready()
        stage.sessions[0].deaf = True
        for _ in range(10):
            await asyncio.sleep(0)
        stage.now += REMOTE.kiosk.stalled_seconds + 1.0
        await stage.ready(2)
    assert stage.told("fault.began")[0]["fault"] == "stalled:input"
    assert stage.told("fault.ended")[0]["fault"] == "stalled:input"


async def test_no_memory_is_a_fault_and_no_bug(stage: Stage) -> None:
    async with stage.running():
        await stage.ready()
        stage.sessions[0].ended.set_exception(MemoryError())
        await stage.ready(2)
    assert stage.told("fault.began")[0]["fault"] == "memory"
    assert stage.told("fault.ended")[0]["fault"] == "memory"


async def test_damaged_models_are_looked_for_once_a_fault(stage: Stage) -> None:
    stage.failures = [ModelError("the model is damaged", "fetch it")]
    async with stage.running():
        await stage.ready()
    assert stage.checked == 1
    assert stage.told("models.checked") == [{"wrong": []}]


async def test_other_options_wait_until_nobody_is_there(stage: Stage) -> None:
    other = Options()
    async with stage.running() as running:
        await stage.ready()
        stage.visitors.note("visit.began", {"by": "speech"})
        stage.kiosk.replace(other)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not running.done()
        stage.visitors.note("visit.ended", {"reason": "goodbye"})
        assert await running == other


async def test_options_that_cannot_work_are_told_to_the_caller(stage: Stage) -> None:
    stage.failures = [UsageError("no model is chosen", "name one")]
    async with stage.running() as running:
        with pytest.raises(BaseExceptionGroup) as caught:
            await running
    assert isinstance(first_known(caught.value), UsageError)


async def test_a_bug_is_no_fault(stage: Stage) -> None:
    async with stage.running() as running:
        await stage.ready()
        stage.sessions[0].ended.set_exception(ZeroDivisionError())
        with pytest.raises(BaseExceptionGroup):
            await running
    assert not stage.told("fault.began")
