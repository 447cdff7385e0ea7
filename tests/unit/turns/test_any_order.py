"""Events in any order: the promises hold, and nothing stays as it is for ever."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.turns.promises import check
from tests.unit.turns.stage import sample
from voice.listen.gate import SpeechConfirmed, SpeechPaused, SpeechResumed, SpeechStarted
from voice.turns.events import (
    Action,
    Announce,
    AnnouncementArrived,
    Answer,
    AnswerEnded,
    AnswerHeard,
    CloseGate,
    CloseUtterance,
    DuplexChosen,
    Event,
    InputEnded,
    OnsetHeard,
    OpenUtterance,
    QuestionHeard,
    TalkPressed,
    TalkReleased,
    TranscriptionLost,
    WordsTranscribed,
)
from voice.turns.floor import AgentState
from voice.turns.machine import TurnMachine
from voice.turns.options import BargeInOptions, TurnOptions

TEXTS = ["", "Mm-hm.", "Um.", "Stop.", "Okay, but", "go", "(coughs)", "No, another one."]
KINDS = [
    "speech", "confirmed", "pause", "words", "words", "words", "lost", "onset", "heard", "heard",
    "ended", "failed", "question", "announce", "press", "release", "half", "full", "nothing", "end",
]  # fmt: skip
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.floats(0.0, 1.0), st.sampled_from(TEXTS)), max_size=40
)
YIELDING = (AgentState.WAITING, AgentState.DUCKED, AgentState.HELD)
LONGEST_SECONDS = 0.01 + max(
    BargeInOptions().duck_seconds,
    BargeInOptions().interruption_seconds,
    BargeInOptions().hold_seconds,
)
"""Nobody is kept waiting for longer by what does not happen."""

OPTIONS = st.builds(
    BargeInOptions, mode=st.sampled_from(["two-step", "at-once"]), half_duplex=st.booleans()
)
MODES = st.sampled_from(["open", "open", "open", "push-to-talk"])


@dataclass
class World:
    """A machine with a gate that keeps its own order; all else comes as it likes."""

    machine: TurnMachine
    now: float = 0.0
    gate: str = "closed"
    turn: int = 0
    opened: int = 0
    actions: list[Action] = field(default_factory=list)

    def happen(self, event: Event) -> None:
        self._take(self.machine.receive(event, self.now))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.machine.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self._take(self.machine.timeout(self.now))
            assert self.machine.deadline() != deadline, "a deadline that timeout does not clear"
        self.now = until

    def step(self, kind: str, text: str) -> None:  # noqa: PLR0912 - a table
        at, sampled = self.now, sample(self.now)
        match kind:
            case "speech" if self.gate == "closed":
                self.gate = "speech"
                self.happen(SpeechStarted(at, sampled, sampled))
            case "speech" if self.gate == "paused":
                self.gate = "speech"
                self.happen(SpeechResumed(at, sampled))
            case "confirmed" if self.gate == "speech":
                self.happen(SpeechConfirmed(at, sampled))
            case "pause" if self.gate == "speech":
                self.gate = "paused"
                self.happen(SpeechPaused(at, sampled))
            case "words":
                self.happen(WordsTranscribed(self.opened, text, sampled))
            case "lost":
                self.happen(TranscriptionLost(self.opened, "lost"))
            case "onset":
                self.happen(OnsetHeard(at))
            case "heard":
                self.happen(AnswerHeard(self.turn, at))
            case "question":
                self.happen(QuestionHeard(self.turn, at))
            case "ended" | "failed":
                self.happen(AnswerEnded(self.turn, "" if kind == "ended" else "failed"))
            case "announce":
                self.happen(AnnouncementArrived("over"))
            case "press":
                self.happen(TalkPressed(at, sampled))
            case "release":
                self.happen(TalkReleased(at, sampled))
            case "half" | "full":
                self.happen(DuplexChosen(kind == "half", "so"))
            case "end":
                self.happen(InputEnded())

    def _take(self, actions: list[Action]) -> None:
        self.actions += actions
        for action in actions:
            match action:
                case OpenUtterance(turn):
                    self.opened = turn
                case Answer(turn) | Announce(turn):
                    self.turn = turn
                case CloseUtterance() | CloseGate():
                    self.gate = "closed"
        assert self.machine.deadline() is not None or self.machine.agent not in YIELDING


@given(STEPS, OPTIONS, MODES)
def test_promises_hold_and_the_agent_gives_way_for_a_while_only(
    steps: list[tuple[str, float, str]], barge_in: BargeInOptions, mode: str
) -> None:
    options = TurnOptions(mode="open" if mode == "open" else "push-to-talk")
    world = World(TurnMachine(options, barge_in=barge_in))
    for kind, seconds, text in steps:
        world.wait(seconds)
        world.step(kind, text)
    world.wait(LONGEST_SECONDS)  # and nothing happens
    assert world.machine.agent not in YIELDING
    while not world.machine.idle:
        world.happen(AnswerEnded(world.turn))
        world.wait(100.0)
    check(world.actions)
    assert world.machine.deadline() is None


@given(STEPS)
def test_who_never_says_words_never_loses_an_answer(
    steps: list[tuple[str, float, str]],
) -> None:
    """Sounds, coughs and false alarms, as long as none lasts, only make it wait."""
    world = World(TurnMachine(TurnOptions(), barge_in=BargeInOptions(interruption_seconds=1e6)))
    world.happen(AnnouncementArrived("the tea is ready"))
    world.happen(AnswerHeard(world.turn, 0.0))
    told = [s for s in steps if s[0] in ("speech", "confirmed", "pause", "onset", "lost", "words")]
    for kind, seconds, text in told:
        world.wait(seconds)
        world.step(kind, text if text in ("", "Mm-hm.", "Um.", "(coughs)") else "")
    world.wait(100.0)
    assert world.machine.agent is AgentState.SPEAKING
