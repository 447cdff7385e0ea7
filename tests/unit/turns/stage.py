"""A stage for dialogues: a user who speaks by a script, ears, a turn machine, and a speaker.

A dialogue is a block of rows; `dialogues.txt` says how they are read. `play` performs it in
simulated time, in steps of 10 ms, and returns the rows that came of it.
"""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from voice.audio.frames import SAMPLE_RATE
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
    CompleteTurn,
    Duck,
    DuplexChosen,
    Event,
    GoOn,
    Hold,
    InputEnded,
    Interrupt,
    LikelyEnd,
    Mark,
    OnsetHeard,
    OpenUtterance,
    QuestionHeard,
    Resume,
    TalkPressed,
    TalkReleased,
    Transcribe,
    TranscriptionLost,
    Unduck,
    WordsTranscribed,
)
from voice.turns.floor import AgentState
from voice.turns.machine import TurnMachine
from voice.turns.options import BargeInOptions, TurnOptions

STEP = 0.01
STEPS_A_CELL = 10
"""A column of a row is a tenth of a second."""

_SIGNS = "[]$!"
_LETTERS = {
    AgentState.IDLE: ".",
    AgentState.THINKING: "t",
    AgentState.WAITING: "w",
    AgentState.SPEAKING: "s",
    AgentState.DUCKED: "d",
    AgentState.HELD: "h",
}
_NO_BREAK = "\N{NO-BREAK SPACE}"
_LONGEST_SECONDS = 60.0
_PARTIAL_STEPS = 20
_OUTPUT = ("agent", "floor", "early", "asked", "heard", "why")


@dataclass
class Dialogue:
    """One block: what is given, and what should come of it."""

    title: str
    rows: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def given(self, name: str, default: str = "") -> str:
        """The row of that name."""
        return self.rows[name][0] if name in self.rows else default

    @property
    def expected(self) -> dict[str, list[str]]:
        """The rows that `play` returns."""
        return {name: self.rows[name] for name in _OUTPUT if name in self.rows}


def read(path: Path) -> list[Dialogue]:
    """The dialogues of a file, in order."""
    dialogues: list[Dialogue] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if title := re.match(r"── (.+)", line):
            dialogues.append(Dialogue(title[1]))
        elif row := re.match(r"    (\w+) +\|(.*)", line):
            dialogues[-1].rows[row[1]].append(row[2].rstrip())
    return dialogues


class Ears:
    """A gate that hears the user's row (and, with echo, the agent), and who writes down words."""

    def __init__(self, row: str) -> None:
        self._voiced = [
            sign not in f" {_SIGNS}"
            for sign in re.sub(
                rf"(?<=[^ {re.escape(_SIGNS)}]) (?=[^ {re.escape(_SIGNS)}])", "_", row
            )
        ]
        self._words = [
            (word.start(), word.end(), word[0])
            for word in re.finditer(rf"[^ #{re.escape(_SIGNS)}]+", row)
        ]
        self.open = self.paused = self.confirmed = False
        self._run = self._silence = 0
        self._stretch_start = self._last = 0

    def user_speaks(self, step: int) -> bool:
        """Whether the user makes a sound."""
        cell = step // STEPS_A_CELL
        return cell < len(self._voiced) and self._voiced[cell]

    def words(self, first_step: int, step: int) -> str:
        """What was said from one step to another, whole words."""
        return " ".join(
            text
            for start, end, text in self._words
            if start * STEPS_A_CELL >= first_step - 30 and end * STEPS_A_CELL <= step
        )

    def close(self) -> None:
        """The next speech is a new one."""
        self.open = False
        self._run = 0

    def hear(self, step: int, voiced: bool) -> list[Event]:
        """What the gate makes of the next 10 ms."""
        self._run = self._run + 1 if voiced else 0
        self._silence = 0 if voiced else self._silence + 1
        if voiced:
            self._last = step
        if self.open and not self.paused:
            return self._go_on(step, voiced)
        return self._begin(step) if self._run >= (4 if self.open else 12) else []

    def _begin(self, step: int) -> list[Event]:
        start, again = (step - self._run) * STEP, self.open
        self.open, self.paused, self.confirmed = True, False, False
        self._stretch_start = step - self._run
        if again:
            return [SpeechResumed(start, sample(start))]
        return [SpeechStarted(start, sample(start), sample(start))]

    def _go_on(self, step: int, voiced: bool) -> list[Event]:
        now = step * STEP
        if voiced and not self.confirmed and step - self._stretch_start >= 30:
            self.confirmed = True
            return [SpeechConfirmed(now, sample(now))]
        if self._silence >= 12:
            self.paused = True
            return [SpeechPaused(self._last * STEP, sample(self._last * STEP))]
        return []


