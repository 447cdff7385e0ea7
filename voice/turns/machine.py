"""Who has the floor.

Theory. User and agent are two parties with a state each, and the floor follows from the pair:

    user     silent ──speech──▶ speaking ◀──speech── paused ──endpoint──▶ silent
                                   └──────pause──────▶
    agent    idle ──answer──▶ thinking ──first sound──▶ speaking ──all played──▶ idle

    user \\ agent   idle             thinking                  speaking
    silent         nobody           the agent's               the agent's
    speaking       the user's       the user's, once the speech is confirmed as such
    paused         the user's       by its length

An utterance opens a turn and gives it its number. It ends when nothing was said for
`endpoint_seconds`; its words may arrive later, so ended utterances wait for them in order. An
utterance without words changes nothing. One with words takes the floor even if it was too short
to be confirmed ("stop").

The machine has no clock: `now` is an argument, and `deadline` tells when `timeout` wants a call.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from voice.listen.gate import SpeechConfirmed, SpeechPaused, SpeechResumed, SpeechStarted
from voice.turns.events import (
    Action,
    Announce,
    AnnouncementArrived,
    Answer,
    AnswerEnded,
    AnswerHeard,
    CloseUtterance,
    CompleteTurn,
    Event,
    InputEnded,
    Interrupt,
    Mark,
    OpenUtterance,
    Transcribe,
    TranscriptionLost,
    WordsTranscribed,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOptions:
    """When a turn ends."""

    endpoint_seconds: float = 0.6
    """Silence after the last speech that ends the user's turn."""

    longest_utterance_seconds: float = 60.0
    """An utterance is ended after this time, whatever goes on."""

    transcription_limit_seconds: float = 20.0
    """An utterance whose words have not arrived this long after its end is given up."""


class AgentState(enum.Enum):
    """What the agent does."""

    IDLE = enum.auto()
    THINKING = enum.auto()
    SPEAKING = enum.auto()


@dataclass(slots=True)
class _Utterance:
    turn: int
    started_at: float
    last_speech_at: float
    last_speech: int = 0
    paused: bool = False
    confirmed: bool = False
    ended_at: float = 0.0
    text: str = ""
    text_end: int = -1

    @property
    def transcribed(self) -> bool:
        return self.text_end >= self.last_speech > 0


