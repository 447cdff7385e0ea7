"""One conversation: facts go into the turn machine, and its actions are performed here.

Four kinds of task: one listens (the ear finds facts in the frames), one takes turns (it owns the
turn machine and performs its actions), one follows the agent (its words go into a speech), and one
speaks while there is a speech. Facts reach the turn machine through one inbox, and the agent's
machine through the agent. Besides the ear nothing else in the program acts on devices and clocks.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from voice.audio.frames import Frame
from voice.ear import Ear
from voice.errors import VoiceError
from voice.parts import Parts
from voice.responses.signals import (
    AgentEvent,
    Announced,
    AnswerAdopted,
    AnswerBegun,
    AnswerDropped,
    AnswerFailed,
    AnswerWritten,
    Asked,
    Committed,
    Discarded,
    Fact,
    Filled,
    Forgotten,
    Heard,
    Interrupted,
    Invited,
    ItemsSettled,
    LikelyEnded,
    Noted,
    TellLater,
    TextReceived,
    WentOn,
)
from voice.speak.apology import APOLOGY, apologize
from voice.speak.cues import THINKING_SECONDS, Cues
from voice.speak.playback import PlaybackEvent, PlaybackStarted, QuestionPlayed
from voice.speak.speech import Speech
from voice.spoken_commands import NOTHING_SAID
from voice.turns.events import (
    Action,
    Announce,
    AnnouncementArrived,
    Answer,
    AnswerEnded,
    AnswerHeard,
    CloseGate,
    CloseUtterance,
    Commit,
    CompleteTurn,
    Discard,
    Duck,
    Event,
    GoOn,
    Hold,
    InputEnded,
    Interrupt,
    JudgeEnd,
    LikelyEnd,
    Mark,
    OpenUtterance,
    QuestionHeard,
    Resume,
    Silenced,
    TalkPressed,
    TalkReleased,
    TextTyped,
    Transcribe,
    Unduck,
)


@dataclass(slots=True)
class _Turn:
    """What is known of a turn that is being answered."""

    number: int
    user_text: str
    held: bool = False
    """Whether nothing of the answer may be heard now, whether there is any yet or not."""

    eager: bool = False
    failure: str = ""


class Session:
    """Runs one conversation until its input has ended."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._machine = parts.machine
        self._clock = parts.clock
        self._trace = parts.trace
        self._tasks = asyncio.TaskGroup()
        self._inbox: asyncio.Queue[tuple[Event | None, ExitStack]] = asyncio.Queue()
        self._ear = Ear(parts, self._tasks, self._post)
        self._turn: _Turn | None = None
        self._speech: Speech | None = None
        self._speaking: asyncio.Task[str] | None = None
        self._endings: dict[int, dict[str, Any]] = {}
        self._underruns = 0
        self._last_said = ""
        self._settled = asyncio.Event()
        self._timer: asyncio.Task[None] | None = None
        self._cues = Cues(parts.output, wanted=parts.speak.earcons)
        self._thinking: asyncio.Task[None] | None = None
        self._input_ended = False

    async def run(self) -> None:
        """Converse. Raises `VoiceError`s, in a group where several tasks failed."""
        parts = self._parts
        await parts.output.open()
        try:
            await parts.input.open()
            self._trace.mark("listening", self._clock.now())
            self._cues.play("listening")
            parts.transcriber.warm_up()
            if parts.judge:
                parts.judge.warm_up()
            async with self._tasks:
                listening = self._tasks.create_task(self._listen())
                following = self._tasks.create_task(self._follow())
                preparing = self._tasks.create_task(parts.synthesizer.prepare())
                await self._take_turns()
                await self._settle_all()
                self._drop_speech()  # of an answer begun early that nobody asked for any more
                listening.cancel()
                following.cancel()
                preparing.cancel()
                if self._timer:
                    self._timer.cancel()
        finally:
            await parts.input.close()
            await parts.output.close()
            self._mark_lost_sound()

    def press_talk(self) -> None:
        """The user holds the key to talk, which silences the agent. Call `release_talk` later."""
        if frame := self._ear.latest:
            self._post(TalkPressed(self._clock.now(), frame.start))

    def release_talk(self) -> None:
        """The user let go of the key: the turn is over."""
        if frame := self._ear.latest:
            self._post(TalkReleased(self._clock.now(), frame.end))

    @property
    def latest_frame(self) -> Frame | None:
        """What the microphone heard last."""
        return self._ear.latest

    @property
    def progress(self) -> tuple[int, str, int] | None:
        """The turn of the answer that is spoken, its text so far, and the characters heard."""
        speech = self._speech
        if speech is None or speech.held:
            return None
        return speech.turn, speech.text, speech.heard_characters

    def mute(self, on: bool) -> None:
        """Hear nothing of the user, or hear again."""
        self._ear.muted = on
        self._trace.mark("input.muted", self._clock.now(), on=on)

    def interrupt(self) -> None:
        """Fall silent, whatever is being said."""
        self._post(Silenced())

    def repeat(self) -> None:
        """Say the last answer again."""
        self._post(Silenced())
        self._post(AnnouncementArrived(self._last_said or NOTHING_SAID))

    def type_text(self, text: str) -> None:
        """The user typed this instead of saying it."""
        if text.strip():
            self._post(TextTyped(text.strip()))

    def begin_anew(self, *, forget: bool = False) -> None:
        """Go on with another conversation; `forget`: delete what the journal has of this one."""
        self._post(Silenced())
        self._forget(forget=forget)

    # ── facts ────────────────────────────────────────────────────────────────────────────

    def _post(self, event: Event | None) -> None:
        """Put a fact into the inbox; a virtual clock stands still until it was acted upon."""
        with ExitStack() as held:
            held.enter_context(self._clock.working())
            self._inbox.put_nowait((event, held.pop_all()))

    async def _listen(self) -> None:
        parts = self._parts
        while (frame := await parts.input.read()) is not None:
            self._ear.hear(frame)
            if announcements := parts.timers.timeout(self._clock.now()):
                self._tasks.create_task(parts.keeper.keep_timers())
            for announcement in announcements:
                self._post(AnnouncementArrived(announcement))
            if parts.input.ended and self._machine.idle:
                break
        self._input_ended = True
        self._post(InputEnded())

    # ── turns ────────────────────────────────────────────────────────────────────────────

    async def _take_turns(self) -> None:
        """Own the machine: one fact after another, until nothing more can happen."""
        while not (self._input_ended and self._machine.idle):
            self._set_timer()
            event, held = await self._inbox.get()
            with held:
                now = self._clock.now()
                machine = self._machine
                actions = machine.receive(event, now) if event else machine.timeout(now)
                for action in actions:
                    self._perform(action, now)

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        deadline = self._machine.deadline()
        self._timer = None
        if deadline is not None:
            self._timer = self._tasks.create_task(self._wake(deadline))

    async def _wake(self, deadline: float) -> None:
        await self._clock.sleep_until(deadline)
        self._post(None)

    def _perform(self, action: Action, now: float) -> None:  # noqa: PLR0912
        match action:
            case Mark(event, turn, at, fields):
                self._trace.mark(event, at, turn, **fields)
            case OpenUtterance(turn, audio_start):
                self._ear.open(turn, audio_start)
            case Transcribe(turn):
                self._ear.transcribe(turn)
            case JudgeEnd(turn, sample):
                self._ear.judge(turn, sample)
            case LikelyEnd(_, text) if self._parts.commands.understands(text):
                pass  # there will be nothing to ask
            case Commit() | LikelyEnd() | GoOn() | Discard():
                self._parts.agent.tell(_fact(action))
            case CloseUtterance():
                self._ear.close()
            case CloseGate():
                self._parts.gate.close()
            case Answer(turn, text):
                self._answer(turn, text)
            case Announce(turn, text):
                self._turn = _Turn(turn, "")
                said = Invited(turn) if text is None else Announced(turn, text)
                self._parts.agent.tell(said)
            case Duck() | Unduck() | Hold() | Resume():
                self._give_way(action)
            case Interrupt(turn):
                self._interrupt(turn, now)
            case CompleteTurn(turn, failure):
                self._complete(turn, now, failure)

    def _answer(self, turn: int, text: str) -> None:
        """Ask the agent, unless it is a command about the conversation itself."""
        self._turn = _Turn(turn, text)
        obeyed = self._parts.commands.obey(text, self._last_said)
        if obeyed is None:
            self._parts.agent.tell(Asked(turn, text))
            self._thinking = self._tasks.create_task(self._think(turn))
            return
        if obeyed.forgets:
            self._forget(forget=True)
        self._trace.mark("command.obeyed", self._clock.now(), turn, text=text)
        self._parts.agent.tell(Announced(turn, obeyed.reply))

    def _forget(self, *, forget: bool) -> None:
        self._last_said = ""
        self._parts.agent.tell(Forgotten())
        self._tasks.create_task(self._parts.keeper.begin_anew(forget=forget))
        self._trace.mark("conversation.begun", self._clock.now(), forgotten=forget)

    # ── the agent's words ────────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        """Do what the agent says, one event after another."""
        async for at, event in self._parts.agent.events():
            self._take(event, at)

    def _take(self, event: AgentEvent, now: float) -> None:  # noqa: PLR0912
        match event:
            case Noted(name, turn, fields):
                self._trace.mark(name, now, turn, **fields)
                if name == "tool.ended":
                    self._tasks.create_task(self._parts.keeper.keep_timers())
            case ItemsSettled():
                self._tasks.create_task(self._keep(event))
            case AnswerBegun(turn, eager):
                if eager if self._turn is None else self._turn.number == turn:
                    self._begin_speech(turn, held=eager)
            case AnswerDropped(turn):
                if self._speech and self._speech.turn == turn:
                    self._drop_speech()
                self._trace.forget(turn, "request.sent", "token.first")
            case TellLater(text):
                self._post(AnnouncementArrived(text))
            case _ if self._speech is None or self._speech.turn != event.turn:
                pass  # of an answer that was interrupted meanwhile
            case AnswerAdopted():
                self._release(self._speech, now)
            case TextReceived(turn, text):
                if not self._trace.marked("token.first", turn):
                    self._trace.mark("token.first", now, turn)
                self._cues.end()
                self._speech.say(text)
            case Filled(_, text):
                self._cues.end()
                self._speech.say_aside(f"{text} ")
            case AnswerWritten():
                self._finish(self._speech, now)
            case AnswerFailed(_, reason):
                assert self._turn is not None
                self._turn.failure = reason
                self._cues.end()
                self._speech.say_aside(APOLOGY)
                self._speech.finish()

    def _begin_speech(self, turn: int, *, held: bool) -> None:
        parts = self._parts
        speech = Speech(
            turn,
            parts.synthesizer,
            parts.output,
            parts.playback,
            parts.clock,
            parts.speak,
            held=held,
        )
        self._speech = speech
        if self._turn and self._turn.held:
            speech.hold()
        self._speaking = self._tasks.create_task(self._speak(speech))

    async def _think(self, turn: int) -> None:
        """Make a sound if the answer has no word yet after a while, and nobody speaks."""
        await self._clock.sleep_until(self._clock.now() + THINKING_SECONDS)
        waits = self._turn is not None and self._turn.number == turn and not self._turn.held
        if waits and not (self._speech and self._speech.text):
            self._cues.play("thinking")

    def _give_way(self, action: Duck | Unduck | Hold | Resume) -> None:
        """Change how the answer sounds; what is held may not have begun yet."""
        assert self._turn is not None
        self._turn.held = isinstance(action, Hold)
        if self._turn.held:
            self._cues.end()
        if self._speech is None or self._speech.turn != action.turn:
            return
        match action:
            case Duck():
                self._speech.duck()
            case Unduck():
                self._speech.unduck()
            case Hold():
                self._speech.hold()
            case Resume():
                self._speech.resume()

    def _drop_speech(self) -> str:
        """Fall silent; returns what was heard."""
        speech, speaking = self._speech, self._speaking
        self._speech = self._speaking = None
        if speech is None or speaking is None:
            return ""
        heard = speech.stop()
        speaking.cancel()
        return heard

    def _release(self, speech: Speech, now: float) -> None:
        """The answer that was begun early is the one."""
        if self._turn is not None:
            self._turn.eager = True
        speech.release()
        if self._speaking and self._speaking.done():  # the voice failed before anybody listened
            ending = self._end_answer(speech.turn, self._speaking.result(), "")
            self._speaking = self._tasks.create_task(ending)
        if speech.written:
            self._trace.mark("answer.written", now, speech.turn, text=speech.text)

    def _finish(self, speech: Speech, now: float) -> None:
        speech.finish()
        if not speech.held:
            self._trace.mark("answer.written", now, speech.turn, text=speech.text)

    async def _speak(self, speech: Speech) -> str:
        """Speak until all was heard; returns why it failed, if it did."""
        failure = ""
        try:
            await speech.run(self._report_playback)
        except* VoiceError as errors:
            failure = str(errors.exceptions[0])
        if self._turn is not None and self._turn.number == speech.turn:
            await self._end_answer(speech.turn, failure, self._turn.failure)
        return failure

    async def _end_answer(self, turn: int, voice_failure: str, failure: str) -> str:
        """Nothing more can be said of it, but for an apology if it was the voice that failed."""
        if voice_failure:
            parts = self._parts
            await apologize(
                parts.synthesizer, parts.output, parts.playback, self._clock, self._report_playback
            )
        self._post(AnswerEnded(turn, failure or voice_failure))
        return voice_failure

    def _report_playback(self, event: PlaybackEvent) -> None:
        match event:
            case PlaybackStarted(turn, at):
                self._post(AnswerHeard(turn, at))
            case QuestionPlayed(turn, at):
                self._post(QuestionHeard(turn, at))

    def _interrupt(self, turn: int, now: float) -> None:
        speech = self._speech
        heard = self._drop_speech()
        if self._trace.marked("audio.first", turn):
            self._trace.mark("playback.stopped", now, turn)
        self._end_turn(now, speech.text if speech else "", heard, interrupted=True)
        self._parts.agent.tell(Interrupted(turn, speech.own_words(heard) if speech else ""))

    def _complete(self, turn: int, now: float, failure: str) -> None:
        speech, self._speech, self._speaking = self._speech, None, None
        assert speech is not None
        heard = speech.stop()
        if not failure:  # a voice that failed has not said all that was written
            heard = speech.text
        self._end_turn(now, speech.text, heard, interrupted=False)
        if failure:
            self._cues.play("error")
            self._trace.mark("answer.failed", now, turn, reason=failure)
            self._parts.agent.tell(Interrupted(turn, speech.own_words(heard)))
        else:
            self._parts.agent.tell(Heard(turn))

    def _end_turn(self, now: float, text: str, heard: str, *, interrupted: bool) -> None:
        """The turn counts as completed once its items are settled, and kept."""
        turn, self._turn = self._turn, None
        assert turn is not None
        if self._thinking:
            self._thinking.cancel()
        underruns, self._underruns = self._underruns, self._parts.output.underruns
        if self._underruns > underruns:
            count = self._underruns - underruns
            self._trace.mark("audio.underrun", now, turn.number, count=count)
        self._settled.clear()
        self._last_said = text or self._last_said
        self._endings[turn.number] = {
            "at": now,
            "user_text": turn.user_text,
            "assistant_text": text,
            "heard_text": heard,
            "interrupted": interrupted,
            "eager": turn.eager,
        }

    async def _keep(self, settled: ItemsSettled) -> None:
        """Items are on the disk, where they are kept at all, before the turn is completed."""
        with self._clock.working():
            await self._parts.keeper.keep(settled)
            self._trace.complete(settled.turn, **self._endings.pop(settled.turn))
            if not self._endings:
                self._settled.set()

    async def _settle_all(self) -> None:
        if self._endings:
            await self._settled.wait()

    def _mark_lost_sound(self) -> None:
        overruns, underruns = self._parts.input.overruns, self._parts.output.underruns
        if overruns or underruns:
            now = self._clock.now()
            self._trace.mark("audio.lost", now, overruns=overruns, underruns=underruns)


def _fact(action: Commit | LikelyEnd | GoOn | Discard) -> Fact:
    """What the turn machine finds out about an utterance is a fact for the agent."""
    match action:
        case Commit(turn, text):
            return Committed(turn, text)
        case LikelyEnd(turn, text):
            return LikelyEnded(turn, text)
        case GoOn(turn):
            return WentOn(turn)
        case Discard(turn):
            return Discarded(turn)
