"""Who has the floor.

Theory. User and agent are two parties with a state each, and the floor follows from the pair:

    user     silent ──speech──▶ speaking ◀──speech── paused ──endpoint──▶ silent
                                   └──────pause──────▶
    agent    idle ──answer──▶ thinking ──first sound──▶ speaking ──all played──▶ idle

    user \\ agent   idle             thinking                  speaking
    silent         nobody           the agent's               the agent's
    speaking       the user's       the user's, once the speech is confirmed as such
    paused         the user's       by its length

An utterance opens a turn and gives it its number. It ends when nothing was said for as long as
`endpoint` wants, which changes while evidence about its end arrives; its words may arrive later
still, so ended utterances wait for them in order. An utterance without words changes nothing, nor
does an "um", nor an "mm-hm" to an agent that thinks or speaks. Other words take the floor even if
they were too short to be confirmed ("stop").

With push-to-talk the user's key opens and ends the utterance, and pauses end nothing.

The machine has no clock: `now` is an argument, and `deadline` tells when `timeout` wants a call.
"""

from __future__ import annotations

import enum
from collections import deque

from voice.listen.gate import SpeechConfirmed, SpeechPaused, SpeechResumed, SpeechStarted
from voice.listen.labels import words_of
from voice.turns.endpoint import silence_seconds, sounds_finished
from voice.turns.events import (
    Action,
    Announce,
    AnnouncementArrived,
    Answer,
    AnswerEnded,
    AnswerHeard,
    CloseUtterance,
    Commit,
    CompleteTurn,
    Discard,
    EndJudged,
    Event,
    GoOn,
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
from voice.turns.options import TurnOptions
from voice.turns.utterance import Utterance


class AgentState(enum.Enum):
    """What the agent does."""

    IDLE = enum.auto()
    THINKING = enum.auto()
    SPEAKING = enum.auto()


class TurnMachine:
    """Events in, actions out."""

    def __init__(self, options: TurnOptions, language: str = "en") -> None:
        """`language` of the words (ISO 639-1) tells how the end of a sentence looks."""
        self._options = options
        self._language = language
        self._open = options.mode == "open"
        self._turn = 0
        self._utterance: Utterance | None = None
        self._awaiting_words: deque[Utterance] = deque()
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
            if utterance.paused and self._open:
                times.append(utterance.last_speech_at + self._silence_seconds(utterance))
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
        silence_over = utterance.last_speech_at + self._silence_seconds(utterance)
        too_long = now >= utterance.started_at + self._options.longest_utterance_seconds
        if too_long or (utterance.paused and self._open and now >= silence_over):
            actions += self._end_utterance(now)
        return actions

    def receive(self, event: Event, now: float) -> list[Action]:  # noqa: PLR0911, PLR0912
        """Act on what happened."""
        match event:
            case SpeechStarted(at, _, audio_start):
                return self._open_utterance(at, audio_start) if self._open else []
            case TalkPressed(at, sample):
                return self._press(at, sample, now)
            case TalkReleased():
                return self._release(event, now)
            case SpeechConfirmed():
                if self._utterance is not None:
                    self._utterance.confirmed = True
                return self._claim_floor(now)
            case SpeechPaused():
                return self._pause(event, now)
            case SpeechResumed():
                return self._resume()
            case EndJudged():
                return self._take_judgement(event, now)
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

    def _open_utterance(self, at: float, audio_start: int) -> list[Action]:
        assert self._utterance is None, "the gate was not closed"
        self._turn += 1
        self._utterance = Utterance(self._turn, at, at)
        return [
            Mark("speech.started", self._turn, at),
            OpenUtterance(self._turn, audio_start),
        ]

    def _press(self, at: float, sample: int, now: float) -> list[Action]:
        if self._open or self._utterance is not None:
            return []
        actions = self._open_utterance(at, sample)
        assert self._utterance is not None
        self._utterance.confirmed = True  # nobody presses the key by mistake
        return actions + self._claim_floor(now)

    def _release(self, event: TalkReleased, now: float) -> list[Action]:
        if self._open or (utterance := self._utterance) is None:
            return []
        actions: list[Action] = []
        if not utterance.paused:
            utterance.pause(event.at, event.sample)
            actions.append(Transcribe(utterance.turn))
        return actions + self._end_utterance(now)

    def _pause(self, event: SpeechPaused, now: float) -> list[Action]:
        if (utterance := self._utterance) is None:
            return []
        utterance.pause(event.at, event.sample)
        actions: list[Action] = []
        if not utterance.transcribed:  # not asked for in the lull before, or not there yet
            actions.append(Transcribe(utterance.turn))
        if self._open and self._options.judge:
            actions.append(JudgeEnd(utterance.turn, event.sample))
        return actions + self._note_likely_end(utterance, now)

    def _resume(self) -> list[Action]:
        if (utterance := self._utterance) is None:
            return []
        utterance.resume()
        return self._take_back_likely_end(utterance)

    def _take_back_likely_end(self, utterance: Utterance) -> list[Action]:
        if not utterance.likely_end:
            return []
        utterance.likely_end = False
        return [GoOn(utterance.turn)]

    def _silence_seconds(self, utterance: Utterance) -> float:
        speaks = self._agent is not AgentState.IDLE
        return silence_seconds(utterance.evidence(agent_speaks=speaks), self._options)

    def _take_judgement(self, event: EndJudged, now: float) -> list[Action]:
        utterance = self._utterance
        if utterance is None or not utterance.paused:
            return []
        if (utterance.turn, utterance.last_speech) != (event.turn, event.sample):
            return []
        utterance.audio_finished = event.probability
        return self._note_likely_end(utterance, now)

    def _note_likely_end(self, utterance: Utterance, now: float) -> list[Action]:
        if utterance.likely_end or not (utterance.paused and self._open):
            return []
        if not sounds_finished(utterance.evidence(agent_speaks=False), self._options):
            return []
        utterance.likely_end = True
        turn, text = utterance.turn, utterance.text
        return [Mark("turn.likely_end", turn, now, {"text": text}), LikelyEnd(turn, text)]

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
            Mark("turn.ended", utterance.turn, now, self._reasons(utterance, now)),
            CloseUtterance(utterance.turn),
        ]
        self._awaiting_words.append(utterance)
        return actions + self._finish_transcribed(now)

    def _reasons(self, utterance: Utterance, now: float) -> dict[str, float | None]:
        evidence = utterance.evidence(agent_speaks=False)
        return {
            "silence_seconds": round(now - utterance.last_speech_at, 3),
            "text_finished": evidence.text_finished,
            "audio_finished": evidence.audio_finished,
        }

    def _take_words(self, event: WordsTranscribed, now: float) -> list[Action]:
        actions: list[Action] = []
        current = self._utterance
        for utterance in (*self._awaiting_words, *([current] if current else [])):
            if utterance.turn == event.turn and event.end >= utterance.text_end:
                if words_of(event.text) != words_of(utterance.text):
                    actions += self._take_back_likely_end(utterance)
                utterance.take_words(event.text, event.end, self._language)
                actions += self._commit(utterance, event.committed_text, now)
                if utterance is current and utterance.committed and not utterance.paused:
                    actions.append(Commit(utterance.turn, utterance.committed))
        if current is not None and current.turn == event.turn:
            actions.append(Mark("transcript.partial", event.turn, now, {"text": event.text}))
            if current.tells_to_stop:
                actions += self._interrupt(now)
            actions += self._note_likely_end(current, now)
        return actions + self._finish_transcribed(now)

    def _commit(self, utterance: Utterance, text: str, now: float) -> list[Action]:
        if not (added := utterance.commit(text)):
            return []
        return [Mark("transcript.committed", utterance.turn, now, {"text": text, "added": added})]

    def _finish_transcribed(self, now: float) -> list[Action]:
        actions: list[Action] = []
        while self._awaiting_words and self._awaiting_words[0].transcribed:
            actions += self._finish(self._awaiting_words.popleft(), now)
        return actions

    def _finish(self, utterance: Utterance, now: float) -> list[Action]:
        turn, text, label = utterance.turn, utterance.text, utterance.label
        actions: list[Action] = []
        if text:
            actions += self._commit(utterance, text, now)
            actions.append(Mark("transcript.final", turn, now, {"text": text, "label": label}))
        if reason := self._why_not_answered(utterance):
            return [*actions, *self._lose(utterance, reason, now)]
        actions += self._interrupt(now)
        self._agent = AgentState.THINKING
        self._answering = turn
        return [*actions, Answer(turn, text), *self._claim_floor(now)]

    def _why_not_answered(self, utterance: Utterance) -> str:
        if not utterance.text:
            return "no words"
        label = utterance.label
        if label == "backchannel":
            return label if self._agent is not AgentState.IDLE else ""
        return "" if label == "words" else label

    def _forget(self, event: TranscriptionLost, now: float) -> list[Action]:
        for utterance in self._awaiting_words:
            if utterance.turn == event.turn:
                self._awaiting_words.remove(utterance)
                return self._lose(utterance, event.reason, now)
        return []

    def _lose(self, utterance: Utterance, reason: str, now: float) -> list[Action]:
        return [
            Mark("turn.discarded", utterance.turn, now, {"reason": reason}),
            Discard(utterance.turn),
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