class TurnMachine:
    """Events in, actions out."""

    def __init__(self, options: TurnOptions) -> None:
        self._options = options
        self._turn = 0
        self._utterance: _Utterance | None = None
        self._awaiting_words: deque[_Utterance] = deque()
        self._agent = AgentState.IDLE
        self._answering = 0
        self._announcements: deque[str] = deque()

    @property
    def agent(self) -> AgentState:
        """What the agent does."""
        return self._agent

    @property
    def idle(self) -> bool:
        """Nobody speaks and nothing is under way."""
        return not (
            self._utterance
            or self._awaiting_words
            or self._announcements
            or self._agent is not AgentState.IDLE
        )

    def deadline(self) -> float | None:
        """When `timeout` wants to be called."""
        times = [
            utterance.ended_at + self._options.transcription_limit_seconds
            for utterance in self._awaiting_words
        ]
        if (utterance := self._utterance) is not None:
            times.append(utterance.started_at + self._options.longest_utterance_seconds)
            if utterance.paused:
                times.append(utterance.last_speech_at + self._options.endpoint_seconds)
        return min(times, default=None)

    def timeout(self, now: float) -> list[Action]:
        """Act on what is due at `now`."""
        actions: list[Action] = []
        while self._awaiting_words and now >= (
            self._awaiting_words[0].ended_at + self._options.transcription_limit_seconds
        ):
            actions += self._lose(self._awaiting_words.popleft(), "the transcriber is stuck", now)
        if (utterance := self._utterance) is None:
            return actions
        options = self._options
        if utterance.paused:
            if now >= utterance.last_speech_at + options.endpoint_seconds:
                actions += self._end_utterance(now)
        elif now >= utterance.started_at + options.longest_utterance_seconds:
            actions += self._end_utterance(now)
        return actions

    def receive(self, event: Event, now: float) -> list[Action]:  # noqa: PLR0911
        """Act on what happened."""
        match event:
            case SpeechStarted():
                return self._open_utterance(event)
            case SpeechConfirmed():
                if self._utterance is not None:
                    self._utterance.confirmed = True
                return self._claim_floor(now)
            case SpeechPaused():
                return self._pause(event)
            case SpeechResumed():
                if self._utterance is not None:
                    self._utterance.paused = False
                return []
            case WordsTranscribed():
                return self._take_words(event, now)
            case TranscriptionLost():
                return self._forget(event, now)
            case AnswerHeard():
                return self._begin_sound(event) + self._claim_floor(now)
            case AnswerEnded():
                return self._end_answer(event, now)
            case AnnouncementArrived(text):
                self._announcements.append(text)
                return self._announce()
            case InputEnded():
                return self._end_utterance(now) if self._utterance else []

    # ── the user's side ──────────────────────────────────────────────────────────────────

    def _open_utterance(self, event: SpeechStarted) -> list[Action]:
        assert self._utterance is None, "the gate was not closed"
        self._turn += 1
        self._utterance = _Utterance(self._turn, event.at, event.at)
        return [
            Mark("speech.started", self._turn, event.at),
            OpenUtterance(self._turn, event.audio_start),
        ]

    def _pause(self, event: SpeechPaused) -> list[Action]:
        if (utterance := self._utterance) is None:
            return []
        utterance.paused = True
        utterance.last_speech_at, utterance.last_speech = event.at, event.sample
        return [Transcribe(utterance.turn)]

    def _end_utterance(self, now: float) -> list[Action]:
        utterance = self._utterance
        assert utterance is not None
        self._utterance = None
        utterance.ended_at = now
        actions: list[Action] = []
        if not utterance.paused:  # cut off while somebody speaks
            utterance.last_speech_at, utterance.last_speech = now, max(1, utterance.text_end + 1)
            actions.append(Transcribe(utterance.turn))
        actions += [
            Mark("speech.ended", utterance.turn, utterance.last_speech_at),
            Mark("turn.ended", utterance.turn, now),
            CloseUtterance(utterance.turn),
        ]
        self._awaiting_words.append(utterance)
        return actions + self._finish_transcribed(now)

    def _take_words(self, event: WordsTranscribed, now: float) -> list[Action]:
        for utterance in (*self._awaiting_words, *([self._utterance] if self._utterance else [])):
            if utterance.turn == event.turn:
                utterance.text, utterance.text_end = event.text, event.end
        partial = self._utterance is not None and self._utterance.turn == event.turn
        marks: list[Action] = []
        if partial:
            marks = [Mark("transcript.partial", event.turn, now, {"text": event.text})]
        return marks + self._finish_transcribed(now)

    def _finish_transcribed(self, now: float) -> list[Action]:
        actions: list[Action] = []
        while self._awaiting_words and self._awaiting_words[0].transcribed:
            actions += self._finish(self._awaiting_words.popleft(), now)
        return actions

    def _finish(self, utterance: _Utterance, now: float) -> list[Action]:
        if not utterance.text:
            return [
                Mark("turn.discarded", utterance.turn, now, {"reason": "no words"}),
                *self._announce(),
            ]
        actions: list[Action] = [
            Mark("transcript.committed", utterance.turn, now, {"text": utterance.text}),
            Mark("transcript.final", utterance.turn, now, {"text": utterance.text}),
        ]
        actions += self._interrupt(now)
        self._agent = AgentState.THINKING
        self._answering = utterance.turn
        return [*actions, Answer(utterance.turn, utterance.text), *self._claim_floor(now)]

    def _forget(self, event: TranscriptionLost, now: float) -> list[Action]:
        for utterance in self._awaiting_words:
            if utterance.turn == event.turn:
                self._awaiting_words.remove(utterance)
                return self._lose(utterance, event.reason, now)
        return []

    def _lose(self, utterance: _Utterance, reason: str, now: float) -> list[Action]:
        return [
            Mark("turn.discarded", utterance.turn, now, {"reason": reason}),
            *self._announce(),
        ]

    # ── the agent's side ─────────────────────────────────────────────────────────────────

    def _begin_sound(self, event: AnswerHeard) -> list[Action]:
        if self._agent is not AgentState.THINKING or event.turn != self._answering:
            return []
        self._agent = AgentState.SPEAKING
        return [Mark("audio.first", event.turn, event.at)]

    def _end_answer(self, event: AnswerEnded, now: float) -> list[Action]:
        if self._agent is AgentState.IDLE or event.turn != self._answering:
            return []
        spoke = self._agent is AgentState.SPEAKING
        self._agent, self._answering = AgentState.IDLE, 0
        actions: list[Action] = []
        if spoke:
            actions.append(Mark("playback.ended", event.turn, now))
        return [*actions, CompleteTurn(event.turn, event.failure), *self._announce()]

    def _claim_floor(self, now: float) -> list[Action]:
        """Give way to a user who certainly speaks."""
        if self._utterance is None or not self._utterance.confirmed:
            return []
        return self._interrupt(now)

    def _interrupt(self, now: float) -> list[Action]:
        if self._agent is AgentState.IDLE:
            return []
        turn = self._answering
        self._agent, self._answering = AgentState.IDLE, 0
        return [Mark("bargein", turn, now), Interrupt(turn)]

    def _announce(self) -> list[Action]:
        """Begin the next announcement if the floor is free."""
        if not self._announcements or self._utterance or self._awaiting_words:
            return []
        if self._agent is not AgentState.IDLE:
            return []
        self._turn += 1
        self._agent, self._answering = AgentState.THINKING, self._turn
        return [Announce(self._turn, self._announcements.popleft())]
