"""One conversation: facts go into the turn machine, and its actions are performed here.

Three kinds of task: one listens (frames to gate and transcriber), one takes turns (it owns the
machine and performs its actions), and one answers while there is an answer. Facts reach the
machine through one inbox. Nothing else in the program acts on devices, sockets and clocks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass

from voice.audio.frames import SAMPLE_RATE, AudioInput, AudioOutput, Frame
from voice.clock import Clock
from voice.errors import VoiceError
from voice.listen.gate import Gate
from voice.listen.judge import EndOfTurnWorker
from voice.listen.vad import Vad
from voice.listen.worker import Transcribed, TranscriptionWorker
from voice.responses.agent import (
    Agent,
    AgentEvent,
    ConnectionLost,
    ConnectionRecovered,
    RequestSent,
    TextReceived,
    ToolEnded,
    ToolStarted,
)
from voice.speak.playback import Playback, PlaybackEvent, PlaybackStarted
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
    CloseUtterance,
    CompleteTurn,
    EndJudged,
    Event,
    InputEnded,
    Interrupt,
    JudgeEnd,
    LikelyEnd,
    Mark,
    OpenUtterance,
    TalkPressed,
    TalkReleased,
    Transcribe,
    TranscriptionLost,
    WordsTranscribed,
)
from voice.turns.machine import TurnMachine

_HISTORY_SAMPLES = SAMPLE_RATE
"""Sound kept for an utterance that turns out to have begun earlier: more than any pre-roll."""

_BEHIND_SECONDS = 1.0
"""Words that come later than this after they were asked for keep the user waiting: traced."""

APOLOGY = "Sorry, something went wrong, and I have no answer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a session is made of; `build.py` chooses them."""

    input: AudioInput
    output: AudioOutput
    vad: Vad
    gate: Gate
    transcriber: TranscriptionWorker
    judge: EndOfTurnWorker | None
    """Who hears whether a turn is over; None leaves it to the words."""

    machine: TurnMachine
    agent: Agent
    synthesizer: SynthesisWorker
    playback: Playback
    timers: Timers
    clock: Clock
    trace: Trace
    warm_up: bool
    """Whether the server is still to read instructions and tools, while we already listen."""


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
        self._utterance = 0
        self._words: dict[int, str] = {}
        self._speech: Speech | None = None
        self._answering: asyncio.Task[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._input_ended = False

    async def run(self) -> None:
        """Converse. Raises `VoiceError`s, in a group where several tasks failed."""
        parts = self._parts
        await parts.output.open()
        try:
            await parts.input.open()
            self._trace.mark("listening", self._clock.now())
            parts.transcriber.warm_up()
            if parts.judge:
                parts.judge.warm_up()
            async with self._tasks:
                if parts.warm_up:
                    self._tasks.create_task(parts.agent.warm_up())
                listening = self._tasks.create_task(self._listen())
                await self._take_turns()
                listening.cancel()
                if self._timer:
                    self._timer.cancel()
        finally:
            await parts.input.close()
            await parts.output.close()
            self._mark_lost_sound()

    def press_talk(self) -> None:
        """The user holds the key to talk (only with push-to-talk). Call `release_talk` later."""
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
        for event in parts.gate.receive(frame, parts.vad.is_speech(frame.samples)):
            self._post(event)
        for announcement in parts.timers.timeout(self._clock.now()):
            self._post(AnnouncementArrived(announcement))
        due = parts.transcriber.partial_due and parts.gate.speaking
        if self._utterance and (due or parts.gate.lull_began):
            self._tasks.create_task(self._transcribe(self._utterance))

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
            case LikelyEnd():
                pass  # traced by the machine
            case CloseUtterance():
                self._utterance = 0
                self._parts.gate.close()
            case Answer(turn, text):
                self._words[turn] = text
                self._speech = self._new_speech(turn)
                self._answering = self._tasks.create_task(self._answer(turn, text, self._speech))
            case Announce(turn, text):
                self._words[turn] = ""
                self._speech = self._new_speech(turn)
                self._answering = self._tasks.create_task(self._announce(turn, text, self._speech))
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

    def _new_speech(self, turn: int) -> Speech:
        parts = self._parts
        return Speech(turn, parts.synthesizer, parts.output, parts.playback, parts.clock)

    async def _answer(self, turn: int, text: str, speech: Speech) -> None:
        failure = ""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(speech.run(self._report_playback))
                failure = await self._receive_answer(turn, text, speech)
                speech.finish()
        except* VoiceError as errors:
            failure = str(errors.exceptions[0])
        self._post(AnswerEnded(turn, failure))

    async def _receive_answer(self, turn: int, text: str, speech: Speech) -> str:
        """Pass the answer's text on to be spoken; returns why it failed, if it did."""
        with self._clock.working():
            try:
                async for event in self._parts.agent.answer(text):
                    self._note(event, turn)
                    if isinstance(event, TextReceived):
                        speech.say(event.text)
            except VoiceError as error:
                speech.say(f" {APOLOGY}" if speech.text else APOLOGY)
                return str(error)
            self._trace.mark("answer.written", self._clock.now(), turn, text=speech.text)
        return ""

    async def _announce(self, turn: int, text: str, speech: Speech) -> None:
        self._parts.agent.conversation.add_assistant(text)
        self._trace.mark("answer.written", self._clock.now(), turn, text=text)
        speech.say(text)
        speech.finish()
        failure = ""
        try:
            await speech.run(self._report_playback)
        except* VoiceError as errors:
            failure = str(errors.exceptions[0])
        self._post(AnswerEnded(turn, failure))

    def _report_playback(self, event: PlaybackEvent) -> None:
        if isinstance(event, PlaybackStarted):
            self._post(AnswerHeard(event.turn, event.at))

    def _note(self, event: AgentEvent, turn: int) -> None:
        now = self._clock.now()
        match event:
            case RequestSent(fields):
                self._trace.mark("request.sent", now, turn, **fields)
            case TextReceived():
                if not self._trace.marked("token.first", turn):
                    self._trace.mark("token.first", now, turn)
            case ToolStarted(name, arguments):
                self._trace.mark("tool.started", now, turn, tool=name, arguments=arguments)
            case ToolEnded(name, output):
                self._trace.mark("tool.ended", now, turn, tool=name, output=output)
            case ConnectionLost(reason):
                self._trace.mark("connection.lost", now, turn, reason=reason)
            case ConnectionRecovered():
                self._trace.mark("connection.recovered", now, turn)

    def _interrupt(self, turn: int, now: float) -> None:
        speech, answering = self._speech, self._answering
        assert speech is not None
        assert answering is not None
        heard = speech.stop()
        answering.cancel()
        self._parts.agent.conversation.interrupt(heard)
        if self._trace.marked("audio.first", turn):
            self._trace.mark("playback.stopped", now, turn)
        self._end_turn(turn, now, speech.text, heard, interrupted=True)

    def _complete(self, turn: int, now: float, failure: str) -> None:
        assert self._speech is not None
        text = self._speech.text
        if failure:
            self._trace.mark("answer.failed", now, turn, reason=failure)
            self._parts.agent.conversation.interrupt(text.removesuffix(APOLOGY))
        else:
            self._parts.agent.conversation.settle()
        self._end_turn(turn, now, text, text, interrupted=False)

    def _end_turn(self, turn: int, now: float, text: str, heard: str, *, interrupted: bool) -> None:
        self._trace.complete(
            turn,
            now,
            user_text=self._words.pop(turn),
            assistant_text=text,
            heard_text=heard,
            interrupted=interrupted,
            eager=False,
        )
        self._speech = self._answering = None

    def _mark_lost_sound(self) -> None:
        overruns, underruns = self._parts.input.overruns, self._parts.output.underruns
        if overruns or underruns:
            now = self._clock.now()
            self._trace.mark("audio.lost", now, overruns=overruns, underruns=underruns)
