"""The user's side of the floor: the utterance that is spoken, and those that await their words.

Theory. An utterance opens a turn and gives it its number. It ends when nothing was said for as
long as `endpoint` wants, which changes while evidence about its end arrives; its words may arrive
later still, so ended utterances wait for them in order.

    user     silent ──speech──▶ speaking ◀──speech── paused ──endpoint──▶ silent
                                   └──────pause──────▶

With push-to-talk the user's key opens and ends the utterance, and pauses end nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from voice.listen.gate import SpeechPaused, SpeechResumed
from voice.listen.labels import words_of
from voice.turns.endpoint import end_likely, silence_seconds
from voice.turns.events import (
    Action,
    CloseUtterance,
    Commit,
    EndJudged,
    GoOn,
    JudgeEnd,
    LikelyEnd,
    Mark,
    OpenUtterance,
    Transcribe,
    WordsTranscribed,
)
from voice.turns.options import TurnOptions
from voice.turns.utterance import Utterance


class Utterances:
    """What the user says and has said, until it is known."""

    def __init__(self, options: TurnOptions, language: str) -> None:
        """`language` of the words (ISO 639-1) tells how the end of a sentence looks."""
        self._options = options
        self._language = language
        self._pauses_end = options.mode == "open"
        self._awaiting_words: deque[Utterance] = deque()
        self.current: Utterance | None = None

    def __iter__(self) -> Iterator[Utterance]:
        """All of them, the oldest first."""
        yield from self._awaiting_words
        if self.current:
            yield self.current

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.current or self._awaiting_words)

    def deadline(self) -> float | None:
        """When an utterance ends, or probably does, or its words are given up."""
        times = [self._words_due(utterance) for utterance in self._awaiting_words]
        if utterance := self.current:
            times.append(self._end_due(utterance))
            if utterance.paused and not (utterance.likely_end or utterance.long_silence):
                times.append(self._likely_due(utterance))
        return min(times, default=None)

    def notice_silence(self, now: float) -> None:
        """A pause may have grown long."""
        if (utterance := self.current) and utterance.paused and now >= self._likely_due(utterance):
            utterance.long_silence = True

    def end_due(self, now: float) -> bool:
        """Whether the user has finished, or speaks without end."""
        return self.current is not None and now >= self._end_due(self.current)

    def given_up(self, now: float) -> Iterator[Utterance]:
        """Those whose words have not arrived; they are forgotten."""
        while self._awaiting_words and now >= self._words_due(self._awaiting_words[0]):
            yield self._awaiting_words.popleft()

    def known(self) -> Iterator[Utterance]:
        """Those that have ended and whose words are known, in order; they are forgotten."""
        while self._awaiting_words and self._awaiting_words[0].transcribed:
            yield self._awaiting_words.popleft()

    def lose(self, turn: int) -> Utterance | None:
        """Its words could not be found out: if it has ended, it is returned and forgotten."""
        if self.current and self.current.turn == turn:
            self.current.lost = True
        for utterance in self._awaiting_words:
            if utterance.turn == turn:
                self._awaiting_words.remove(utterance)
                return utterance
        return None

    # ── speech ───────────────────────────────────────────────────────────────────────────

    def open(
        self, turn: int, at: float, audio_start: int, now: float, *, over_agent: bool
    ) -> list[Action]:
        """Somebody begins to speak."""
        assert self.current is None, "the gate was not closed"
        over_agent = over_agent or bool(self._awaiting_words)
        self.current = Utterance(
            turn,
            started_at=at,
            stretch_at=at,
            noticed_at=now,
            undecided_since=at,
            last_speech_at=at,
            over_agent=over_agent,
        )
        return [Mark("speech.started", turn, at), OpenUtterance(turn, audio_start)]

    def pause(self, event: SpeechPaused) -> list[Action]:
        """Nobody speaks any more."""
        if (utterance := self.current) is None:
            return []
        utterance.pause(event.at, event.sample)
        actions: list[Action] = []
        if not utterance.transcribed:  # not asked for in the lull before, or not there yet
            actions.append(Transcribe(utterance.turn))
        if self._pauses_end and self._options.judge:
            actions.append(JudgeEnd(utterance.turn, event.sample))
        return actions

    def resume(self, event: SpeechResumed, now: float, *, over_agent: bool) -> list[Action]:
        """Somebody speaks again."""
        if (utterance := self.current) is None:
            return []
        utterance.resume(event.at, now, over_agent=over_agent or bool(self._awaiting_words))
        return _take_back_likely_end(utterance)

    def end(self, now: float) -> list[Action]:
        """The utterance is over, perhaps while somebody speaks."""
        utterance, self.current = self.current, None
        assert utterance is not None
        utterance.ended_at = now
        actions: list[Action] = []
        if not utterance.paused:  # cut off
            utterance.pause(now, max(1, utterance.text_end + 1))
            actions.append(Transcribe(utterance.turn))
        elif utterance.lost:
            actions.append(Transcribe(utterance.turn))
        self._awaiting_words.append(utterance)
        return [
            *actions,
            Mark("speech.ended", utterance.turn, utterance.last_speech_at),
            Mark("turn.ended", utterance.turn, now, _reasons(utterance, now)),
            CloseUtterance(utterance.turn),
        ]

    def drop(self) -> tuple[Utterance, list[Action]]:
        """The utterance is nobody's: it is returned and forgotten."""
        utterance, self.current = self.current, None
        assert utterance is not None
        return utterance, [CloseUtterance(utterance.turn)]

    # ── evidence ─────────────────────────────────────────────────────────────────────────

    def judge(self, event: EndJudged) -> None:
        """The voice of a pause was judged."""
        utterance = self.current
        if utterance is None or not utterance.paused:
            return
        if (utterance.turn, utterance.last_speech) == (event.turn, event.sample):
            utterance.audio_finished = event.probability

    def take_words(self, event: WordsTranscribed, now: float) -> list[Action]:
        """Words arrived, of the utterance that goes on or of one that has ended."""
        actions: list[Action] = []
        current = self.current
        for utterance in self:
            if utterance.turn == event.turn and event.end >= utterance.text_end:
                if words_of(event.text) != words_of(utterance.text):
                    actions += _take_back_likely_end(utterance)
                utterance.take_words(event.text, event.end, self._language, now)
                actions += commit(utterance, event.committed_text, now)
                if utterance is current and utterance.committed and not utterance.paused:
                    actions.append(Commit(utterance.turn, utterance.committed))
        if current is not None and current.turn == event.turn:
            actions.append(Mark("transcript.partial", event.turn, now, {"text": event.text}))
        return actions

    def note_likely_end(self, now: float) -> list[Action]:
        """Tell, once a pause, that the user has probably finished."""
        utterance = self.current
        if utterance is None or utterance.likely_end:
            return []
        if not (utterance.paused and self._pauses_end):
            return []
        if not end_likely(utterance.evidence(), self._options):
            return []
        utterance.likely_end = True
        turn, text = utterance.turn, utterance.text
        return [Mark("turn.likely_end", turn, now, {"text": text}), LikelyEnd(turn, text)]

    def _likely_due(self, utterance: Utterance) -> float:
        return utterance.last_speech_at + self._options.likely_seconds

    def _words_due(self, utterance: Utterance) -> float:
        assert utterance.ended_at is not None
        return utterance.ended_at + self._options.transcription_limit_seconds

    def _end_due(self, utterance: Utterance) -> float:
        longest = utterance.started_at + self._options.longest_utterance_seconds
        if not (utterance.paused and self._pauses_end):
            return longest
        silence = silence_seconds(utterance.evidence(), self._options)
        return min(longest, utterance.last_speech_at + silence)


def commit(utterance: Utterance, text: str, now: float) -> list[Action]:
    """The words `text` are final."""
    if not (added := utterance.commit(text)):
        return []
    return [Mark("transcript.committed", utterance.turn, now, {"text": text, "added": added})]


def _take_back_likely_end(utterance: Utterance) -> list[Action]:
    if not utterance.likely_end:
        return []
    utterance.likely_end = False
    return [GoOn(utterance.turn)]


def _reasons(utterance: Utterance, now: float) -> dict[str, float | None]:
    evidence = utterance.evidence()
    return {
        "silence_seconds": round(now - utterance.last_speech_at, 3),
        "text_finished": evidence.text_finished,
        "audio_finished": evidence.audio_finished,
    }
