"""What becomes of a request: what the way to the server tells whoever asked."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from voice.responses.conversation import Node
from voice.responses.events import FunctionCall
from voice.responses.lanes import Exchange
from voice.responses.recovery import Cure


class Wrote(Struct, frozen=True):
    """More of the response's text. It comes in thousands: a struct is made six times as fast."""

    exchange: Exchange
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The response is complete: the conversation reached `node`, and these tools are called."""

    exchange: Exchange
    node: Node
    calls: list[FunctionCall]
    text: str
    successor: Exchange | None
    """What follows by itself on the steered response; its node is not known here."""


@dataclass(frozen=True, slots=True)
class Read:
    """Input that was sent ahead has been read."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Broke:
    """There is no result, and `cure` would help."""

    exchange: Exchange
    reason: str
    cure: Cure


@dataclass(frozen=True, slots=True)
class Steered:
    """The server took the words that were put into the response, or refused them."""

    exchange: Exchange
    accepted: bool
    reason: str = ""


Outcome = Wrote | Ended | Read | Broke | Steered
