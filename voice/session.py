"""One conversation: facts go into the turn machine, and its actions are performed here.

Four kinds of task: one listens (frames to gate and transcriber), one takes turns (it owns the turn
machine and performs its actions), one follows the agent (its words go into a speech), and one
speaks while there is a speech. Facts reach the turn machine through one inbox, and the agent's
machine through the agent. Nothing else in the program acts on devices and clocks.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import SAMPLE_RATE, AudioInput, AudioOutput, Frame
from voice.audio.onset_listener import OnsetListener
from voice.audio.residual import SILENCE_DBFS
from voice.clock import Clock
from voice.errors import VoiceError
from voice.listen.gate import Gate
from voice.listen.judge import EndOfTurnWorker
from voice.listen.vad import Vad
from voice.listen.worker import Transcribed, TranscriptionWorker
from voice.responses.agent import Agent
from voice.responses.journal import JournalWriter
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
    Heard,
    Interrupted,
    ItemsSettled,
    LikelyEnded,
    Noted,
    TextReceived,
    WentOn,
)
from voice.speak.chunker import Chunker
from voice.speak.cues import THINKING_SECONDS, Cues
from voice.speak.options import SpeakOptions
from voice.speak.playback import Playback, PlaybackEvent, PlaybackStarted, QuestionPlayed
from voice.speak.speech import Speech
from voice.speak.worker import SynthesisWorker
from voice.tools.timers import Timers
from voice.trace import Trace
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
    DuplexChosen,
    EndJudged,
    Event,
    GoOn,
    Hold,
    InputEnded,
    Interrupt,
    JudgeEnd,
    LikelyEnd,
    Mark,
    OnsetHeard,
    OpenUtterance,
    QuestionHeard,
    Resume,
    TalkPressed,
    TalkReleased,
    Transcribe,
    TranscriptionLost,
    Unduck,
    WordsTranscribed,
)
from voice.turns.machine import TurnMachine

_HISTORY_SAMPLES = SAMPLE_RATE
"""Sound kept for an utterance that turns out to have begun earlier: more than any pre-roll."""

_BEHIND_SECONDS = 1.0
"""Words that come later than this after they were asked for keep the user waiting: traced."""

APOLOGY = "Sorry, something went wrong, and I have no answer."

_POLL_SECONDS = 0.02
"""Between two looks at whether the apology was heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a session is made of; `build.py` chooses them."""

    input: AudioInput
    output: AudioOutput
    echo: EchoCancellingMicrophone | None
    """Who tells of the echo in the input; None: there is none, or nothing is heard over it."""

    onset: OnsetListener
    vad: Vad
    gate: Gate
    transcriber: TranscriptionWorker
    judge: EndOfTurnWorker | None
    """Who hears whether a turn is over; None leaves it to the words."""

    machine: TurnMachine
    agent: Agent
    journal: JournalWriter | None
    """Where the conversation is kept; None: in memory only."""

    synthesizer: SynthesisWorker
    speak: SpeakOptions
    playback: Playback
    timers: Timers
    clock: Clock
    trace: Trace


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
        self._history: deque[Frame] = deque()
        self._half_duplex = False
        self._utterance = 0
        self._turn: _Turn | None = None
        self._speech: Speech | None = None
        self._speaking: asyncio.Task[str] | None = None
        self._endings: dict[int, dict[str, Any]] = {}
        self._underruns = 0
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
        if self._history:
            self._post(TalkPressed(self._clock.now(), self._history[-1].start))

    def release_talk(self) -> None:
        """The user let go of the key: the turn is over."""
        if self._history:
            self._post(TalkReleased(self._clock.now(), self._history[-1].end))

    # ── facts ────────────────────────────────────────────────────────────────────────────

    def _post(self, event: Event | None) -> None:
        """Put a fact into the inbox; a virtual clock stands still until it was acted upon."""
        with ExitStack() as held:
            held.enter_context(self._clock.working())
            self._inbox.put_nowait((event, held.pop_all()))

    async def _listen(self) -> None:
        parts = self._parts
        while (frame := await parts.input.read()) is not None:
            self._hear(frame)
            if parts.input.ended and self._machine.idle:
                break
        self._input_ended = True
        self._post(InputEnded())

    def _hear(self, frame: Frame) -> None:
        parts = self._parts
        self._history.append(frame)
        while frame.end - self._history[0].end > _HISTORY_SAMPLES:
            self._history.popleft()
        if self._utterance:
            self._accept(frame)
        self._listen_over_agent(frame)
        for event in parts.gate.receive(frame, parts.vad.is_speech(frame.samples)):
            self._post(event)
        for announcement in parts.timers.timeout(self._clock.now()):
            self._post(AnnouncementArrived(announcement))
        due = parts.transcriber.partial_due and parts.gate.speaking
        if self._utterance and (due or parts.gate.lull_began):
            self._tasks.create_task(self._transcribe(self._utterance))

    def _listen_over_agent(self, frame: Frame) -> None:
        """Notice quickly that a sound began, and whether the agent's own can be told from it."""
        parts, echo = self._parts, self._parts.echo
        residual_dbfs = echo.residual_dbfs if echo else SILENCE_DBFS
        began_at = parts.onset.receive(frame, parts.gate.floor_dbfs, residual_dbfs)
        if began_at is not None:
            self._post(OnsetHeard(began_at))
        if echo and echo.convergence.half_duplex != self._half_duplex:
            self._half_duplex = echo.convergence.half_duplex
            self._post(DuplexChosen(self._half_duplex, echo.convergence.reason))

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

    def _perform(self, action: Action, now: float) -> None:
        match action:
            case Mark(event, turn, at, fields):
                self._trace.mark(event, at, turn, **fields)
            case OpenUtterance(turn, audio_start):
                self._open_utterance(turn, audio_start)
            case Transcribe(turn):
                self._tasks.create_task(self._transcribe(turn))
            case JudgeEnd(turn, sample):
                self._tasks.create_task(self._judge(turn, sample))
            case Commit() | LikelyEnd() | GoOn() | Discard():
                self._parts.agent.tell(_fact(action))
            case CloseUtterance():
                self._utterance = 0
                self._parts.gate.close()
            case CloseGate():
                self._parts.gate.close()
            case Answer(turn, text):
                self._turn = _Turn(turn, text)
                self._parts.agent.tell(Asked(turn, text))
                self._thinking = self._tasks.create_task(self._think(turn))
            case Announce(turn, text):
                self._turn = _Turn(turn, "")
                self._parts.agent.tell(Announced(turn, text))
            case Duck() | Unduck() | Hold() | Resume():
                self._give_way(action)
            case Interrupt(turn):
                self._interrupt(turn, now)
            case CompleteTurn(turn, failure):
                self._complete(turn, now, failure)

    # ── the user's words ─────────────────────────────────────────────────────────────────

    def _open_utterance(self, turn: int, audio_start: int) -> None:
        transcriber = self._parts.transcriber
        frames = [frame for frame in self._history if frame.end > audio_start]
        transcriber.begin(turn, frames[0].start)
        if self._parts.judge:
            self._parts.judge.begin()
        for frame in frames:
            self._accept(frame)
        self._utterance = turn

    def _accept(self, frame: Frame) -> None:
        self._parts.transcriber.accept(frame.samples)
        if self._parts.judge:
            self._parts.judge.accept(frame.samples)

    async def _judge(self, turn: int, sample: int) -> None:
        judge = self._parts.judge
        if judge is None or self._utterance != turn:
            return
        with self._clock.working():
            try:
                probability = await judge.probability()
            except VoiceError as error:
                self._trace.mark("judge.failed", self._clock.now(), turn, reason=str(error))
            else:
                self._post(EndJudged(turn, sample, probability))

    async def _transcribe(self, turn: int) -> None:
        with self._clock.working():
            asked_at = self._clock.now()
            outcome = await self._parts.transcriber.transcribe()
            if outcome.utterance != turn:
                return
            now = self._clock.now()
            if now - asked_at > _BEHIND_SECONDS:
                behind = round(now - asked_at, 2)
                self._trace.mark("transcription.behind", now, turn, seconds=behind)
            if isinstance(outcome, Transcribed):
                hypothesis = outcome.hypothesis
                committed = " ".join(word.text for word in hypothesis.committed)
                self._post(WordsTranscribed(turn, hypothesis.text, hypothesis.end, committed))
            else:
                self._post(TranscriptionLost(turn, str(outcome.error)))

    # ── the agent's words ────────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        """Do what the agent says, one event after another."""
        async for at, event in self._parts.agent.events():
            self._take(event, at)

    def _take(self, event: AgentEvent, now: float) -> None:
        match event:
            case Noted(name, turn, fields):
                self._trace.mark(name, now, turn, **fields)
            case ItemsSettled():
                self._tasks.create_task(self._keep(event))
            case AnswerBegun(turn, eager):
                if eager if self._turn is None else self._turn.number == turn:
                    self._begin_speech(turn, held=eager)
            case AnswerDropped(turn):
                if self._speech and self._speech.turn == turn:
                    self._drop_speech()
                self._trace.forget(turn, "request.sent", "token.first")
            case _ if self._speech is None or self._speech.turn != event.turn:
                pass  # of an answer that was interrupted meanwhile
            case AnswerAdopted():
                self._release(self._speech, now)
            case TextReceived(turn, text):
                if not self._trace.marked("token.first", turn):
                    self._trace.mark("token.first", now, turn)
                self._say(self._speech, text)
            case AnswerWritten():
                self._finish(self._speech, now)
            case AnswerFailed(_, reason):
                assert self._turn is not None
                self._turn.failure = reason
                self._say(self._speech, f" {APOLOGY}" if self._speech.text else APOLOGY)
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

    def _say(self, speech: Speech, text: str) -> None:
        self._cues.end()
        speech.say(text)

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
            await self._apologize()
        self._post(AnswerEnded(turn, failure or voice_failure))
        return voice_failure

    async def _apologize(self) -> None:
        """Without the voice: this is said if it was said before and kept, and is no answer."""
        output, synthesizer = self._parts.output, self._parts.synthesizer
        with suppress(VoiceError):
            with self._clock.working():
                async with aclosing(synthesizer.synthesize(APOLOGY)) as sounds:
                    pieces = [sound.samples async for sound in sounds]
            samples = np.concatenate([np.zeros(0, np.int16), *pieces])
            end = output.write(samples) + len(samples)
            while (position := output.position()).played < end:
                for event in self._parts.playback.advance(position, self._clock.now()):
                    self._report_playback(event)
                await self._clock.sleep_until(self._clock.now() + _POLL_SECONDS)

    def _report_playback(self, event: PlaybackEvent) -> None:
        match event:
            case PlaybackStarted(turn, at):
                self._post(AnswerHeard(turn, at))
            case QuestionPlayed(turn, at):
                self._post(QuestionHeard(turn, at))

    def _interrupt(self, turn: int, now: float) -> None:
        text = self._speech.text if self._speech else ""
        heard = self._drop_speech()
        if self._trace.marked("audio.first", turn):
            self._trace.mark("playback.stopped", now, turn)
        self._end_turn(now, text, heard, interrupted=True)
        self._parts.agent.tell(Interrupted(turn, _answered(text, heard)))

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
            self._parts.agent.tell(Interrupted(turn, _answered(speech.text, heard)))
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
            if self._parts.journal:
                try:
                    await self._parts.journal.append(settled.turn, time.time(), settled.items)
                except VoiceError as error:
                    now = self._clock.now()
                    self._trace.mark("journal.failed", now, settled.turn, reason=str(error))
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


def fixed_phrases(options: SpeakOptions) -> list[str]:
    """What the session says by itself, as it is spoken: whole, and as the first of an answer."""
    chunker = Chunker(options)
    clauses = [*chunker.receive(APOLOGY), *chunker.finish()]
    return list(dict.fromkeys([APOLOGY, *(clause.text for clause in clauses)]))


def _answered(text: str, heard: str) -> str:
    """What was heard of an answer without our apology at its end, which the model never said."""
    return heard[: len(text.removesuffix(APOLOGY))]


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
