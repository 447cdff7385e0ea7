"""The lanes of one connection: what runs where, and which responses the server still has.

Theory. A lane is first in, first out, and with `store: false` the server keeps only its latest
response. So a node of the conversation is cached where a lane's `head` stands for it, until the
next request is sent on that lane. A lane therefore rests while anything may still fork from its
head: the caller names those nodes (`keep`). The settled node is always one of them, and whatever
is under way descends from it, so a fork also finds its parent when it starts late. An abandoned
response runs on for a while; its lane is avoided until it ends, and nothing waits for it. A
response that still runs can be continued on its own lane only, where the continuation queues
behind it.

Eight names serve for ever, below the 16 responses in flight and far below the 32 names that a
connection allows: one rests under the settled node, one takes words while they are spoken, one
answers, and the others may be running dry.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from voice.responses.conversation import Node
from voice.responses.events import Created, ErrorEvent, OutputItem, Response, ServerEvent

NAMES = tuple(f"voice-{number}" for number in range(8))

Purpose = Literal["prime", "draft", "answer"]
"""`prime`: let the server read what there is; `draft`: words while they are spoken."""


@dataclass(frozen=True, slots=True)
class Head:
    """The response that stands for `node` on the server."""

    node: Node
    response_id: str
    lane: str
    running: bool = False
    """It has not ended yet: it can be continued on its own lane only."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and what is known of the response to it."""

    purpose: Purpose
    turn: int
    node: Node
    """The conversation that the response answers to."""

    lane: str = ""
    parent: Head | None = None
    now: float = 0.0
    """When anything of it was last sent or received, in seconds."""

    response_id: str = ""
    started: bool = False
    abandoned: bool = False
    steered: bool = False
    """The server took words for it: another response follows it on its lane by itself."""

    compacts: bool = False
    """The server may make the conversation short for it."""

    follows: bool = False
    """It is such a response: nobody asked for it with a request of its own."""

    text: str = ""
    output: list[OutputItem] = field(default_factory=list)


@dataclass(slots=True)
class _Lane:
    queue: deque[Exchange] = field(default_factory=deque)
    head: Head | None = None


class Lanes:
    """Bookkeeping of one connection."""

    def __init__(self) -> None:
        self._lanes = {name: _Lane() for name in NAMES}
        self._sent: list[Exchange] = []
        self._last = NAMES[-1]

    @property
    def running(self) -> list[Exchange]:
        """The exchanges that have not ended, abandoned ones too."""
        return [exchange for lane in self._lanes.values() for exchange in lane.queue]

    def nearest(self, node: Node) -> Head | None:
        """The nearest ancestor of `node` (or itself) that the server has."""
        heads = {lane.head.node: lane.head for lane in self._lanes.values() if lane.head}
        for lane in self._lanes.values():
            last = lane.queue[-1] if lane.queue else None
            if last and last.response_id and not last.abandoned and last.purpose != "answer":
                heads[last.node] = Head(last.node, last.response_id, last.lane, running=True)
        return next((heads[one] for one in node.lineage() if one in heads), None)

    def choose(self, parent: Head | None, keep: Iterable[Node]) -> str:
        """The lane for a response that continues `parent`, while the nodes in `keep` stay."""
        resting = {head.lane for node in keep if (head := self.nearest(node))}
        if parent and (parent.running or parent.lane not in resting):
            return parent.lane
        after = NAMES.index(self._last) + 1
        free = [name for name in (*NAMES[after:], *NAMES[:after]) if name not in resting]
        assert free, "more nodes are kept than there are lanes"
        self._last = min(free, key=lambda name: len(self._lanes[name].queue))
        return self._last

    def send(self, exchange: Exchange) -> None:
        """The request goes out: its lane keeps its head no longer."""
        lane = self._lanes[exchange.lane]
        lane.head = None
        lane.queue.append(exchange)
        self._sent.append(exchange)

    def follow(self, exchange: Exchange) -> None:
        """The server goes on by itself on a lane, before anything that waits there."""
        lane = self._lanes[exchange.lane]
        lane.head = None
        lane.queue.appendleft(exchange)
        self._sent.insert(0, exchange)

    def owner(self, event: ServerEvent) -> Exchange | None:
        """The exchange that an event belongs to; some servers leave the lane out."""
        if not isinstance(event.stream_id, str):
            return _in_order(self._sent, event) if self._sent else None
        lane = self._lanes.get(event.stream_id)
        queue: Sequence[Exchange] = lane.queue if lane else ()
        if len(queue) < 2:
            return queue[0] if queue else None
        return _of_several(queue, event)

    def end(self, exchange: Exchange, node: Node | None = None) -> None:
        """The response ended; `node`: what it stands for, if one may go on from it."""
        lane = self._lanes[exchange.lane]
        lane.queue.remove(exchange)
        self._sent.remove(exchange)
        if node is not None and exchange.response_id and not lane.queue:
            lane.head = Head(node, exchange.response_id, exchange.lane)

    def rename(self, old: Node, new: Node) -> None:
        """Both nodes are the same conversation; from now on it is called `new`."""
        for lane in self._lanes.values():
            if lane.head and lane.head.node is old:
                lane.head = Head(new, lane.head.response_id, lane.head.lane)

    def forget(self, head: Head) -> None:
        """The server does not have it any more."""
        for lane in self._lanes.values():
            if lane.head and lane.head.response_id == head.response_id:
                lane.head = None


def _in_order(sent: Sequence[Exchange], event: ServerEvent) -> Exchange:
    """Who does not name lanes writes one response after the other, abandoned ones too."""
    response: Response | None = getattr(event, "response", None)
    if response is not None and response.id:
        for exchange in sent:
            if exchange.response_id == response.id:
                return exchange
    if isinstance(event, Created):
        return next((e for e in sent if not e.started), sent[-1])
    if isinstance(event, ErrorEvent):  # it may refuse what was sent while another one runs
        for exchange in reversed(sent):
            if not (exchange.started or exchange.abandoned):
                return exchange
    return next((e for e in reversed(sent) if e.started), sent[0])


def _of_several(queue: Sequence[Exchange], event: ServerEvent) -> Exchange:
    """An event that names no response is the first one's, but an error may refuse a later one."""
    if isinstance(event, ErrorEvent):
        return next((e for e in reversed(queue) if not e.response_id), queue[0])
    response: Response | None = getattr(event, "response", None)
    if response is None:
        return queue[0]
    named = (e for e in queue if e.response_id == response.id)
    return next(named, next((e for e in queue if not e.response_id), queue[0]))
