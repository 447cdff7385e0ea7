"""What the agent's machine hears of, and what it wants done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from voice.responses.events import ClientEvent, FunctionCall, InputItem, ServerEvent

# ── facts: the conversation ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Committed:
    """The words of utterance `turn` that are final so far; they only grow."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class LikelyEnded:
    """Utterance `turn` has probably ended, with the words `text`."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class WentOn:
    """Utterance `turn` goes on after its likely end."""

    turn: int


@dataclass(frozen=True, slots=True)
class Discarded:
    """Utterance `turn` was none."""

    turn: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The user has finished, and said `text`."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Announced:
    """The assistant says `text` without having been asked."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Invited:
    """The floor is free for what the assistant has to tell: see `TellLater`."""

    turn: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Nothing that was said so far counts any more; `erased`: nor is it to be kept anywhere.

    Not while there is an answer.
    """

    erased: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """All of the answer was heard."""

    turn: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The answer was broken off, by the user or by a failure; `text` of it was heard."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolProgressed:
    """A tool tells how far it is, in words that can be spoken."""

    turn: int
    call_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool has an output for the call."""

    turn: int
    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class ToolsCancelled:
    """The user wants no result any more of `name`, or of anything ("") in the background."""

    name: str = ""


# ── facts: the connections, by number ────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection is there; `remembers`: its server keeps the latest response of each lane."""

    link: int
    remembers: bool = True


@dataclass(frozen=True, slots=True)
class OpenFailed:
    """A connection could not be opened."""

    link: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """A connection is over."""

    link: int
    reason: str


class Arrived(Struct, frozen=True):
    """The server sent an event. It comes in thousands: a struct is made six times as fast."""

    link: int
    event: ServerEvent


Fact = (
    Committed
    | LikelyEnded
    | WentOn
    | Discarded
    | Asked
    | Announced
    | Invited
    | Forgotten
    | Heard
    | Interrupted
    | ToolProgressed
    | ToolReturned
    | ToolsCancelled
    | Opened
    | OpenFailed
    | Lost
    | Arrived
)

# ── actions of the driver ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Open a connection under this number, and tell what came of it."""

    link: int


@dataclass(frozen=True, slots=True)
class CloseLink:
    """Close the connection; nothing that it still sends matters."""

    link: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send the event on the connection."""

    link: int
    event: ClientEvent


@dataclass(frozen=True, slots=True)
class CallTool:
    """Run the tool, and tell its output. `key` is the same for the same call."""

    turn: int
    call: FunctionCall
    key: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class StopTool:
    """Nobody waits for the output of this call any more."""

    turn: int
    call_id: str


# ── actions of the session ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AnswerBegun:
    """An answer is on its way; an `eager` one must not be heard until it is adopted."""

    turn: int
    eager: bool


@dataclass(frozen=True, slots=True)
class AnswerAdopted:
    """The eager answer is the answer."""

    turn: int


@dataclass(frozen=True, slots=True)
class AnswerDropped:
    """The eager answer is none: forget all of it."""

    turn: int


class TextReceived(Struct, frozen=True):
    """More of the answer's text. It comes in thousands, as `Arrived` does."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """Something to say while a tool is at work; it is no part of the answer."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class TellLater:
    """There is something to tell at the next free moment: `text`, or in the agent's own words.

    Those come when it is `Invited`.
    """

    text: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerWritten:
    """The answer's text is whole."""

    turn: int


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """There will be no more text."""

    turn: int
    reason: str


@dataclass(frozen=True, slots=True)
class ItemsSettled:
    """These items are part of the conversation for good."""

    turn: int
    items: Sequence[InputItem]


@dataclass(frozen=True, slots=True)
class BegunAnew:
    """Items that settle from now on belong to another conversation; `erased`: see `Forgotten`."""

    erased: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """Something for the trace."""

    event: str
    turn: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


AnswerEvent = AnswerAdopted | AnswerDropped | TextReceived | Filled | AnswerWritten | AnswerFailed
"""What becomes of an answer that was begun."""

AgentEvent = AnswerBegun | AnswerEvent | TellLater | ItemsSettled | BegunAnew | Noted
Action = OpenLink | CloseLink | Send | CallTool | StopTool | AgentEvent
