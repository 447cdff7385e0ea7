"""What a connection keeps: its lanes, the responses that run in them, and those that have ended."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from voice.server.backend import Fault, Item
from voice.server.steering import Steering
from voice.server.writer import ResponseWriter


@dataclass(frozen=True, slots=True)
class Settled:
    """A finished response, with the whole conversation up to its end."""

    id: str
    history: tuple[Item, ...]


class ResponseStore(OrderedDict[str, Settled]):
    """Responses with `store: true`, shared by the connections; the oldest are forgotten."""

    def __init__(self, limit: int = 1000) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: str, value: Settled) -> None:
        super().__setitem__(key, value)
        if len(self) > self._limit:
            self.popitem(last=False)


@dataclass(slots=True)
class Running:
    """A response under way."""

    writer: ResponseWriter
    history: tuple[Item, ...]
    fault: Fault | None = None
    """What is still to go wrong with it."""
    stalled: bool = False
    """It went wrong: nothing more is said about it, and its lane is not given back."""
    steerings: list[Steering] = field(default_factory=list)

    def reaches_end(self) -> bool:
        """Whether its last event, which has just been written, comes before its fault."""
        fault = self.fault
        if fault is None or fault.kind == "garbage":
            return True
        return fault.after >= self.writer.next_number


@dataclass(slots=True)
class Waiting:
    """A lane's latest response, which ended with calls whose outputs have not arrived."""

    writer: ResponseWriter
    steerings: list[Steering]


@dataclass(slots=True)
class Lane:
    """Where responses run one after the other."""

    name: str | None
    running: Running | None = None
    settled: Settled | None = None
    waiting: Waiting | None = None

    def holds(self, response_id: str | None) -> bool:
        """Whether this is the lane's latest finished response."""
        return self.settled is not None and self.settled.id == response_id

    def target(self, response_id: str) -> Running | Waiting | None:
        """The response, if it can still be steered."""
        if self.running and self.running.writer.id == response_id:
            return self.running
        return self.waiting if self.holds(response_id) else None
