"""The agent's side of a conversation: its words in, sound and facts for the turn machine out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice.errors import VoiceError
from voice.parts import Parts
from voice.speak.apology import APOLOGY, apologize
from voice.speak.cues import THINKING_SECONDS, Cues
from voice.speak.earcons import EarconName
from voice.speak.playback import PlaybackEvent, PlaybackStarted, QuestionPlayed
from voice.speak.speech import Speech
from voice.turns.events import (
    AnswerEnded,
    AnswerHeard,
    Duck,
    Event,
    Hold,
    QuestionHeard,
    Resume,
    Unduck,
)


class Mouth:
    """Speaks one answer after another; what becomes of it goes to `post`."""

    def __init__(
        self, parts: Parts, tasks: asyncio.TaskGroup, post: Callable[[Event], None]
    ) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._tasks = tasks
        self._post = post
        self._cues = Cues(parts.output, wanted=parts.speak.earcons)
        self._turn = 0
        """The turn whose answer the user waits for or hears."""

        self._held = False
        """Whether nothing of that may be heard now, whether there is any yet or not."""

        self._failure = ""
        self._speaking: asyncio.Task[str] | None = None
        self._thinking: asyncio.Task[None] | None = None
        self.speech: Speech | None = None
        """What is said, or will be if the user asks for it."""

    def expect(self, turn: int, *, thinking: bool = False) -> None:
        """The user waits for the answer of `turn`; a sound tells if that takes long."""
        self._turn = turn
        if thinking:
            self._thinking = self._tasks.create_task(self._think(turn))

    def begin(self, turn: int, *, early: bool) -> None:
        """Words of the answer of `turn` come; an `early` one waits for `release`."""
        parts = self._parts
        self.speech = Speech(
            turn,
            parts.synthesizer,
            parts.output,
            parts.playback,
            parts.clock,
            parts.speak,
            held=early,
        )
        if self._held:
            self.speech.hold()
        self._speaking = self._tasks.create_task(self._speak(self.speech))

    def say(self, text: str) -> None:
        """More of the answer."""
        assert self.speech is not None
        self._cues.end()
        self.speech.say(text)

    def say_aside(self, text: str) -> None:
        """Something that is no part of the answer."""
        assert self.speech is not None
        self._cues.end()
        self.speech.say_aside(text)

    def fail(self, reason: str) -> None:
        """There will be no more words of the answer: apologize."""
        assert self.speech is not None
        self._failure = reason
        self.say_aside(APOLOGY)
        self.speech.finish()

    def release(self) -> None:
        """The answer that was begun early is the one."""
        assert self.speech is not None
        self.speech.release()
        if self._speaking and self._speaking.done():  # the voice failed before anybody listened
            ending = self._end(self.speech.turn, self._speaking.result(), "")
            self._speaking = self._tasks.create_task(ending)

    def give_way(self, action: Duck | Unduck | Hold | Resume) -> None:
        """Change how the answer sounds; what is held may not have begun yet."""
        self._held = isinstance(action, Hold)
        if self._held:
            self._cues.end()
        if self.speech is None or self.speech.turn != action.turn:
            return
        match action:
            case Duck():
                self.speech.duck()
            case Unduck():
                self.speech.unduck()
            case Hold():
                self.speech.hold()
            case Resume():
                self.speech.resume()

    def stop(self) -> str:
        """Fall silent, and expect nothing more; returns what was heard."""
        heard = self.drop()
        self.leave()
        return heard

    def drop(self) -> str:
        """Say no more of these words, though others may be expected; returns what was heard."""
        speech, speaking = self.speech, self._speaking
        self.speech = self._speaking = None
        if speech is None or speaking is None:
            return ""
        heard = speech.stop()
        speaking.cancel()
        return heard

    def leave(self) -> None:
        """The answer is over, and no other is expected."""
        self.speech = self._speaking = None
        self._turn, self._held, self._failure = 0, False, ""
        if self._thinking:
            self._thinking.cancel()

    def sound(self, name: EarconName) -> None:
        """Make a short sound, if such are wanted."""
        self._cues.play(name)

    async def _think(self, turn: int) -> None:
        """Make a sound if the answer has no word yet after a while, and nobody speaks."""
        await self._clock.sleep_until(self._clock.now() + THINKING_SECONDS)
        if self._turn == turn and not self._held and not (self.speech and self.speech.text):
            self._cues.play("thinking")

    async def _speak(self, speech: Speech) -> str:
        """Speak until all was heard; returns why it failed, if it did."""
        failure = ""
        try:
            await speech.run(self._report)
        except* VoiceError as errors:
            failure = str(errors.exceptions[0])
        if self._turn == speech.turn:
            await self._end(speech.turn, failure, self._failure)
        return failure

    async def _end(self, turn: int, voice_failure: str, failure: str) -> str:
        """Nothing more can be said of it, but for an apology if it was the voice that failed."""
        if voice_failure:
            parts = self._parts
            await apologize(
                parts.synthesizer, parts.output, parts.playback, self._clock, self._report
            )
        self._post(AnswerEnded(turn, failure or voice_failure))
        return voice_failure

    def _report(self, event: PlaybackEvent) -> None:
        match event:
            case PlaybackStarted(turn, at):
                self._post(AnswerHeard(turn, at))
            case QuestionPlayed(turn, at):
                self._post(QuestionHeard(turn, at))
