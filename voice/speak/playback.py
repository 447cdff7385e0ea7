"""The record of what was handed to the speaker, and how far it was heard.

Positions are samples written to the output since it was opened (`AudioOutput`). A turn's pieces
follow one another without a gap in that count, and turn N+1 may follow while turn N still plays.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from voice.audio.frames import OutputPosition
from voice.speak.synthesizer import Clause, Sound

_LEAST_WAIT_SECONDS = 0.005
"""A device takes sound in blocks of about this length; asking more often tells nothing."""


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


PlaybackEvent = PlaybackStarted | PlaybackEnded


@dataclass(slots=True)
class _Answer:
    """What was queued of one turn: `words` are (sample at the middle, end in the answer)."""

    turn: int
    start: int = -1
    end: int = -1
    length: int = 0
    clause: Clause | None = None
    clause_samples: int = 0
    words: list[tuple[float, int]] = field(default_factory=list)
    started: bool = False
    finished: bool = False

    def heard(self, played: int) -> int:
        """Characters of the answer heard when `played` samples were."""
        if self.finished and played >= self.end:
            return self.length
        return max((end for middle, end in self.words if middle <= played), default=0)


class Playback:
    """Tells from the output's position when answers begin and end, and what was heard of them."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._answers: list[_Answer] = []
        self._played = 0
        self._now = 0.0

    def queued(self, turn: int, clause: Clause, sound: Sound, index: int) -> None:
        """A piece of a clause was written to the output, its first sample as number `index`.

        Pieces come in order: those of a clause, the clauses of a turn, the turns.
        """
        answer = self._answer(turn)
        assert not answer.finished, f"turn {turn} has ended, no more sound may follow"
        if answer.clause != clause:
            answer.clause, answer.clause_samples = clause, 0
        first = index - answer.clause_samples
        answer.words += [
            (first + (word.start_sample + word.end_sample) / 2, clause.written_end(word.end))
            for word in sound.words
        ]
        if answer.start < 0:
            answer.start = index
        answer.clause_samples += len(sound.samples)
        answer.end, answer.length = index + len(sound.samples), clause.end

    def finish(self, turn: int) -> None:
        """No more sound will come for this turn; without any it ends at the next `advance`."""
        self._answer(turn).finished = True

    def stop(self, turn: int) -> None:
        """Forget the turn: its sound was discarded, or nobody asks for it any more."""
        self._answers = [answer for answer in self._answers if answer.turn != turn]

    def advance(self, position: OutputPosition, now: float) -> list[PlaybackEvent]:
        """What has happened up to `position`. Ended turns are forgotten."""
        self._played, self._now = position.played, now
        events: list[PlaybackEvent] = []
        for answer in list(self._answers):
            if not answer.started and (at := self._started_at(answer, position)) is not None:
                answer.started = True
                events.append(PlaybackStarted(answer.turn, at))
            if not (answer.finished and position.played >= answer.end):
                break
            since = (position.played - answer.end) / self._rate if answer.started else 0.0
            events.append(PlaybackEnded(answer.turn, now - since))
            self._answers.remove(answer)
        return events

    def heard(self, turn: int, position: OutputPosition) -> int:
        """How many characters of the turn's answer have been heard, counted as it was written.

        A word counts when half of it has been played. After `discard` what is left in the output
        will still be heard: ask with `played` replaced by `written` for where it ends.
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
        waited = answer.end if answer.started else answer.start
        seconds = (waited - self._played) / self._rate
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
