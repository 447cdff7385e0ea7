"""What a screen shows of a conversation: events of the trace in, turns and a state out. Pure.

Besides what the trace tells anyway this follows events that only a screen needs:

    loading.progress       part, done, total    how far something is; at the end its seconds
    heard.progress         text, characters     the answer as far as it is written, and was heard
    input.muted            on                   whether the microphone is not listened to
    talk.pressed/released                       the key to talk
    conversation.begun                          what was said before is forgotten
    conversation.failed    problem, cure        it has ended, and why
    notice                 text, tone           anything else that a person should know
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from voice.apps.phase import Floor, Phase
from voice.apps.screen.notices import Notice, notice_of
from voice.trace import TraceEvent


@dataclass(slots=True)
class ToolCall:
    """A tool that is called for an answer; times in the trace's seconds."""

    name: str
    arguments: str
    started_at: float
    ended_at: float | None = None
    output: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.ended_at is None else self.ended_at - self.started_at


@dataclass(slots=True, eq=False)
class Turn:
    """What one side said and the other answered. An announcement has no `words`."""

    number: int
    words: str = ""
    """The user's, as far as they are known."""

    committed: int = 0
    """So many characters of them will not change any more."""

    answer: str = ""
    """The assistant's words, as far as they are written."""

    heard: int | None = None
    """So many characters of them were heard; None while nobody tells."""

    tools: list[ToolCall] = field(default_factory=list)
    interrupted: bool = False
    failure: str = ""
    completed: bool = False
    latency: dict[str, float | None] = field(default_factory=dict)

    @property
    def lost(self) -> str:
        """What was written of an answer that has ended, and was not heard."""
        if self.heard is None or not (self.interrupted or self.failure):
            return ""
        return self.answer[self.heard :].strip()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show (yet)."""
        return not (self.words or self.answer or self.tools or self.failure or self.interrupted)


Entry = Turn | Notice


class Conversation:
    """The turns and notices in the order in which they are shown, and what goes on now."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.loading: dict[str, tuple[int, int]] = {}
        """Done and total (bytes, or steps) of each part that is loaded."""

        self.loading_seconds: dict[str, float] = {}
        """How long those took that are there."""

        self.muted = False
        self.talking = False
        """Whether the key to talk is held."""

        self.half_duplex = False
        self.connected = True
        self._floor = Floor()
        self._numbered: dict[int, Turn] = {}

    @property
    def phase(self) -> Phase:
        """What goes on."""
        return self._floor.phase

    @property
    def turns(self) -> list[Turn]:
        """The turns in which something was said."""
        return [entry for entry in self.entries if isinstance(entry, Turn) and not entry.empty]

    def receive(self, event: TraceEvent) -> Entry | None:
        """Take in one event; returns the entry that looks different now."""
        before = self.phase
        self._floor.receive(event)
        self._follow_state(event, before)
        if notice := notice_of(event):
            self.entries.append(notice)
            return notice
        if event.event == "turn.discarded":
            return self._discard(event.turn)
        if event.event in _OF_A_TURN and event.turn:
            turn = self._turn(event.turn)
            _follow_user(turn, event)
            _follow_assistant(turn, event)
            return turn
        return None

    def _follow_state(self, event: TraceEvent, before: Phase) -> None:
        fields = event.fields
        match event.event:
            case "loading.progress":
                if before is not Phase.LOADING and not fields["done"]:
                    self.loading = {}
                self.loading[fields["part"]] = (fields["done"], fields["total"])
                if "seconds" in fields:
                    self.loading_seconds[fields["part"]] = fields["seconds"]
            case "listening":
                self._numbered = {}  # turns are counted anew
                self.talking = False
            case "connection.lost" | "connection.recovered":
                self.connected = event.event == "connection.recovered"
            case "duplex.chosen":
                self.half_duplex = fields["half"]
            case "input.muted":
                self.muted = fields["on"]
            case "talk.pressed" | "talk.released":
                self.talking = event.event == "talk.pressed"
            case "conversation.begun":
                self.entries.clear()
                self._numbered.clear()

    def _turn(self, number: int) -> Turn:
        """The turn of that number, from now on if it is new."""
        if number not in self._numbered:
            self._numbered[number] = Turn(number)
            self.entries.append(self._numbered[number])
        return self._numbered[number]

    def _discard(self, number: int) -> Turn | None:
        """What was said was not meant for the assistant: nothing of it stays."""
        if turn := self._numbered.pop(number, None):
            self.entries.remove(turn)
            turn.words = ""
        return turn


_OF_A_TURN = {
    "transcript.partial",
    "transcript.committed",
    "transcript.final",
    "heard.progress",
    "answer.written",
    "answer.failed",
    "eager.discarded",
    "tool.started",
    "tool.ended",
    "bargein",
    "turn.completed",
}


def _follow_user(turn: Turn, event: TraceEvent) -> None:
    fields = event.fields
    match event.event:
        case "transcript.partial":
            turn.words = fields["text"]
            turn.committed = min(turn.committed, len(turn.words))
        case "transcript.committed":
            if not turn.words.startswith(fields["text"]):
                turn.words = fields["text"]
            turn.committed = len(fields["text"])
        case "transcript.final":
            turn.words = fields["text"]
            turn.committed = len(turn.words)


def _follow_assistant(turn: Turn, event: TraceEvent) -> None:
    fields = event.fields
    match event.event:
        case "heard.progress":
            turn.answer, turn.heard = fields["text"], fields["characters"]
        case "answer.written":
            turn.answer = fields["text"]
        case "answer.failed":
            turn.failure = fields["reason"]
        case "eager.discarded":  # nobody heard of it
            turn.answer, turn.heard, turn.tools = "", None, []
        case "tool.started":
            turn.tools.append(ToolCall(fields["tool"], fields["arguments"], event.at))
        case "tool.ended":
            _end_call(turn, fields["tool"], fields["output"], event.at)
        case "bargein":
            turn.interrupted = True
        case "turn.completed":
            _complete(turn, fields)


def _end_call(turn: Turn, tool: str, output: str, at: float) -> None:
    """The oldest call of that tool that runs has ended."""
    running = (call for call in turn.tools if call.name == tool and call.ended_at is None)
    if call := next(running, None):
        call.ended_at, call.output = at, output


def _complete(turn: Turn, fields: dict[str, Any]) -> None:
    turn.words = fields["user_text"] or turn.words
    turn.committed = len(turn.words)
    turn.answer, turn.heard = fields["assistant_text"], len(fields["heard_text"])
    turn.interrupted = fields["interrupted"]
    turn.latency, turn.completed = fields["latency"], True
