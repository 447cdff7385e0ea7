"""Answers are spoken one after another, and only what the user waits for ends a turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from voice.audio.wav import FileOutput
from voice.clock import VirtualClock
from voice.mouth import Mouth
from voice.speak.fake import FakeSynthesizer
from voice.speak.options import SpeakOptions
from voice.speak.playback import Playback
from voice.speak.worker import SynthesisWorker
from voice.turns.events import AnswerEnded, AnswerHeard, Event, Hold, Resume

RATE = 8000
WORDS = "One two three four."


@dataclass
class Stage:
    """A mouth in virtual time, and what it told."""

    mouth: Mouth
    clock: VirtualClock
    told: list[Event] = field(default_factory=list)

    def kinds(self) -> list[type]:
        return [type(event) for event in self.told]


@asynccontextmanager
async def speaking(folder: Path) -> AsyncIterator[Stage]:
    clock = VirtualClock()
    output = FileOutput(folder / "said.wav", clock, RATE)
    synthesizer = SynthesisWorker(FakeSynthesizer(RATE))
    parts: Any = SimpleNamespace(
        output=output,
        synthesizer=synthesizer,
        playback=Playback(RATE),
        clock=clock,
        speak=SpeakOptions(),
    )
    await output.open()
    async with asyncio.TaskGroup() as tasks:
        told: list[Event] = []
        yield Stage(Mouth(parts, tasks, told.append), clock, told)
        await clock.advance(30.0)
    synthesizer.close()
    await output.close()


def say(mouth: Mouth, turn: int, *, early: bool = False) -> None:
    mouth.begin(turn, early=early)
    mouth.say(WORDS)
    assert mouth.speech is not None
    mouth.speech.finish()


async def test_an_answer_is_heard_and_ends(tmp_path: Path) -> None:
    async with speaking(tmp_path) as stage:
        stage.mouth.expect(1)
        say(stage.mouth, 1)
    assert stage.kinds() == [AnswerHeard, AnswerEnded]


async def test_an_early_answer_that_is_dropped_leaves_room_for_the_one_that_is_asked_for(
    tmp_path: Path,
) -> None:
    async with speaking(tmp_path) as stage:
        say(stage.mouth, 1, early=True)
        stage.mouth.expect(1)  # before one hears that it is dropped
        assert stage.mouth.drop() == ""
        say(stage.mouth, 1)
    assert stage.kinds() == [AnswerHeard, AnswerEnded]


async def test_an_early_answer_is_not_heard_before_it_is_wanted(tmp_path: Path) -> None:
    async with speaking(tmp_path) as stage:
        say(stage.mouth, 1, early=True)
        await stage.clock.advance(5.0)
        assert not stage.told
        stage.mouth.expect(1)
        stage.mouth.release()
    assert stage.kinds() == [AnswerHeard, AnswerEnded]


async def test_what_was_held_does_not_hold_the_next_answer(tmp_path: Path) -> None:
    async with speaking(tmp_path) as stage:
        stage.mouth.expect(1)
        say(stage.mouth, 1)
        stage.mouth.give_way(Hold(1))
        assert stage.mouth.stop() == ""
        stage.mouth.expect(2)
        say(stage.mouth, 2)
    assert [event.turn for event in stage.told if isinstance(event, AnswerEnded)] == [2]


async def test_an_answer_that_has_not_begun_can_be_held(tmp_path: Path) -> None:
    async with speaking(tmp_path) as stage:
        stage.mouth.expect(1)
        stage.mouth.give_way(Hold(1))
        say(stage.mouth, 1)
        await stage.clock.advance(5.0)
        assert not stage.told
        stage.mouth.give_way(Resume(1))
    (heard, _) = stage.told
    assert isinstance(heard, AnswerHeard)
    assert heard.at == pytest.approx(5.0, abs=0.1)


async def test_a_failure_is_apologized_for_and_told(tmp_path: Path) -> None:
    async with speaking(tmp_path) as stage:
        stage.mouth.expect(1)
        stage.mouth.begin(1, early=False)
        stage.mouth.fail("the server is gone")
        assert stage.mouth.speech is not None
        assert stage.mouth.speech.own_words(stage.mouth.speech.text) == ""
    assert stage.told[-1] == AnswerEnded(1, "the server is gone")
