"""One answer, spoken: its text goes in as it comes, its sound goes to the speaker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, nullcontext
from dataclasses import replace

from voice.audio.frames import AudioOutput
from voice.clock import Clock
from voice.speak.chunker import Chunker
from voice.speak.options import SpeakOptions
from voice.speak.playback import Playback, PlaybackEnded, PlaybackEvent
from voice.speak.synthesizer import Clause, Sound
from voice.speak.worker import SynthesisWorker

_AHEAD_SECONDS = 2.0
"""Sound that is ready before it is needed; more would be thrown away at a barge-in. With ten times
as much work as two cores can do, half a second had 5 gaps in 20 s of speech, this one had one."""

_LEAST_WAIT_SECONDS = 0.02
"""Between two looks at how much is ready; while the answer is held it does not get less."""


class Speech:
    """Speaks the answer of one turn; `run` is its task, the rest is called from any other."""

    def __init__(
        self,
        turn: int,
        synthesizer: SynthesisWorker,
        output: AudioOutput,
        playback: Playback,
        clock: Clock,
        options: SpeakOptions | None = None,
        *,
        held: bool = False,
    ) -> None:
        """`options` tell what is read aloud. `held`: the first sound waits for `release`."""
        self._turn = turn
        self._synthesizer = synthesizer
        self._output = output
        self._playback = playback
        self._clock = clock
        self._chunker = Chunker(options)
        self._clauses: asyncio.Queue[Clause | None] = asyncio.Queue()
        self._stopped = False
        self._heard_out = False
        self._again_from: int | None = None  # the word where it grew quieter
        self._released = asyncio.Event()
        if not held:
            self._released.set()
        self._asides: list[tuple[int, int]] = []
        self.text = ""
        self.written = False
        """Whether `text` is whole."""

    @property
    def turn(self) -> int:
        """The turn whose answer this is."""
        return self._turn

    @property
    def held(self) -> bool:
        """Whether nothing may be heard of it yet."""
        return not self._released.is_set()

    def release(self) -> None:
        """Let it be heard."""
        self._released.set()

    def say(self, text: str) -> None:
        """More of the answer's text."""
        self.text += text
        for clause in self._chunker.receive(text):
            self._clauses.put_nowait(clause)

    def say_aside(self, text: str) -> None:
        """Something that is said, and no part of the answer: see `own_words`."""
        begins = len(self.text)
        self.say(f" {text}" if self.text else text)
        self._asides.append((begins, len(self.text)))

    def own_words(self, heard: str) -> str:
        """What was heard, without what was said aside: a model does not know that it said it."""
        for begins, ends in reversed(self._asides):
            heard = heard[:begins] + heard[ends:]
        return heard

    def finish(self) -> None:
        """The answer's text is whole."""
        self.written = True
        for clause in self._chunker.finish():
            self._clauses.put_nowait(clause)
        self._clauses.put_nowait(None)

    def duck(self) -> None:
        """Go on quieter, and remember the word that sounds."""
        self._remember_word()
        self._output.duck()

    def unduck(self) -> None:
        """Go on as loud as before."""
        self._again_from = None
        self._output.unduck()

    def hold(self) -> None:
        """Be silent until `resume`, even if nothing sounds yet; nothing is lost."""
        self._remember_word()
        self._output.hold()

    def resume(self) -> None:
        """Go on after a hold, from the beginning of the word where it grew quieter."""
        index, self._again_from = self._again_from, None
        if index is None:  # nothing had been heard
            index = self._output.position().sounding
        self._playback.repeat(index)
        self._output.resume(index)

    @property
    def heard_characters(self) -> int:
        """How much of the text was heard so far."""
        if self._heard_out:
            return len(self.text)
        return self._playback.heard(self._turn, self._output.position())

    def stop(self) -> str:
        """Fall silent at once; returns the part of the text that will have been heard."""
        self._output.discard()
        if self._heard_out:
            return self.text
        self._stopped = True
        if self.held:
            return ""
        position = self._output.position()
        # What is left in the device's buffer still sounds.
        heard = self._playback.heard(self._turn, replace(position, played=position.written))
        self._playback.stop(self._turn)
        return self.text[:heard]

    def _remember_word(self) -> None:
        if self._again_from is None:
            self._again_from = self._playback.word_start(self._turn, self._output.position())

    async def run(self, report: Callable[[PlaybackEvent], None]) -> None:
        """Speak until everything was heard. Raises `ModelError` if the voice fails."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(report))
            if not await self._speak():
                watching.cancel()

    async def _speak(self) -> bool:
        """Synthesize clause after clause; returns whether there was any sound."""
        sounded = False
        while (clause := await self._next_clause()) is not None:
            async with aclosing(self._synthesizer.synthesize(clause.text)) as sounds:
                while (sound := await self._next_sound(sounds)) is not None:
                    await self._released.wait()
                    if self._stopped:
                        return sounded
                    index = self._output.write(sound.samples)
                    self._playback.queued(self._turn, clause, sound, index)
                    sounded = True
                    await self._wait_for_need()
        await self._released.wait()
        self._playback.finish(self._turn)
        return sounded

    async def _next_clause(self) -> Clause | None:
        """A virtual clock waits for it, unless the answer itself waits for the clock."""
        with nullcontext() if self.held else self._clock.waiting():
            return await self._clauses.get()

    async def _next_sound(self, sounds: AsyncIterator[Sound]) -> Sound | None:
        with self._clock.working():
            return await anext(sounds, None)

    async def _wait_for_need(self) -> None:
        while (early_seconds := self._ready_seconds() - _AHEAD_SECONDS) > 0:
            wait_seconds = max(early_seconds, _LEAST_WAIT_SECONDS)
            await self._clock.sleep_until(self._clock.now() + wait_seconds)

    def _ready_seconds(self) -> float:
        position = self._output.position()
        return (position.written - position.sounding) / self._output.rate

    async def _watch(self, report: Callable[[PlaybackEvent], None]) -> None:
        """Report when sound begins and when all of it was heard."""
        while True:
            now = self._clock.now()
            for event in self._playback.advance(self._output.position(), now):
                report(event)
                if isinstance(event, PlaybackEnded):
                    self._heard_out = True
                    return
            deadline = self._playback.deadline()
            await self._clock.sleep_until(max(now + 0.005, deadline or now + 0.02))
