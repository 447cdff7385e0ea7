"""One conversation after another behind a screen; the session is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from voice.apps import live as module
from voice.apps.live import Ends, Live
from voice.audio.frames import Frame
from voice.errors import AudioError
from voice.trace import TraceEvent

FRAME = Frame(0, np.full(320, 1000, np.int16), 0.02)


class FakeSession:
    """Runs until it is told how to end; keeps what a person did."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latest_frame = FRAME
        self.progress: tuple[int, str, int] | None = None

    async def run(self) -> None:
        await self.ended

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.done.append((name, *arguments))


class FakeSpeaker:
    level_dbfs = -20.0


class Stage:
    """A `Live` with fakes, and what the screen was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sessions: list[FakeSession] = []
        self.events: list[TraceEvent] = []
        self.failure: Exception | None = None
        monkeypatch.setattr(module, "open_session", self._open)
        monkeypatch.setattr(module, "_PROGRESS_SECONDS", 0.0)
        self.live = Live(self._ends)

    def _ends(self) -> Ends:
        if self.failure:
            raise self.failure
        anything: Any = None
        speaker: Any = FakeSpeaker()
        return Ends(anything, anything, speaker)

    @asynccontextmanager
    async def _open(self, *_: Any, **__: Any) -> AsyncIterator[FakeSession]:
        self.sessions.append(FakeSession())
        yield self.sessions[-1]

    def told(self, event: str) -> list[TraceEvent]:
        return [one for one in self.events if one.event == event]

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0)

    @asynccontextmanager
    async def conversing(self) -> AsyncIterator[None]:
        talking = asyncio.create_task(self.live.converse(self.events.append, resume=False))
        try:
            yield
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


async def test_what_a_person_does_reaches_the_session(stage: Stage) -> None:
    async with stage.conversing():
        await stage.until(lambda: stage.live._session)
        stage.live.mute(True)
        stage.live.type_text("hello")
        stage.live.interrupt()
        stage.live.repeat()
        stage.live.new_conversation()
        stage.live.press_talk()
        stage.live.release_talk()
        names = [name for name, *_ in stage.sessions[0].done]
    assert names == [
        "mute", "type_text", "interrupt", "repeat", "begin_anew", "press_talk", "release_talk",
    ]  # fmt: skip
    assert stage.told("talk.pressed")
    assert stage.told("talk.released")


async def test_who_was_muted_stays_so_in_the_next_conversation(stage: Stage) -> None:
    async with stage.conversing():
        await stage.until(lambda: stage.live._session)
        stage.live.mute(True)
        stage.live.choose("voice", "another")
        await stage.until(lambda: len(stage.sessions) == 2 and stage.live._session)
    assert stage.sessions[1].done == [("mute", True)]


async def test_a_microphone_can_be_muted_before_there_is_a_conversation(stage: Stage) -> None:
    stage.failure = AudioError("the microphone is gone", "connect it")
    async with stage.conversing():
        await stage.until(lambda: stage.told("conversation.failed"))
        stage.live.mute(True)
    assert stage.told("input.muted")[0].fields == {"on": True}


async def test_without_a_conversation_nothing_happens(stage: Stage) -> None:
    stage.live.repeat()
    assert stage.live.levels() == (-96.0, -96.0)
    assert stage.events == []


async def test_the_levels_are_those_of_both_ends(stage: Stage) -> None:
    async with stage.conversing():
        await stage.until(lambda: stage.live._session)
        heard, said = stage.live.levels()
    assert (round(heard), said) == (-30, -20.0)


async def test_another_choice_opens_another_conversation(stage: Stage) -> None:
    async with stage.conversing():
        await stage.until(lambda: stage.live._session)
        stage.live.choose("voice", "another")
        await stage.until(lambda: len(stage.sessions) == 2)
    steps = [(one.fields["part"], one.fields["done"]) for one in stage.told("loading.progress")]
    assert steps == [("sound devices", 0), ("sound devices", 1)] * 2


async def test_a_failure_is_told_and_another_choice_cures_it(stage: Stage) -> None:
    stage.failure = AudioError("the microphone is gone", "connect it")
    async with stage.conversing():
        await stage.until(lambda: stage.told("conversation.failed"))
        stage.failure = None
        stage.live.choose("input", "")
        await stage.until(lambda: stage.sessions)
    (failed,) = stage.told("conversation.failed")
    assert failed.fields == {"problem": "the microphone is gone", "cure": "connect it"}


async def test_the_screen_is_told_how_much_was_heard_once(stage: Stage) -> None:
    async with stage.conversing():
        await stage.until(lambda: stage.live._session)
        stage.sessions[0].progress = (1, "One two.", 3)
        await stage.until(lambda: stage.told("heard.progress"))
        for _ in range(20):
            await asyncio.sleep(0)
        stage.sessions[0].progress = (1, "One two.", 7)
        await stage.until(lambda: len(stage.told("heard.progress")) == 2)
    assert [one.fields["characters"] for one in stage.told("heard.progress")] == [3, 7]


async def test_a_bug_is_raised(stage: Stage) -> None:
    stage.failure = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        await stage.live.converse(stage.events.append, resume=False)
