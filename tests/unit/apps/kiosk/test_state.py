"""What the kiosk does, in a word."""

from __future__ import annotations

from typing import Any

import pytest

from voice.apps.kiosk.state import KioskState
from voice.trace import TraceEvent

Happened = tuple[str, int, dict[str, Any]]


def event(name: str, turn: int = 0, **fields: Any) -> Happened:
    return name, turn, fields


def fault(name: str) -> Happened:
    return event("fault.began", fault=name, problem="it is gone", cure="bring it back")


READY = (event("listening"), event("kiosk.ready"))
VISITED = (*READY, event("visit.began", by="speech"))


def after(*happened: Happened) -> KioskState:
    state = KioskState()
    for at, (name, turn, fields) in enumerate(happened):
        state.receive(TraceEvent(float(at), turn, name, fields))
    return state


@pytest.mark.parametrize(
    ("happened", "word"),
    [
        ((), "loading"),
        ((event("listening"),), "loading"),
        (READY, "asleep"),
        ((*READY, event("speech.started", 1)), "asleep"),  # who is not let in is nobody
        (VISITED, "ready"),
        ((*VISITED, event("speech.started", 1)), "listening"),
        ((*VISITED, event("turn.ended", 1)), "thinking"),
        ((*VISITED, event("audio.first", 1)), "speaking"),
        ((*READY, event("audio.first", 1)), "speaking"),  # an announcement with nobody there
        ((*VISITED, event("visit.ended", reason="silence")), "asleep"),
        ((*VISITED, fault("microphone")), "fault"),
        ((fault("model"),), "fault"),
        ((*VISITED, fault("network")), "ready"),
        ((*VISITED, event("kiosk.stopping")), "stopping"),
        ((*READY, event("kiosk.stopping"), fault("microphone")), "stopping"),
    ],
)
def test_the_state_in_a_word(happened: tuple[Happened, ...], word: str) -> None:
    assert after(*happened).word == word


def test_it_is_ready_again_only_when_it_says_so() -> None:
    broken = (*READY, fault("microphone"))
    ended = event("fault.ended", fault="microphone", seconds=3.0)
    assert not after(*broken, ended).ready
    assert after(*broken, ended).word == "loading"
    assert after(*broken, ended, *READY).ready
    assert after(*broken, *READY, ended).word == "asleep"


def test_between_two_conversations_nobody_is_heard() -> None:
    opening = event("loading.progress", part="hearing", done=0, total=1)
    failed = event("conversation.failed", problem="refused", cure="")
    late = event("loading.progress", part="voice", done=1, total=1)
    assert after(*READY, opening).word == "loading"
    assert not after(*READY, opening, event("listening")).ready
    assert not after(*READY, fault("server"), failed).ready
    assert after(*READY, fault("network"), opening).word == "fault"
    assert after(*READY, opening, *READY, late).word == "asleep"


def test_small_faults_leave_it_ready() -> None:
    state = after(*READY, fault("disk"), fault("stalled:vad"))
    assert list(state.faults) == ["disk", "stalled:vad"]
    assert not state.ready
    assert after(*READY, fault("disk")).ready
