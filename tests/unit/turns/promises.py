"""What the turn machine promises about its actions, whatever happens."""

from __future__ import annotations

from collections.abc import Sequence

from voice.turns.events import (
    Action,
    Announce,
    Answer,
    CompleteTurn,
    Duck,
    Hold,
    Interrupt,
    Mark,
    Resume,
    Unduck,
)

_MARKS = {
    Duck: "speech.ducked",
    Hold: "speech.held",
    Unduck: "speech.resumed",
    Resume: "speech.resumed",
    Interrupt: "bargein",
}
_NEXT = {
    "whole": {Duck: "ducked", Hold: "held"},
    "ducked": {Unduck: "whole", Hold: "held"},
    "held": {Resume: "whole"},
}


def check(actions: Sequence[Action]) -> None:
    """One answer at a time, each over once at most; what is done to it makes sense, and is said."""
    turn, state = 0, "over"
    before: Action | None = None
    for action in actions:
        match action:
            case Answer() | Announce():
                assert state == "over", f"turn {turn} is not over"
                turn, state = action.turn, "whole"
            case CompleteTurn() | Interrupt():
                assert (action.turn, state != "over") == (turn, True)
                state = "over"
            case Duck() | Unduck() | Hold() | Resume():
                assert action.turn == turn
                state = _NEXT[state][type(action)]
        if name := _MARKS.get(type(action)):
            assert isinstance(before, Mark)
            assert (before.event, before.turn) == (name, turn)
            assert before.fields["reason"]
        before = action
