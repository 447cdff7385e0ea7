"""The library's face; the session behind it is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from voice.apps import assistant as module
from voice.apps.assistant import Assistant
from voice.config import Options
from voice.errors import AgentError, UsageError, VoiceError
from voice.trace import Trace


class FakeSession:
    """Runs until `ending` has a result; keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        await self.ending

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.told.append((name, *arguments))


class Stage:
    """What `open_session` gives, or how it fails."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.sessions: list[FakeSession] = []
        self.traces: list[Trace] = []
        self.closed = 0

    @asynccontextmanager
    async def open(self, _: Any, __: Any, trace: Trace, **___: Any) -> AsyncIterator[FakeSession]:
        if self.failure:
            raise self.failure
        self.traces.append(trace)
        self.sessions.append(FakeSession())
        try:
            yield self.sessions[-1]
        finally:
            self.closed += 1


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    monkeypatch.setattr(module, "open_session", stage.open)
    return stage


def assistant() -> Assistant:
    anything: Any = object()
    return Assistant(input=anything, output=anything, options=Options())


async def test_events_come_until_the_conversation_ends(stage: Stage) -> None:
    async with assistant() as it:
        stage.traces[0].mark("listening", 1.0)
        stage.traces[0].mark("transcript.final", 2.0, 1, text="hello")
        stage.sessions[0].ending.set_result(None)
        assert [event.event async for event in it.converse()] == ["listening", "transcript.final"]
        assert [event async for event in it.converse()] == [], "it stays over"


async def test_what_one_does_reaches_the_session(stage: Stage) -> None:
    async with assistant() as it:
        it.say("Dinner is ready.")
        it.type("What time is it?")
        it.interrupt()
        it.mute()
    assert stage.sessions[0].told == [
        ("announce", "Dinner is ready."),
        ("type_text", "What time is it?"),
        ("interrupt",),
        ("mute", True),
    ]
    assert stage.closed == 1


async def test_what_cannot_be_opened_is_told_at_once(stage: Stage) -> None:
    stage.failure = ExceptionGroup("", [AgentError("no server answers", "start one")])
    with pytest.raises(AgentError, match="no server answers"):
        async with assistant():
            raise AssertionError


async def test_what_ends_the_conversation_is_raised_to_who_follows_it(stage: Stage) -> None:
    async with assistant() as it:
        stage.sessions[0].ending.set_exception(ExceptionGroup("", [AgentError("it broke")]))
        with pytest.raises(AgentError, match="it broke"):
            async for _ in it.converse():
                pass


async def test_an_error_of_the_program_ends_it(stage: Stage) -> None:
    with pytest.raises(ZeroDivisionError):
        async with assistant():
            _ = 1 / 0
    assert stage.closed == 1


async def test_outside_of_the_block_there_is_no_conversation() -> None:
    with pytest.raises(UsageError, match="no conversation"):
        assistant().say("hello")


def test_a_function_that_is_no_tool_is_refused() -> None:
    def undocumented() -> None: ...

    with pytest.raises(VoiceError, match="no docstring"):
        Assistant(tools=[undocumented])
