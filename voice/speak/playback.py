"""The record of what was handed to the speaker, and how far it was heard.

Positions are samples written to the output since it was opened (`AudioOutput`). A turn's pieces
follow one another without a gap in that count, and turn N+1 may follow while turn N still plays.

A word has been heard when half of it was played, however quietly, and once, even if it is said
again after a hold. Measured on 16 answers that were ducked, held and then abandoned: 11 times this
is to the word what Whisper understands of the recording, 5 times it is one word more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from voice.audio.frames import OutputPosition
from voice.speak.synthesizer import Clause, Sound

_LEAST_WAIT_SECONDS = 0.005
"""A device takes sound in blocks of about this length; asking more often tells nothing."""

LEAD_SECONDS = 0.015
"""Sound before a word that is said again, in which it fades in: its first consonant is kept."""

_ASKING = re.compile(r"\S*\s?[?？؟]")
"""A word with what follows it, where that is a question mark of some script; French has a space."""


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first sample of the turn's answer reached the device at `at` (seconds)."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """All of the turn's answer has been heard, the last sample at `at` (seconds)."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True)
class QuestionPlayed:
    """The last word of a question began to be heard at `at` (seconds), perhaps once more."""

    turn: int
    at: float


PlaybackEvent = PlaybackStarted | PlaybackEnded | QuestionPlayed


@dataclass(frozen=True, slots=True)
class _Word:
    """Its samples are `start:end`; it ends in the answer as written at `written_end`."""

    start: int
    end: int
    written_end: int


@dataclass(slots=True)
class _Answer:
    """What was queued of one turn."""

    turn: int
    start: int = -1
    end: int = -1
    length: int = 0
    clause: Clause | None = None
    clause_samples: int = 0
    words: list[_Word] = field(default_factory=list)
    questions: list[int] = field(default_factory=list)
    """Where the last words of questions begin."""

    started: bool = False
    finished: bool = False

    def add(self, clause: Clause, sound: Sound, index: int) -> None:
        """A piece of a clause, its first sample as number `index`."""
        if self.clause != clause:
            self.clause, self.clause_samples = clause, 0
        first = index - self.clause_samples
        for word in sound.words:
            start, end = first + word.start_sample, first + word.end_sample
            self.words.append(_Word(start, end, clause.written_end(word.end)))
            if _ASKING.match(clause.text, word.start):
                self.questions.append(start)
        if self.start < 0:
            self.start = index
        self.clause_samples += len(sound.samples)
        self.end, self.length = index + len(sound.samples), clause.end

    def heard(self, played: int) -> int:
        """Characters of the answer heard when `played` samples were."""
        if self.finished and played >= self.end:
            return self.length
        half = [word for word in self.words if (word.start + word.end) / 2 <= played]
        return max((word.written_end for word in half), default=0)


class Playback:
    """Tells from the output's position when answers begin and end, and what was heard of them."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._answers: list[_Answer] = []
        self._sounding = 0
        self._now = 0.0

    def queued(self, turn: int, clause: Clause, sound: Sound, index: int) -> None:
        """A piece of a clause was written to the output, its first sample as number `index`.

        Pieces come in order: those of a clause, the clauses of a turn, the turns.
        """
        answer = self._answer(turn)
        assert not answer.finished, f"turn {turn} has ended, no more sound may follow"
        answer.add(clause, sound, index)

    def finish(self, turn: int) -> None:
        """No more sound will come for this turn; without any it ends at the next `advance`."""
        self._answer(turn).finished = True

    def stop(self, turn: int) -> None:
        """Forget the turn: its sound was discarded, or nobody asks for it any more."""
        self._answers = [answer for answer in self._answers if answer.turn != turn]

    def advance(self, position: OutputPosition, now: float) -> list[PlaybackEvent]:
        """What has happened up to `position`. Ended turns are forgotten."""
        before, self._sounding, self._now = self._sounding, position.sounding, now
        events: list[PlaybackEvent] = []
        for answer in list(self._answers):
            if not answer.started and (at := self._started_at(answer, position)) is not None:
                answer.started = True
                events.append(PlaybackStarted(answer.turn, at))
            events += [
                QuestionPlayed(answer.turn, now - (self._sounding - start) / self._rate)
                for start in answer.questions
                if before <= start < self._sounding
            ]
            if not (answer.finished and position.played >= answer.end):
                break
            since = (position.played - answer.end) / self._rate if answer.started else 0.0
            events.append(PlaybackEnded(answer.turn, now - since))
            self._answers.remove(answer)
        return events

    def word_start(self, turn: int, position: OutputPosition) -> int | None:
        """From where to say again the turn's word that sounds, or the next one.

        None: there is no sound of this turn yet.
        """
        answer = next((answer for answer in self._answers if answer.turn == turn), None)
        if answer is None or answer.start < 0:
            return None
        starts = (word.start for word in answer.words if word.end > position.sounding)
        lead = round(LEAD_SECONDS * self._rate)
        return max(answer.start, min(starts, default=position.sounding + lead) - lead)

    def repeat(self, index: int) -> None:
        """What follows the sample `index` will be heard again."""
        self._sounding = min(self._sounding, index)

    def heard(self, turn: int, position: OutputPosition) -> int:
        """How many characters of the turn's answer have been heard, counted as it was written.

        After `discard` what is left in the device will still be heard: ask with `played` replaced
        by `written` for where it ends.
        """
        return next((a.heard(position.played) for a in self._answers if a.turn == turn), 0)

    def deadline(self) -> float | None:
        """When `advance` could have something to tell; None while nothing is on its way."""
        if not self._answers:
            return None
        answer = self._answers[0]
        if answer.start < 0:
            return self._now if answer.finished else None
        if answer.started and not answer.finished:
            return None
        waited = answer.start
        if answer.started:
            questions = (start for start in answer.questions if start >= self._sounding)
            waited = min(questions, default=answer.end)
        seconds = (waited - self._sounding) / self._rate
        return self._now + max(_LEAST_WAIT_SECONDS, seconds)

    def _answer(self, turn: int) -> _Answer:
        for answer in self._answers:
            if answer.turn == turn:
                return answer
        self._answers.append(_Answer(turn))
        return self._answers[-1]

    def _started_at(self, answer: _Answer, position: OutputPosition) -> float | None:
        """The time at which its first sample reached the device; None if it has not yet."""
        if answer.start < 0:
            return None
        if position.started_index == answer.start:
            return position.started_at
        if position.played > answer.start:
            return self._now - (position.played - answer.start) / self._rate
        return None