def sample(at: float) -> int:
    """The capture's sample at that time."""
    return round(at * SAMPLE_RATE)


@dataclass
class Speaker:
    """Speaks one answer, a character in a tenth of a second, and knows to the word what was heard.

    A word counts as heard when half of it has sounded; what was heard stays heard.
    """

    turn: int
    text: str
    start: int
    """The step at which it could begin."""

    held: bool = False
    ducked: bool = False
    begun: bool = False
    cursor: int = 0
    heard: int = 0
    _quiet_from: int = -1

    def __post_init__(self) -> None:
        self._words = [(word.start(), word.end()) for word in re.finditer(r"\S+", self.text)]

    def duck(self) -> None:
        self.ducked, self._quiet_from = True, self._word_start()

    def unduck(self) -> None:
        self.ducked, self._quiet_from = False, -1

    def hold(self) -> None:
        self.held = True
        if self._quiet_from < 0:
            self._quiet_from = self._word_start()

    def resume(self) -> None:
        if self.begun:
            self.cursor = self._quiet_from
        self.held = self.ducked = False
        self._quiet_from = -1

    def sounds(self, step: int) -> bool:
        return step >= self.start and not self.held

    def letter(self) -> str:
        letter = self.text[min(self.cursor // STEPS_A_CELL, len(self.text) - 1)]
        return letter.lower() if self.ducked else letter.upper()

    def advance(self, step: int) -> list[Event]:
        """The next 10 ms are heard."""
        events: list[Event] = []
        if not self.begun:
            self.begun = True
            events.append(AnswerHeard(self.turn, step * STEP))
        for start, end in self._words:
            if self.cursor == start * STEPS_A_CELL and self.text[end - 1] == "?":
                events.append(QuestionHeard(self.turn, step * STEP))
        self.cursor += 1
        for start, end in self._words:
            if self.cursor >= (start + end) * STEPS_A_CELL / 2:
                self.heard = max(self.heard, end)
        if self.cursor >= len(self.text) * STEPS_A_CELL:
            events.append(AnswerEnded(self.turn))
        return events

    def _word_start(self) -> int:
        """Where the word that sounds begins, or the next one."""
        return next(
            (
                start * STEPS_A_CELL
                for start, end in self._words
                if end * STEPS_A_CELL > self.cursor
            ),
            self.cursor,
        )


class Stage:
    """Performs a dialogue."""

    def __init__(self, dialogue: Dialogue) -> None:
        options = dialogue.given("options").split()
        self._machine = TurnMachine(
            TurnOptions(judge="", mode="push-to-talk" if "push-to-talk" in options else "open"),
            barge_in=BargeInOptions(
                mode="at-once" if "at-once" in options else "two-step",
                half_duplex="half-duplex" in options,
            ),
        )
        self._echo = "echo" in options
        self._detector = "no-detector" not in options
        self._user = dialogue.given("user")
        self._events = dialogue.given("events")
        self._replies = list(dialogue.rows.get("reply", []))
        self._announcements = list(dialogue.rows.get("timer", []))
        self._words_steps, self._lost = _latency(dialogue.given("words", "0.1"))
        self._ears = Ears(self._user)
        self._speaker: Speaker | None = None
        self._opened: dict[int, int] = {}
        self._due: dict[int, list[Event]] = defaultdict(list)
        self._silent = True
        self.actions: list[Action] = []
        self.asked: list[str] = []
        self.heard: list[str] = []
        self.agent_row = self.floor_row = ""

    def play(self) -> None:
        """From the first column until nothing more happens."""
        longest = round(_LONGEST_SECONDS / STEP)
        script = max(len(self._user), len(self._events)) * STEPS_A_CELL
        for step in range(longest):
            self._step(step)
            if step > script + 20 and self._machine.idle and not self._due:
                return
        raise AssertionError(f"the dialogue does not end: {self._machine.agent}")

    def _step(self, step: int) -> None:
        now = step * STEP
        for event in self._due.pop(step, []):
            self._happen(event, step)
        if step % STEPS_A_CELL == 0:
            self._act_on_signs(step // STEPS_A_CELL, step)
        sounds = self._speaker is not None and self._speaker.sounds(step)
        speaks = self._ears.user_speaks(step)
        self._detect(speaks, step)
        for event in self._ears.hear(step, speaks or (self._echo and sounds)):
            self._happen(event, step)
        if self._ears.open and not self._ears.paused and step % _PARTIAL_STEPS == 0:
            self._transcribe(max(self._opened, default=0), step)
        if sounds and self._speaker:
            self._draw(step, self._speaker.letter())
            for event in self._speaker.advance(step):
                self._happen(event, step)
        else:
            self._draw(step, " ")
        while (deadline := self._machine.deadline()) is not None and deadline <= now + 1e-9:
            self._perform(self._machine.timeout(deadline), step)
            assert self._machine.deadline() != deadline, "a deadline that timeout does not clear"

    def _draw(self, step: int, letter: str) -> None:
        if step % STEPS_A_CELL == STEPS_A_CELL // 2:
            self.agent_row += letter
            self.floor_row += _LETTERS[self._machine.agent]

    def _detect(self, speaks: bool, step: int) -> None:
        """The quick detector, which hears sounds only while the agent speaks."""
        began, self._silent = speaks and self._silent, not speaks
        if began and self._detector and self._speaker and self._speaker.sounds(step):
            self._due[step + 5].append(OnsetHeard(step * STEP))

    def _act_on_signs(self, cell: int, step: int) -> None:
        now = step * STEP
        sign = self._user[cell : cell + 1]
        event = self._events[cell : cell + 1]
        match sign, event:
            case "[", _:
                self._happen(TalkPressed(now, sample(now)), step)
            case "]", _:
                self._happen(TalkReleased(now, sample(now)), step)
            case "$", _:
                self._happen(InputEnded(), step)
            case "!", _:
                self._happen(OnsetHeard(now), step)
            case _, "T":
                self._happen(AnnouncementArrived(self._announcements.pop(0)), step)
            case _, "H":
                self._happen(DuplexChosen(True, "the echo stays"), step)
            case _, "F":
                self._happen(DuplexChosen(False, "the echo is gone"), step)

    def _happen(self, event: Event, step: int) -> None:
        self._perform(self._machine.receive(event, step * STEP), step)

    def _perform(self, actions: list[Action], step: int) -> None:
        self.actions += actions
        for action in actions:
            self._perform_one(action, step)

    def _perform_one(self, action: Action, step: int) -> None:
        speaker = self._speaker
        match action:
            case OpenUtterance(turn):
                self._opened[turn] = step
            case Transcribe(turn):
                self._transcribe(turn, step)
            case CloseUtterance() | CloseGate():
                self._ears.close()
            case Answer(turn, text):
                self.asked.append(text)
                self._begin(turn, self._replies.pop(0) if self._replies else "Okay.", step)
            case Announce(turn, text):
                self._begin(turn, text, step)
            case Duck():
                assert speaker
                speaker.duck()
            case Unduck():
                assert speaker
                speaker.unduck()
            case Hold():
                assert speaker
                speaker.hold()
            case Resume():
                assert speaker
                speaker.resume()
            case Interrupt():
                assert speaker
                heard = " ".join(speaker.text[: speaker.heard].split())
                self.heard.append(f"{heard} —".lstrip())
                self._speaker = None
            case CompleteTurn():
                assert speaker
                self.heard.append(" ".join(speaker.text.split()))
                self._speaker = None

    def _begin(self, turn: int, reply: str, step: int) -> None:
        dots = len(reply) - len(reply.lstrip("."))
        self._speaker = Speaker(turn, reply[dots:], step + (dots or 4) * STEPS_A_CELL)

    def _transcribe(self, turn: int, step: int) -> None:
        if turn not in self._opened:
            return
        arrives = step + self._words_steps
        if self._lost:
            self._due[arrives].append(TranscriptionLost(turn, "the model failed"))
            return
        text = self._ears.words(self._opened[turn], step)
        self._due[arrives].append(WordsTranscribed(turn, text, sample(step * STEP)))


def _latency(row: str) -> tuple[int, bool]:
    seconds, _, lost = row.partition(" ")
    return round(float(seconds) / STEP), lost == "lost"


def play(dialogue: Dialogue) -> tuple[dict[str, list[str]], list[Action]]:
    """The rows that come of a dialogue, and everything that the machine wanted."""
    stage = Stage(dialogue)
    stage.play()
    marks = [action for action in stage.actions if isinstance(action, Mark)]
    why = [
        f"{mark.event.rpartition('.')[2]} ({mark.fields['reason']})".replace(" ", _NO_BREAK)
        for mark in marks
        if "reason" in mark.fields
    ]
    early = [
        action.text if isinstance(action, LikelyEnd) else "—"
        for action in stage.actions
        if isinstance(action, LikelyEnd | GoOn)
    ]
    rows = {
        "agent": [stage.agent_row.rstrip()],
        "floor": [stage.floor_row.rstrip(".")],
        "asked": stage.asked,
        "heard": stage.heard,
        "early": early if "early" in dialogue.rows else [],
        "why": [line.replace(_NO_BREAK, " ") for line in textwrap.wrap(", ".join(why), 88)],
    }
    return {name: lines for name, lines in rows.items() if any(lines)}, stage.actions
