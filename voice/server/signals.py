"""What the protocol machine hears of, and what it wants done."""

from __future__ import annotations

from dataclasses import dataclass

from voice.responses.events import ServerEvent
from voice.server.backend import Piece, Prompt
from voice.server.lanes import Kept, Settled

# ── events ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A text message arrived."""

    message: str | bytes


@dataclass(frozen=True, slots=True)
class PieceProduced:
    """The backend went on with a response."""

    response_id: str
    piece: Piece


@dataclass(frozen=True, slots=True)
class BackendFailed:
    """The backend gave a response up; `code` is one of the published `ResponseError` codes."""

    response_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """The store was asked for a response; `settled` is None where it has none of this id."""

    response_id: str
    settled: Settled | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """A stored response was deleted, by whomever: nothing continues from it any more."""

    response_id: str


Event = MessageReceived | PieceProduced | BackendFailed | Fetched | Deleted

# ── actions ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Send:
    """Send this event."""

    event: ServerEvent


@dataclass(frozen=True, slots=True)
class SendText:
    """Send this message, which is no event."""

    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """Let the backend answer, or (`generate` false) only prepare to."""

    response_id: str
    prompt: Prompt
    generate: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Nobody waits for this response any more."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask the store for this response; `Fetched` is the answer, and a lane waits for it."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Put a response into the store, before what is sent after this."""

    kept: Kept


@dataclass(frozen=True, slots=True)
class Close:
    """Send what is to be sent, then end the connection with this close code."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reset:
    """Send what is to be sent, then end the TCP connection without a goodbye."""


@dataclass(frozen=True, slots=True)
class FallSilent:
    """Send what is to be sent, then neither read nor write, but keep the TCP connection."""


Action = Send | SendText | Start | Stop | Fetch | Keep | Close | Reset | FallSilent
