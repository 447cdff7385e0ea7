"""Who has the floor.

Theory. User and agent are two parties with a state each, and the floor follows from the pair. What
the user says are utterances (`utterances`); each claims the floor as strongly as is known of it
(`claim`), and the agent gives way to the strongest claim as far as it goes (`floor`):

    user \\ agent         idle         thinking               speaking
    silent, or nothing   nobody       the agent's            the agent's
    makes a sound        the user's   the agent's, unheard   the agent's, quieter
    speaks               the user's   the agent's, unheard   both wait: the agent is silent
    says words           the user's   the user's             the user's

An utterance without words changes nothing in the end, nor does an "um", nor an "mm-hm" to an agent
that thinks or speaks, unless it asked. Other words take the floor even if they were too short to
be certain speech, and are answered when the utterance is over; "stop" is obeyed, and not answered.

In half-duplex nothing is an utterance that was said while the agent could be heard.

The machine has no clock: `now` is an argument, and `deadline` tells when `timeout` wants a call.
"""

from __future__ import annotations

from collections import deque
from math import inf

from voice.listen.gate import SpeechConfirmed, SpeechPaused, SpeechResumed, SpeechStarted
from voice.turns.claim import Claim, Strength, claim_of, means_something
from voice.turns.events import (
    Action,
    Announce,
    AnnouncementArrived,
    Answer,
    AnswerEnded,
    AnswerHeard,
    BeginAnew,
    CloseGate,
    ConversationLeft,
    Discard,
    DuplexChosen,
    EndJudged,
    Event,
    InputEnded,
    Mark,
    OnsetHeard,
    QuestionHeard,
    Silenced,
    TalkPressed,
    TalkReleased,
    TextTyped,
    Transcribe,
    TranscriptionLost,
    WordsTranscribed,
)
from voice.turns.floor import AgentState, Floor
from voice.turns.options import BargeInOptions, TurnOptions
from voice.turns.utterance import Utterance
from voice.turns.utterances import Utterances, commit

AT_ONCE = BargeInOptions(mode="at-once")
"""For a speaker that can only be stopped."""


