from __future__ import annotations

import itertools

import pytest

from voice.turns import floor as module
from voice.turns.claim import Claim, Strength
from voice.turns.events import AnswerEnded, AnswerHeard, CompleteTurn, Hold, Interrupt, Mark, Resume
from voice.turns.floor import TRANSITIONS, AgentState, Floor, Progress

COLUMNS = [
    Progress.ASKED, Progress.HEARD,
    Strength.NONE, Strength.SOUND, Strength.SPEECH, Strength.WORDS,
    Progress.ENDED,
]  # fmt: skip
CAUSES: dict[str, Progress | Strength] = {cause.name.lower(): cause for cause in COLUMNS}


def _documented() -> dict[tuple[AgentState, Progress | Strength], tuple[str, str]]:
    """The table of the docstring: where each state goes, and what is done."""
    assert module.__doc__
    lines = [line.split() for line in module.__doc__.splitlines()]
    head = next(number for number, cells in enumerate(lines) if cells[:2] == ["agent", "asked"])
    causes = [CAUSES[name] for name in lines[head][1:]]
    table = {}
    for name, *cells in lines[head + 1 : head + 1 + len(AgentState)]:
        for cause, cell in zip(causes, cells, strict=True):
            if cell != "-":
                state, _, move = cell.partition(":")
                table[AgentState[name.upper()], cause] = (state, move)
    return table


def test_the_table_in_the_docstring_is_the_one_that_is_used() -> None:
    used = {
        key: (state.name.lower(), move.__name__ if move else "")
        for key, (state, move) in TRANSITIONS.items()
    }
    assert _documented() == used


def _floor(state: AgentState) -> Floor:
    """A floor that has come to this state for turn 1."""
    floor = Floor()
    ways: dict[AgentState, list[Progress | Strength]] = {
        AgentState.IDLE: [],
        AgentState.THINKING: [Progress.ASKED],
        AgentState.WAITING: [Progress.ASKED, Strength.SPEECH],
        AgentState.SPEAKING: [Progress.ASKED, Progress.HEARD],
        AgentState.DUCKED: [Progress.ASKED, Progress.HEARD, Strength.SOUND],
        AgentState.HELD: [Progress.ASKED, Progress.HEARD, Strength.SPEECH],
    }
    for cause in ways[state]:
        _cause(floor, cause)
    assert floor.state is state
    return floor


def _cause(floor: Floor, cause: Progress | Strength) -> list[object]:
    if cause is Progress.ASKED:
        floor.ask(1)
        return []
    if cause is Progress.HEARD:
        return list(floor.hear(AnswerHeard(1, 1.0)))
    if cause is Progress.ENDED:
        return list(floor.end(AnswerEnded(1), 2.0))
    assert isinstance(cause, Strength)
    return list(floor.yield_to(Claim(cause, "why"), 1.5))


@pytest.mark.parametrize(("state", "cause"), list(itertools.product(AgentState, COLUMNS)))
def test_every_cell(state: AgentState, cause: Progress | Strength) -> None:
    floor = _floor(state)
    if cause is Progress.ASKED and state is not AgentState.IDLE:
        with pytest.raises(AssertionError):
            floor.ask(2)
        return
    actions = _cause(floor, cause)
    after, move = TRANSITIONS.get((state, cause), (state, None))
    assert floor.state is after
    moves = [action for action in actions if not isinstance(action, Mark | CompleteTurn)]
    assert moves == ([move(1)] if move else [])


def test_an_answer_of_another_turn_changes_nothing() -> None:
    floor = _floor(AgentState.THINKING)
    assert floor.hear(AnswerHeard(7, 1.0)) == []
    assert floor.end(AnswerEnded(7), 1.0) == []
    assert floor.state is AgentState.THINKING


def test_how_long_it_was_disturbed_is_said() -> None:
    floor = _floor(AgentState.SPEAKING)
    duck, _ = floor.yield_to(Claim(Strength.SOUND, "sound"), 2.0)
    hold = floor.yield_to(Claim(Strength.SPEECH, "speech"), 2.2)
    resume = floor.yield_to(Claim(Strength.NONE, "backchannel"), 2.9)
    assert duck == Mark("speech.ducked", 1, 2.0, {"reason": "sound"})
    held = Mark("speech.held", 1, 2.2, {"reason": "speech", "seconds": 0.2})
    assert hold == [held, Hold(1)]
    resumed = Mark("speech.resumed", 1, 2.9, {"reason": "backchannel", "seconds": 0.9})
    assert resume == [resumed, Resume(1)]


@pytest.mark.parametrize(("state", "heard"), [(AgentState.WAITING, False), (AgentState.HELD, True)])
def test_a_failure_ends_it_wherever_it_is(state: AgentState, heard: bool) -> None:
    floor = _floor(state)
    actions = floor.end(AnswerEnded(1, "the server failed"), 3.0)
    assert actions[-1] == CompleteTurn(1, "the server failed")
    assert (Mark("playback.ended", 1, 3.0) in actions) is heard
    assert floor.yield_to(Claim(Strength.WORDS, "words"), 3.1) == []


def test_an_interruption_is_the_last_of_it() -> None:
    floor = _floor(AgentState.HELD)
    assert floor.yield_to(Claim(Strength.WORDS, "words"), 3.0)[-1] == Interrupt(1)
    for cause in (Progress.HEARD, Progress.ENDED, Strength.NONE, Strength.SPEECH):
        assert _cause(floor, cause) == []
