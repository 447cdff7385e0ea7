"""The agent's side of the floor: it thinks and speaks, and gives way to what the user claims.

Theory. The agent has a state, and there are only these ways from one to another; what is done on
the way stands behind the colon. `none` to `words` are the user's strongest claim (`claim`).

    agent     asked     heard     none             sound         speech        words           ended
    idle      thinking  -         -                -             -             -               -
    thinking  -         speaking  -                waiting:Hold  waiting:Hold  idle:Interrupt  idle
    waiting   -         held      thinking:Resume  -             -             idle:Interrupt  idle
    speaking  -         -         -                ducked:Duck   held:Hold     idle:Interrupt  idle
    ducked    -         -         speaking:Unduck  -             held:Hold     idle:Interrupt  idle
    held      -         -         speaking:Resume  -             -             idle:Interrupt  idle

`waiting` is thinking with the word given that nothing will be heard: an answer whose first sound
is due while the user speaks. A held agent is silent and has lost nothing; it stays so while
anything is claimed. What ended was heard to its end or failed: a ducked agent at its last word
just ends, before it could be held. Announcements are answers nobody asked for.
"""

from __future__ import annotations

import enum
from math import inf

from voice.turns.claim import Claim, Strength
from voice.turns.events import (
    Action,
    AnswerEnded,
    AnswerHeard,
    CompleteTurn,
    Duck,
    Hold,
    Interrupt,
    Mark,
    QuestionHeard,
    Resume,
    Unduck,
)


class AgentState(enum.Enum):
    """What the agent does."""

    IDLE = enum.auto()
    THINKING = enum.auto()
    WAITING = enum.auto()
    SPEAKING = enum.auto()
    DUCKED = enum.auto()
    HELD = enum.auto()


class Progress(enum.Enum):
    """What becomes of an answer by itself."""

    ASKED = enum.auto()
    HEARD = enum.auto()
    ENDED = enum.auto()


Move = type[Duck] | type[Unduck] | type[Hold] | type[Resume] | type[Interrupt] | None

_IDLE, _THINKING, _WAITING = AgentState.IDLE, AgentState.THINKING, AgentState.WAITING
_SPEAKING, _DUCKED, _HELD = AgentState.SPEAKING, AgentState.DUCKED, AgentState.HELD

TRANSITIONS: dict[tuple[AgentState, Progress | Strength], tuple[AgentState, Move]] = {
    (_IDLE, Progress.ASKED): (_THINKING, None),
    (_THINKING, Progress.HEARD): (_SPEAKING, None),
    (_THINKING, Strength.SOUND): (_WAITING, Hold),
    (_THINKING, Strength.SPEECH): (_WAITING, Hold),
    (_WAITING, Progress.HEARD): (_HELD, None),
    (_WAITING, Strength.NONE): (_THINKING, Resume),
    (_SPEAKING, Strength.SOUND): (_DUCKED, Duck),
    (_SPEAKING, Strength.SPEECH): (_HELD, Hold),
    (_DUCKED, Strength.NONE): (_SPEAKING, Unduck),
    (_DUCKED, Strength.SPEECH): (_HELD, Hold),
    (_HELD, Strength.NONE): (_SPEAKING, Resume),
    **{(state, Strength.WORDS): (_IDLE, Interrupt) for state in AgentState if state is not _IDLE},
    **{(state, Progress.ENDED): (_IDLE, None) for state in AgentState if state is not _IDLE},
}
"""The table above; where there is no entry, nothing changes."""

_MARKS = {
    Duck: "speech.ducked",
    Unduck: "speech.resumed",
    Hold: "speech.held",
    Resume: "speech.resumed",
    Interrupt: "bargein",
}


class Floor:
    """What the agent does, for which turn, and what of it can be heard."""

    def __init__(self) -> None:
        self.state = AgentState.IDLE
        self.turn = 0
        self.question_at = -inf
        """When the last word of the latest question began to sound."""

        self.silent_since = -inf
        self._disturbed_at = 0.0

    @property
    def busy(self) -> bool:
        """Whether there is an answer."""
        return self.state is not AgentState.IDLE

    @property
    def audible(self) -> bool:
        """Whether some of the answer was heard and more may be, at once or later."""
        return self.state in (AgentState.SPEAKING, AgentState.DUCKED, AgentState.HELD)

    def ask(self, turn: int) -> None:
        """There will be an answer for `turn`."""
        assert not self.busy, "the answer before has neither ended nor been interrupted"
        self._move(Progress.ASKED)
        self.turn, self.question_at = turn, -inf

    def hear(self, event: AnswerHeard) -> list[Action]:
        """The first sound of the answer was heard."""
        if event.turn != self.turn or (self.state, Progress.HEARD) not in TRANSITIONS:
            return []
        self._move(Progress.HEARD)
        return [Mark("audio.first", event.turn, event.at)]

    def hear_question(self, event: QuestionHeard) -> None:
        """The answer asks something."""
        if event.turn == self.turn:
            self.question_at = event.at

    def end(self, event: AnswerEnded, now: float) -> list[Action]:
        """The answer was heard to its end, or failed."""
        if not self.busy or event.turn != self.turn:
            return []
        marks: list[Action] = []
        if self.audible:
            marks = [Mark("playback.ended", event.turn, now)]
            self.silent_since = now
        self._move(Progress.ENDED)
        return [*marks, CompleteTurn(event.turn, event.failure)]

    def yield_to(self, claim: Claim, now: float) -> list[Action]:
        """Give way to the user as far as is claimed, and no further."""
        whole = self.state in (AgentState.THINKING, AgentState.SPEAKING)
        if whole:
            self._disturbed_at = now
        if claim.strength is Strength.WORDS and self.audible:
            self.silent_since = now
        move = self._move(claim.strength)
        if move is None:
            return []
        fields: dict[str, str | float] = {"reason": claim.reason}
        if not whole:
            fields["seconds"] = round(now - self._disturbed_at, 3)
        return [Mark(_MARKS[move], self.turn, now, fields), move(self.turn)]

    def _move(self, cause: Progress | Strength) -> Move:
        self.state, move = TRANSITIONS.get((self.state, cause), (self.state, None))
        return move