class TurnMachine:
    """Events in, actions out."""

    def __init__(
        self, options: TurnOptions, language: str = "en", barge_in: BargeInOptions = AT_ONCE
    ) -> None:
        """`language` of the words (ISO 639-1) tells how the end of a sentence looks."""
        self._barge_in = barge_in
        self._open = options.mode == "open"
        self._half_duplex = barge_in.half_duplex
        self._turn = 0
        self._utterances = Utterances(options, language)
        self._floor = Floor()
        self._announcements: deque[str | None] = deque()
        self._onset_until = -inf
        self._discarded = ""
        self._ignored_over = 0
        self._decide_at = inf

    @property
    def agent(self) -> AgentState:
        """What the agent does."""
        return self._floor.state

    @property
    def idle(self) -> bool:
        """Nobody speaks and nothing is under way."""
        return not (self._utterances or self._announcements or self._floor.busy)

    def deadline(self) -> float | None:
        """When `timeout` wants to be called."""
        due = self._utterances.deadline()
        if self._floor.busy and self._decide_at < inf:
            return self._decide_at if due is None else min(due, self._decide_at)
        return due

    def timeout(self, now: float) -> list[Action]:
        """Act on what is due at `now`."""
        self._discarded = ""
        actions: list[Action] = []
        for utterance in self._utterances.given_up(now):
            actions += self._discard(utterance, "the transcriber is stuck", now)
        self._utterances.notice_silence(now)
        if self._utterances.end_due(now):
            actions += self._end_utterance(now)
        return actions + self._decide(now)

    def receive(self, event: Event, now: float) -> list[Action]:
        """Act on what happened."""
        self._discarded = ""
        return self._take(event, now) + self._decide(now)

    def _take(self, event: Event, now: float) -> list[Action]:  # noqa: PLR0911, PLR0912
        match event:
            case SpeechStarted(at, _, audio_start):
                return self._begin(at, audio_start, now) if self._open else []
            case SpeechConfirmed():
                if self._utterances.current:
                    self._utterances.current.confirm()
            case SpeechPaused():
                self._onset_until = -inf
                return self._utterances.pause(event)
            case SpeechResumed():
                self._onset_until = -inf
                return self._utterances.resume(event, now, over_agent=self._floor.busy)
            case OnsetHeard():
                self._notice_onset(now)
            case TalkPressed(at, sample):
                return self._press(at, sample, now)
            case Silenced():
                return self._silence(now) + self._announce()
            case ConversationLeft(erased):
                return [*self._silence(now), BeginAnew(erased), *self._announce()]
            case TextTyped(text):
                return self._take_typed(text, now)
            case TalkReleased():
                return self._release(event, now)
            case EndJudged():
                self._utterances.judge(event)
            case WordsTranscribed():
                return self._utterances.take_words(event, now) + self._finish_known(now)
            case TranscriptionLost(turn, reason):
                if utterance := self._utterances.lose(turn):
                    return self._discard(utterance, reason, now)
            case AnswerHeard():
                return self._floor.hear(event)
            case QuestionHeard():
                self._floor.hear_question(event)
            case AnswerEnded():
                return self._floor.end(event, now) + self._announce()
            case AnnouncementArrived(text):
                self._announcements.append(text)
                return self._announce()
            case DuplexChosen():
                return self._choose_duplex(event, now)
            case InputEnded():
                return self._end_utterance(now) if self._utterances.current else []
        return []

    # ── speech ───────────────────────────────────────────────────────────────────────────

    def _begin(self, at: float, audio_start: int, now: float) -> list[Action]:
        self._onset_until = -inf
        if self._half_duplex and self._agent_heard(at):
            return self._ignore(now)
        self._turn += 1
        return self._utterances.open(self._turn, at, audio_start, now, over_agent=self._floor.busy)

    def _notice_onset(self, now: float) -> None:
        """Only where the agent can grow quieter, and does not hear itself."""
        possible = self._open and self._barge_in.mode == "two-step" and not self._half_duplex
        if possible and self._floor.state in (AgentState.SPEAKING, AgentState.DUCKED):
            self._onset_until = now + self._barge_in.duck_seconds

    def _press(self, at: float, sample: int, now: float) -> list[Action]:
        if self._open:
            if not self._half_duplex:
                return []
            return self._silence(now)
        if self._utterances.current is not None:
            return []
        self._turn += 1
        actions = self._utterances.open(self._turn, at, sample, now, over_agent=self._floor.busy)
        assert self._utterances.current is not None
        self._utterances.current.pressed = True
        self._utterances.current.confirm()  # nobody presses the key by mistake
        return actions

    def _silence(self, now: float) -> list[Action]:
        """By a key."""
        return self._floor.yield_to(Claim(Strength.WORDS, "key"), now)

    def _take_typed(self, text: str, now: float) -> list[Action]:
        self._turn += 1
        fields = {"text": text, "label": "words", "typed": True}
        actions = self._silence(now)
        self._floor.ask(self._turn)
        mark = Mark("transcript.final", self._turn, now, fields)
        return [*actions, mark, Answer(self._turn, text)]

    def _release(self, event: TalkReleased, now: float) -> list[Action]:
        if self._open or (utterance := self._utterances.current) is None:
            return []
        actions: list[Action] = []
        if not utterance.paused:
            utterance.pause(event.at, event.sample)
            actions.append(Transcribe(utterance.turn))
        return actions + self._end_utterance(now)

    # ── utterances that are over ─────────────────────────────────────────────────────────

    def _end_utterance(self, now: float) -> list[Action]:
        return self._utterances.end(now) + self._finish_known(now)

    def _finish_known(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for utterance in self._utterances.known():
            actions += self._finish(utterance, now)
        return actions

    def _finish(self, utterance: Utterance, now: float) -> list[Action]:
        turn, text, label = utterance.turn, utterance.text, utterance.label
        actions: list[Action] = []
        if text:
            actions += commit(utterance, text, now)
            actions.append(Mark("transcript.final", turn, now, {"text": text, "label": label}))
        if not self._means_something(utterance):
            reason = label if text else "no words"
            return [*actions, *self._discard(utterance, reason, now)]
        actions += self._floor.yield_to(Claim(Strength.WORDS, "words"), now)
        if utterance.over_agent and utterance.tells_to_stop:
            return [*actions, *self._discard(utterance, "stop word", now)]
        self._floor.ask(turn)
        return [*actions, Answer(turn, text)]

    def _means_something(self, utterance: Utterance) -> bool:
        return means_something(utterance, self._floor.question_at, self._barge_in)

    def _discard(self, utterance: Utterance, reason: str, now: float) -> list[Action]:
        self._discarded = reason
        return [
            Mark("turn.discarded", utterance.turn, now, {"reason": reason}),
            Discard(utterance.turn),
            *self._announce(),
        ]

    # ── the floor ────────────────────────────────────────────────────────────────────────

    def _decide(self, now: float) -> list[Action]:
        """Let the agent do what the user's claims leave to it."""
        claims = [
            claim_of(utterance, self._floor.question_at, self._barge_in, now)
            for utterance in self._utterances
        ]
        if now < self._onset_until:
            claims.append(Claim(Strength.SOUND, "onset", self._onset_until))
        self._decide_at = min((claim.until for claim in claims), default=inf)
        nothing = Claim(Strength.NONE, self._discarded or "nothing came of it")
        strongest = max(claims, key=lambda claim: claim.strength, default=nothing)
        actions = self._floor.yield_to(strongest, now)
        if self._half_duplex and self._open and self._floor.audible and self._utterances.current:
            actions += self._end_utterance(now)  # of what is heard from now on nothing is meant
        return actions + self._note_likely_end(now)

    def _note_likely_end(self, now: float) -> list[Action]:
        utterance = self._utterances.current
        if utterance is None or not self._means_something(utterance):
            return []
        return self._utterances.note_likely_end(now)

    def _announce(self) -> list[Action]:
        """Begin the next announcement if the floor is free."""
        if not self._announcements or self._utterances or self._floor.busy:
            return []
        self._turn += 1
        self._floor.ask(self._turn)
        return [Announce(self._turn, self._announcements.popleft())]

    # ── half-duplex ──────────────────────────────────────────────────────────────────────

    def _choose_duplex(self, event: DuplexChosen, now: float) -> list[Action]:
        if event.half == self._half_duplex:
            return []
        self._half_duplex = event.half
        mark = Mark("duplex.chosen", 0, now, {"half": event.half, "reason": event.reason})
        self._onset_until = -inf
        if not (event.half and self._open and self._floor.audible and self._utterances.current):
            return [mark]
        echo, actions = self._utterances.drop()
        return [mark, *actions, *self._discard(echo, "half-duplex", now)]

    def _agent_heard(self, at: float) -> bool:
        """Whether what began at `at` may be the agent's own voice."""
        tail_end = self._floor.silent_since + self._barge_in.echo_tail_seconds
        return self._floor.audible or at < tail_end

    def _ignore(self, now: float) -> list[Action]:
        actions: list[Action] = []
        if self._ignored_over != self._floor.turn:  # once an answer is enough
            self._ignored_over = self._floor.turn
            actions.append(Mark("speech.ignored", self._floor.turn, now, {"reason": "half-duplex"}))
        return [*actions, CloseGate()]
