"""One conversation: facts go into the turn machine, and its actions are performed here.

Four kinds of task: one listens (the ear finds facts in the frames), one takes turns (it owns the
turn machine and performs its actions), one follows the agent (its words go to the mouth), and one
speaks while there is something to say. Facts reach the turn machine through one inbox, and the
agent's machine through the agent. Besides ear and mouth nothing else acts on devices and clocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from voice.audio.frames import Frame
from voice.ear import Ear
from voice.mouth import Mouth
from voice.parts import Parts
from voice.responses.signals import (
    AgentEvent,
    Announced,
    AnswerAdopted,
    AnswerBegun,
    AnswerDropped,
    AnswerEvent,
    AnswerFailed,
    AnswerWritten,
    Asked,
    BegunAnew,
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
from voice.speak.speech import Speech
from voice.spoken_commands import NOTHING_SAID
from voice.turns.events import (
    Action,
    Announce,
    AnnouncementArrived,
    Answer,
    BeginAnew,
    CloseGate,
    CloseUtterance,
    Commit,
    CompleteTurn,
    ConversationLeft,
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
    eager: bool = False


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
        self._mouth = Mouth(parts, self._tasks, self._post)
        self._turn: _Turn | None = None
        self._endings: dict[int, dict[str, Any]] = {}
        self._underruns = 0
        self._last_said = ""
        self._settled = asyncio.Event()
        self._timer: asyncio.Task[None] | None = None
        self._input_ended = False
        self.tap: Callable[[Frame], None] | None = None
        """Is given every frame as the microphone heard it, also while muted. Must not block."""

    async def run(self) -> None:
        """Converse. Raises `VoiceError`s, in a group where several tasks failed."""
        parts = self._parts
        await parts.output.open()
        try:
            await parts.input.open()
            self._trace.mark("listening", self._clock.now())
            self._mouth.sound("listening")
            parts.transcriber.warm_up()
            if parts.judge:
                parts.judge.warm_up()
            async with self._tasks:
                listening = self._tasks.create_task(self._listen())
                following = self._tasks.create_task(self._follow())
                preparing = self._tasks.create_task(parts.synthesizer.prepare())
                await self._take_turns()
                await self._settle_all()
                self._mouth.stop()  # an answer begun early that nobody asked for any more
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
        speech = self._mouth.speech
        if speech is None or speech.held:
            return None
        return speech.turn, speech.text, speech.heard_characters

    def mute(self, on: bool) -> None:
        """Hear nothing of the user, or hear again."""
        self._ear.muted = on
        self._trace.mark("input.muted", self._clock.now(), on=on)

    def hear_from(self, sample: int) -> None:
        """Hear again, with what was said since `sample`, a second ago at most."""
        self._ear.hear_from(sample)
        self.mute(False)

    def interrupt(self) -> None:
        """Fall silent, whatever is being said."""
        self._post(Silenced())

    def repeat(self) -> None:
        """Say the last answer again, or what there is of the one that is spoken."""
        speech = self._mouth.speech
        spoken = "" if speech is None or speech.held else speech.own_words(speech.text)
        self._post(Silenced())
        self._post(AnnouncementArrived(spoken or self._last_said or NOTHING_SAID))

    def type_text(self, text: str) -> None:
        """The user typed this instead of saying it."""
        if text.strip():
            self._post(TextTyped(text.strip()))

    def announce(self, text: str) -> None:
        """Say this without having been asked, at the next free moment."""
        self._post(AnnouncementArrived(text))

    def begin_anew(self, erase: bool = False) -> None:
        """Go on with another conversation; what the journal has of this one stays, or is erased."""
        self._post(ConversationLeft(erase))

    def clear_timers(self) -> None:
        """No timer is announced any more; on the disk they are gone with the next conversation."""
        self._parts.timers.clear()

    # ── facts ────────────────────────────────────────────────────────────────────────────

    def _post(self, event: Event | None) -> None:
        """Put a fact into the inbox; a virtual clock stands still until it was acted upon."""
        with ExitStack() as held:
            held.enter_context(self._clock.working())
            self._inbox.put_nowait((event, held.pop_all()))

    async def _listen(self) -> None:
        parts = self._parts
        while (frame := await parts.input.read()) is not None:
            if self.tap:
                self.tap(frame)
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
                self._mouth.expect(turn)
                said = Invited(turn) if text is None else Announced(turn, text)
                self._parts.agent.tell(said)
            case Duck() | Unduck() | Hold() | Resume():
                self._mouth.give_way(action)
            case Interrupt(turn):
                self._interrupt(turn, now)
            case BeginAnew(erase):
                self._begin_anew(erase)
            case CompleteTurn(turn, failure):
                self._complete(turn, now, failure)

    def _answer(self, turn: int, text: str) -> None:
        """Ask the agent, unless it is a command about the conversation itself."""
        self._turn = _Turn(turn, text)
        obeyed = self._parts.commands.obey(text, self._last_said)
        self._mouth.expect(turn, thinking=obeyed is None)
        if obeyed is None:
            self._parts.agent.tell(Asked(turn, text))
            return
        if obeyed.forgets:
            self._begin_anew(erase=True)
        self._trace.mark("command.obeyed", self._clock.now(), turn, text=text)
        self._parts.agent.tell(Announced(turn, obeyed.reply))

    def _begin_anew(self, erase: bool) -> None:
        self._last_said = ""
        self._parts.agent.tell(Forgotten(erase))

    # ── the agent's words ────────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        """Do what the agent says, one event after another."""
        async for at, event in self._parts.agent.events():
            self._take(event, at)

    def _take(self, event: AgentEvent, now: float) -> None:
        match event:
            case Noted(name, turn, fields):
                self._trace.mark(name, now, turn, **fields)
                if name == "tool.ended":
                    self._tasks.create_task(self._parts.keeper.keep_timers())
            case ItemsSettled():
                self._tasks.create_task(self._keep(event))
            case BegunAnew(erased):
                self._tasks.create_task(self._part(erased))
            case TellLater(text):
                self._post(AnnouncementArrived(text))
            case AnswerBegun(turn, eager):
                if eager if self._turn is None else self._turn.number == turn:
                    self._mouth.begin(turn, early=eager)
            case _:
                self._speak(event, now)

    def _speak(self, event: AnswerEvent, now: float) -> None:
        """Do what becomes of an answer's words."""
        speech = self._mouth.speech
        if isinstance(event, AnswerDropped):
            self._trace.forget(event.turn, "request.sent", "token.first")
        if speech is None or speech.turn != event.turn:
            return  # of an answer that was interrupted meanwhile
        match event:
            case AnswerDropped():
                self._mouth.drop()
            case AnswerAdopted(turn):
                if self._turn is not None:
                    self._turn.eager = True
                self._mouth.release()
                if speech.written:
                    self._trace.mark("answer.written", now, turn, text=speech.text)
            case TextReceived(turn, text):
                if not self._trace.marked("token.first", turn):
                    self._trace.mark("token.first", now, turn)
                self._mouth.say(text)
            case Filled(_, text):
                self._mouth.say_aside(f"{text} ")
            case AnswerWritten(turn):
                speech.finish()
                if not speech.held:
                    self._trace.mark("answer.written", now, turn, text=speech.text)
            case AnswerFailed(_, reason):
                self._mouth.fail(reason)

    # ── the end of a turn ────────────────────────────────────────────────────────────────

    def _interrupt(self, turn: int, now: float) -> None:
        speech = self._mouth.speech
        heard = self._mouth.stop()
        if self._trace.marked("audio.first", turn):
            self._trace.mark("playback.stopped", now, turn)
        self._end_turn(now, speech, heard, interrupted=True)
        self._parts.agent.tell(Interrupted(turn, speech.own_words(heard) if speech else ""))

    def _complete(self, turn: int, now: float, failure: str) -> None:
        speech = self._mouth.speech
        assert speech is not None
        heard = speech.stop()
        self._mouth.leave()
        if not failure:  # a voice that failed has not said all that was written
            heard = speech.text
        self._end_turn(now, speech, heard, interrupted=False)
        if failure:
            self._mouth.sound("error")
            self._trace.mark("answer.failed", now, turn, reason=failure)
            self._parts.agent.tell(Interrupted(turn, speech.own_words(heard)))
        else:
            self._parts.agent.tell(Heard(turn))

    def _end_turn(
        self, now: float, speech: Speech | None, heard: str, *, interrupted: bool
    ) -> None:
        """The turn counts as completed once its items are settled, and kept."""
        turn, self._turn = self._turn, None
        assert turn is not None
        underruns, self._underruns = self._underruns, self._parts.output.underruns
        if self._underruns > underruns:
            count = self._underruns - underruns
            self._trace.mark("audio.underrun", now, turn.number, count=count)
        self._settled.clear()
        text = speech.text if speech else ""
        self._last_said = (speech.own_words(text) if speech else "") or self._last_said
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

    async def _part(self, erased: bool) -> None:
        """What settled before is kept or erased by now, and what settles next is kept apart."""
        await self._parts.keeper.begin_anew(forget=erased)
        await self._parts.keeper.keep_timers()
        self._trace.mark("conversation.begun", self._clock.now(), forgotten=erased)

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
