"""What a connection keeps: its lanes, what runs or waits in them, and what has ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from voice.responses.events import Response
from voice.server.backend import Fault, Item
from voice.server.compaction import Compaction, since_compaction
from voice.server.refusals import Refused
from voice.server.requests import CreateRequest
from voice.server.writer import ResponseWriter

IN_FLIGHT_LIMIT: Final = 16
"""Responses that run at the same time on a connection (the WebSocket mode guide)."""

LANE_LIMIT: Final = 32
"""Lane names in the life of a connection; they are never given back (the same guide)."""

QUEUE_LIMIT: Final = 256
"""Requests that wait; ours, so that one connection cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A finished response, with the conversation up to its end, from the last compaction on."""

    id: str
    history: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A finished response for the store, with all that it takes to continue from it.

    `before` is the conversation that its parent left, `given` what its request added to that, and
    `written` its output.
    """

    response: Response
    before: tuple[Item, ...]
    given: tuple[Item, ...]
    written: tuple[Item, ...]

    @property
    def settled(self) -> Settled:
        """What a continuation needs of it."""
        whole = self.before + self.given + self.written
        return Settled(self.response.id, since_compaction(whole))


@dataclass(frozen=True, slots=True)
class Steering:
    """Accepted words that wait for a successor of the response; `given` is how they came."""

    id: str
    response_id: str
    given: Any
    items: tuple[Item, ...]


def items_of(steerings: Iterable[Steering]) -> tuple[Item, ...]:
    """Their words, in the order in which they came."""
    return tuple(item for steering in steerings for item in steering.items)


@dataclass(slots=True)
class Running:
    """A response under way: `before` is what its parent left, `given` the input after that."""

    writer: ResponseWriter
    before: tuple[Item, ...]
    given: tuple[Item, ...]
    fault: Fault | None = None
    """What is still to go wrong with it."""
    stalled: bool = False
    """It went wrong: nothing more is said about it, and its lane is not given back."""
    steerings: list[Steering] = field(default_factory=list)
    compaction: Compaction | None = None
    """What comes before the answer, or instead of it."""

    @property
    def stored(self) -> bool:
        """Whether its end is to outlive the connection."""
        return self.writer.request.body.store is not False

    @property
    def history(self) -> tuple[Item, ...]:
        """The conversation so far, from the last compaction on."""
        return since_compaction(self.before + self.given + self.writer.items)

    @property
    def kept(self) -> Kept:
        """What is kept of it, once it has ended."""
        return Kept(self.writer.response, self.before, self.given, self.writer.items)

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
    fetching: CreateRequest | None = None
    """The request whose turn it is, while the store is asked for what it continues."""
    settled: Settled | None = None
    waiting: Waiting | None = None

    @property
    def busy(self) -> bool:
        """Whether the next request has to wait."""
        return self.running is not None or self.fetching is not None

    def holds(self, response_id: str | None) -> bool:
        """Whether this is the lane's latest finished response."""
        return self.settled is not None and self.settled.id == response_id

    def target(self, response_id: str) -> Running | Waiting | None:
        """The response, if it can still be steered."""
        if self.running and self.running.writer.id == response_id:
            return self.running
        return self.waiting if self.holds(response_id) else None


class Lanes:
    """The lanes of a connection, and the requests that wait for their turn."""

    def __init__(self) -> None:
        self._lanes: dict[str | None, Lane] = {None: Lane(None)}
        self._queue: list[CreateRequest] = []

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def __len__(self) -> int:
        return len(self._lanes)

    def named(self, name: str | None) -> Lane | None:
        """The lane, if it has been used."""
        return self._lanes.get(name)

    def of(self, request: CreateRequest) -> Lane:
        """The lane of a request that was taken in."""
        return self._lanes[request.stream_id]

    def running(self, response_id: str) -> Running | None:
        """A response that is under way."""
        found = (lane.running for lane in self if lane.running)
        return next((one for one in found if one.writer.id == response_id), None)

    def holding(self, response_id: str | None) -> Lane | None:
        """The lane whose latest finished response this is."""
        return next((lane for lane in self if lane.holds(response_id)), None)

    def add(self, request: CreateRequest) -> None:
        """Let a request wait for its turn. Raises `Refused` where a limit is reached."""
        if request.stream_id not in self._lanes and len(self) > LANE_LIMIT:
            raise Refused(
                f"This connection has used its {LANE_LIMIT} stream_ids; reuse one of them.",
                "websocket_stream_limit_reached",
                "stream_id",
            )
        if len(self._queue) >= QUEUE_LIMIT:
            raise Refused(
                f"{QUEUE_LIMIT} requests are waiting already.", "rate_limit_exceeded", status=429
            )
        self._lanes.setdefault(request.stream_id, Lane(request.stream_id))
        self._queue.append(request)

    def next(self) -> CreateRequest | None:
        """Take out the first request whose turn it is, if there is one."""
        if not self._queue or sum(lane.busy for lane in self) >= IN_FLIGHT_LIMIT:
            return None
        for n, request in enumerate(self._queue):
            if not self.of(request).busy:
                return self._queue.pop(n)
        return None
