"""One answer, spoken in virtual time: held until it is wanted, heard, or stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from voice.audio.wav import FileOutput
from voice.clock import VirtualClock
from voice.errors import ModelError
from voice.speak.fake import WORD_SECONDS, FakeSynthesizer
from voice.speak.playback import Playback, PlaybackEnded, PlaybackEvent, PlaybackStarted
from voice.speak.speech import Speech
from voice.speak.synthesizer import Sound
from voice.speak.worker import SynthesisWorker

RATE = 8000
ANSWER = "One two three."
SECONDS = 3 * WORD_SECONDS


class Counting:
    """Hums, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.rate = RATE
        self.texts: list[str] = []
        self._hums = FakeSynthesizer(RATE)

    def synthesize(self, text: str) -> Iterator[Sound]:
        self.texts.append(text)
        if "?" in text:
            raise ModelError("the voice is broken")
        return self._hums.synthesize(text)


class Stage:
    """A speech that runs on a virtual clock, into a file."""

    def __init__(self, folder: Path, *, held: bool) -> None:
        self.clock = VirtualClock()
        self.voice = Counting()
        self.worker = SynthesisWorker(self.voice)
        self.output = FileOutput(folder / "out.wav", self.clock, RATE)
        self.speech = Speech(7, self.worker, self.output, Playback(RATE), self.clock, held=held)
        self.events: list[PlaybackEvent] = []

    async def until(self, seconds: float) -> None:
        """Time passes up to `seconds`; the voice takes none."""
        await self.clock.advance(seconds)
        await self.clock.advance(seconds)

    @property
    def written_seconds(self) -> float:
        return self.output.position().written / RATE


@asynccontextmanager
async def stage(folder: Path, *, held: bool) -> AsyncIterator[Stage]:
    some = Stage(folder, held=held)
    await some.output.open()
    task = asyncio.create_task(some.speech.run(some.events.append))
    try:
        yield some
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ExceptionGroup):
            await task
        some.worker.close()
        await some.output.close()


async def test_an_answer_is_heard_as_it_is_written(tmp_path: Path) -> None:
    async with stage(tmp_path, held=False) as some:
        assert not some.speech.held
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(0.1)
        assert [type(event) for event in some.events] == [PlaybackStarted]
        await some.until(SECONDS + 0.2)
        assert [type(event) for event in some.events] == [PlaybackStarted, PlaybackEnded]
        assert some.events[1].at == pytest.approx(some.events[0].at + SECONDS, abs=0.01)
        assert some.speech.stop() == ANSWER, "all of it was heard"


async def test_a_held_answer_is_made_ready_and_not_heard(tmp_path: Path) -> None:
    async with stage(tmp_path, held=True) as some:
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(5.0)
        assert some.speech.held
        assert some.speech.written
        assert some.voice.texts == [ANSWER], "its first sound is there"
        assert some.written_seconds == 0.0
        assert not some.events


async def test_only_the_first_sound_of_a_held_answer_is_made(tmp_path: Path) -> None:
    async with stage(tmp_path, held=True) as some:
        some.speech.say("One two three. Four five six seven. Eight nine ten eleven.")
        some.speech.finish()
        await some.until(5.0)
        assert len(some.voice.texts) == 1
        some.speech.release()
        await some.until(9.0)
        assert len(some.voice.texts) > 1


async def test_a_released_answer_is_heard_at_once(tmp_path: Path) -> None:
    async with stage(tmp_path, held=True) as some:
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(2.0)
        some.speech.release()
        assert not some.speech.held
        await some.until(4.0)
        started, ended = some.events
        assert started == PlaybackStarted(7, 2.0)
        assert ended.at == pytest.approx(2.0 + SECONDS, abs=0.01)


async def test_an_answer_may_be_released_before_its_first_word(tmp_path: Path) -> None:
    async with stage(tmp_path, held=True) as some:
        await some.until(1.0)
        some.speech.release()
        await some.until(1.5)
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(3.0)
        assert [type(event) for event in some.events] == [PlaybackStarted, PlaybackEnded]
        assert some.events[0].at == pytest.approx(1.5, abs=0.05)


async def test_time_passes_while_a_held_answer_is_not_written(tmp_path: Path) -> None:
    """Its text waits for the user to finish: the clock that waits for it would never get there."""
    async with stage(tmp_path, held=True) as some:
        await asyncio.wait_for(some.until(5.0), 5)
        assert some.clock.now() == 5.0


async def test_of_a_held_answer_nothing_was_heard(tmp_path: Path) -> None:
    async with stage(tmp_path, held=True) as some:
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(1.0)
        assert some.speech.stop() == ""
        await some.until(3.0)
        assert some.written_seconds == 0.0
        assert not some.events


async def test_one_that_is_stopped_says_nothing_even_if_it_is_released(tmp_path: Path) -> None:
    async with stage(tmp_path, held=True) as some:
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(1.0)
        some.speech.stop()
        some.speech.release()
        await some.until(3.0)
        assert some.written_seconds == 0.0


async def test_it_is_broken_off_where_it_was_heard(tmp_path: Path) -> None:
    async with stage(tmp_path, held=True) as some:
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(1.0)
        some.speech.release()
        await some.until(1.0 + 1.7 * WORD_SECONDS)
        assert some.speech.stop() == "One two"
        assert some.speech.text == ANSWER


LONG = "One two three four. Five six seven eight. Nine ten eleven twelve thirteen fourteen."
"""3.5 s in three clauses."""


async def test_after_a_hold_the_word_is_said_again_where_it_grew_quieter(tmp_path: Path) -> None:
    async with stage(tmp_path, held=False) as some:
        some.speech.say(LONG)
        some.speech.finish()
        await some.until(2.6 * WORD_SECONDS)  # the middle of the third word
        some.speech.duck()
        await some.until(3.2 * WORD_SECONDS)
        some.speech.hold()
        await some.until(3.0)
        position = some.output.position()
        assert position.played == pytest.approx(3.2 * WORD_SECONDS * RATE, abs=0.02 * RATE)
        assert [type(event) for event in some.events] == [PlaybackStarted], "not ended"
        some.speech.resume()
        await some.until(3.01)
        assert some.output.position().sounding == pytest.approx(
            2 * WORD_SECONDS * RATE, abs=0.03 * RATE
        )
        await some.until(10.0)
        assert some.events[-1] == PlaybackEnded(
            7, pytest.approx(3.0 + (14 - 2) * WORD_SECONDS, abs=0.03)
        )
        assert some.output.underruns == 0


async def test_what_was_only_ducked_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path, held=False) as some:
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(0.1)
        some.speech.duck()
        await some.until(1.2 * WORD_SECONDS)
        some.speech.unduck()
        await some.until(1.5 * WORD_SECONDS)
        some.speech.hold()
        await some.until(2.0)
        some.speech.resume()
        await some.until(2.01)
        assert some.output.position().sounding == pytest.approx(
            WORD_SECONDS * RATE, abs=0.03 * RATE
        ), "the word that sounded at the hold, not that of the duck"


async def test_of_what_is_stopped_while_it_is_held_the_words_until_then_were_heard(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, held=False) as some:
        some.speech.say(LONG)
        some.speech.finish()
        await some.until(1.7 * WORD_SECONDS)
        some.speech.duck()
        await some.until(2.6 * WORD_SECONDS)
        some.speech.hold()
        await some.until(3.0)
        assert some.speech.stop() == "One two three"


async def test_a_hold_before_the_first_sound_delays_all_of_it(tmp_path: Path) -> None:
    async with stage(tmp_path, held=True) as some:
        some.speech.hold()
        some.speech.say(ANSWER)
        some.speech.finish()
        some.speech.release()
        await some.until(2.0)
        assert some.written_seconds == SECONDS, "it is made ready"
        assert not some.events
        some.speech.resume()
        await some.until(4.0)
        started, ended = some.events
        assert started == PlaybackStarted(7, 2.0)
        assert ended.at == pytest.approx(2.0 + SECONDS, abs=0.01)


@pytest.mark.parametrize("before_the_end", [True, False])
async def test_one_that_was_held_leaves_the_speaker_to_the_next(
    tmp_path: Path, before_the_end: bool
) -> None:
    async with stage(tmp_path, held=False) as some:
        some.speech.say(ANSWER)
        some.speech.finish()
        await some.until(0.1 if before_the_end else 2.0)
        some.speech.hold()
        some.speech.stop()
        index = some.output.write(np.full(RATE, 9000, np.int16))
        await some.until(5.0)
        assert some.output.position().played == index + RATE


async def test_no_more_is_made_than_is_needed_soon(tmp_path: Path) -> None:
    async with stage(tmp_path, held=False) as some:
        some.speech.say(" ".join(["One two three four five six."] * 10))
        some.speech.finish()
        ahead = []
        while not some.events or len(some.events) < 2:
            await some.until(some.clock.now() + 0.1)
            position = some.output.position()
            ahead.append((position.written - position.played) / RATE)
            if round(some.clock.now(), 1) == 3.0:
                some.speech.hold()
            if round(some.clock.now(), 1) == 9.0:
                some.speech.resume()
        assert max(ahead) <= 2.0 + 6 * WORD_SECONDS
        assert some.output.underruns == 0
        assert some.clock.now() == pytest.approx(6.0 + 60 * WORD_SECONDS, abs=0.5)


async def test_a_voice_that_fails_while_it_is_held_fails(tmp_path: Path) -> None:
    some = Stage(tmp_path, held=True)
    some.speech.say("What? ")
    some.speech.finish()
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(some.speech.run(some.events.append), 5)
    assert isinstance(raised.value.exceptions[0], ModelError)
    some.worker.close()


async def test_an_answer_without_words_ends_when_it_is_released(tmp_path: Path) -> None:
    some = Stage(tmp_path, held=True)
    some.speech.finish()
    speaking = asyncio.create_task(some.speech.run(some.events.append))
    await some.until(1.0)
    assert not speaking.done()
    some.speech.release()
    await asyncio.wait_for(speaking, 5)
    some.worker.close()
