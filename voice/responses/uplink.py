"""The way to the server: requests for nodes of the conversation, and what becomes of them.

It knows connections, lanes and limits, and nothing of turns: an exchange is asked for, and ends
once, as `Ended` or as `Broke`. What the server keeps of it is remembered here (`lanes`), so that
the next request sends only what is new, and a connection that is opened is let read what there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from voice.responses.conversation import Node, input_items
from voice.responses.events import (
    Completed,
    Created,
    FunctionCall,
    Incomplete,
    InProgress,
    InputItem,
    InputMessage,
    OutputItem,
    OutputItemDone,
    OutputMessage,
    OutputText,
    OutputTextDelta,
    ResponseCancel,
    ResponseSteer,
    ServerEvent,
    SteerAccepted,
    SteerFailed,
    output_items,
)
from voice.responses.lanes import Exchange, Head, Purpose
from voice.responses.links import Link, Links
from voice.responses.options import AgentOptions
from voice.responses.outcomes import Broke, Ended, Outcome, Read, Steered, Wrote
from voice.responses.recovery import Cure, Failure, failure
from voice.responses.requests import Requests
from voice.responses.signals import (
    Action,
    Arrived,
    CloseLink,
    Lost,
    Noted,
    Opened,
    OpenFailed,
    Send,
)

MOST_IN_FLIGHT = 12
"""Responses that may run before nothing is begun that nobody asked for: a connection allows 16."""

PRIME_SECONDS = 10.0
"""A server that has twice not answered `generate: false` by then does not understand it."""


Event = Opened | OpenFailed | Lost | Arrived


class Uplink:
    """Sends requests over whatever connection there is."""

    def __init__(self, options: AgentOptions, requests: Requests, links: Links) -> None:
        self._options = options
        self._requests = requests
        self._links = links
        self._stored: Head | None = None
        self._ahead = requests.features.ahead and options.input != "off"
        self._unread = 0
        self.not_before = 0.0
        """The server wants no request earlier (seconds)."""

        self.lost_reason = ""
        """Why there is no connection; "" also before the first one."""

    # ── what there is ────────────────────────────────────────────────────────────────────

    @property
    def links(self) -> list[Link]:
        """The connections in use; requests go to the first."""
        return [link for link in (self._links.active, self._links.successor) if link]

    @property
    def connected(self) -> bool:
        """Whether requests can be sent."""
        return self._links.active is not None

    @property
    def lost_at(self) -> float:
        """Since when there has been no connection; 0 where there is one."""
        return self._links.lost_at or 0.0

    @property
    def primed(self) -> bool:
        """Whether the server has read what there was when the connection was opened."""
        return self._links.active is not None and self._links.active.primed

    @property
    def roomy(self) -> bool:
        """Whether a request that nobody waits for may be sent."""
        link = self._links.active
        return link is not None and len(link.lanes.running) < MOST_IN_FLIGHT

    @property
    def feeds(self) -> bool:
        """Whether the server reads words ahead."""
        return self.roomy and self.primed and self.links[0].feeds

    @property
    def busy(self) -> bool:
        """Whether the server owes anything that is waited for."""
        return any(not e.abandoned for link in self.links for e in link.lanes.running)

    def absence(self, now: float) -> str:
        """Why nothing can be sent (`now` in seconds)."""
        if self.connected:
            return f"the server asks to wait {max(0.0, self.not_before - now):.0f} s"
        return self.lost_reason or "the server is not there"

    def hurry(self, now: float) -> None:
        """Somebody waits for an answer: do not wait longer with the next try to connect."""
        self._links.hurry(now)

    # ── requests ─────────────────────────────────────────────────────────────────────────

    def send(
        self, purpose: Purpose, turn: int, node: Node, keep: Sequence[Node], now: float
    ) -> tuple[Exchange, list[Action]]:
        """Ask for the response to `node`, while the nodes in `keep` stay where they are."""
        link = self._links.active
        assert link is not None, "there is no connection"
        return self._send(link, Exchange(purpose, turn, node, now=now), keep)

    def _send(
        self, link: Link, exchange: Exchange, keep: Sequence[Node]
    ) -> tuple[Exchange, list[Action]]:
        parent = link.lanes.nearest(exchange.node) if link.chains else None
        exchange.lane = link.lanes.choose(parent, keep)
        exchange.parent = parent or self._stored_parent(exchange.node)
        request = self._requests.make(exchange)
        link.lanes.send(exchange)
        fields = {
            "lane": exchange.lane,
            "items": len(request.input),
            "characters": _characters(request.input),
            "chained": exchange.parent is not None,
        }
        if exchange.purpose == "answer":
            note = Noted("request.sent", exchange.turn, fields)
        else:
            note = Noted("input.sent", exchange.turn, {"purpose": exchange.purpose, **fields})
        return exchange, [note, Send(link.number, request)]

    def _stored_parent(self, node: Node) -> Head | None:
        """With `store: true` the server has the last response on any connection."""
        stored = self._stored
        return stored if stored and stored.node in node.lineage() else None

    def abandon(self, exchange: Exchange) -> list[Action]:
        """Nobody waits for it any more. The cancel is a courtesy, and needs the response's id."""
        exchange.abandoned = True
        link = self._link_of(exchange)
        if link is None or not link.cancels or not exchange.response_id:
            return []
        return [Send(link.number, ResponseCancel(response_id=exchange.response_id))]

    def steer(self, exchange: Exchange, words: InputMessage) -> list[Action]:
        """Put the user's words into a response that runs."""
        link = self._link_of(exchange)
        if link is None:
            return []
        steer = ResponseSteer(previous_response_id=exchange.response_id, input=[words])
        return [Send(link.number, steer)]

    def rename(self, old: Node, new: Node) -> None:
        """Both nodes are the same conversation; from now on it is called `new`."""
        for link in self.links:
            link.lanes.rename(old, new)
        if self._stored and self._stored.node is old:
            self._stored = Head(new, self._stored.response_id, "")

    def _link_of(self, exchange: Exchange) -> Link | None:
        return next((link for link in self.links if exchange in link.lanes.running), None)

    # ── what happens ─────────────────────────────────────────────────────────────────────

    def receive(self, event: Event, now: float) -> list[Action | Outcome]:
        """Act on what happened to the connections."""
        if isinstance(event, Arrived):
            link = self._links.get(event.link)
            return self._arrive(link, event.event, now) if link else []
        match event:
            case Opened():
                return self._open(event, now)
            case OpenFailed(number, reason):
                self.lost_reason = reason
                self._links.failed(number, now)
                return []
            case Lost(number, reason):
                link = self._links.get(number)
                return self._lose(link, reason, now) if link else []

    def timeout(self, now: float) -> list[Action | Outcome]:
        """Give up what has sent nothing for too long."""
        actions: list[Action | Outcome] = []
        for link in self.links:
            for exchange in link.lanes.running:
                if now >= self._stalls_at(exchange) and self._links.get(link.number):
                    actions += self._stall(link, exchange, now)
        return actions

    def deadline(self) -> float | None:
        """When `timeout` or `turn_over` wants to be called."""
        times = [self._stalls_at(e) for link in self.links for e in link.lanes.running]
        if (opens_at := self._links.deadline()) is not None:
            times.append(opens_at)
        return min(times, default=None)

    def turn_over(self, settled: Node, now: float, *, idle: bool) -> list[Action]:
        """Open and replace connections, and let a new one read the conversation."""
        actions: list[Action] = []
        for action in self._links.turn_over(now, idle=idle):
            if isinstance(action, CloseLink):
                actions.append(Noted("connection.rotated"))
            actions.append(action)
        for link in self.links:
            if link.primed or link.lanes.running:
                continue
            if idle or link is not self._links.active:
                actions += self._send(link, Exchange("prime", 0, settled, now=now), [])[1]
            else:
                link.primed = True  # the request that is due brings everything along
        return actions

    def _open(self, opened: Opened, now: float) -> list[Action | Outcome]:
        lost_at = self._links.lost_at
        chains = opened.remembers and self._requests.features.chaining
        feeds = self._ahead and chains
        cancels = self._requests.features.cancel or not opened.remembers  # HTTP: it just closes
        link = self._links.opened(Link(opened.link, now, chains, feeds, cancels))
        if link is None:
            return [CloseLink(opened.link)]
        if not self.lost_reason or lost_at is None:
            return []
        self.lost_reason = ""
        return [Noted("connection.recovered", 0, {"seconds": round(now - lost_at, 3)})]

    def _lose(self, link: Link, reason: str, now: float) -> list[Action | Outcome]:
        actions: list[Action | Outcome] = []
        if link is self._links.active:
            actions.append(Noted("connection.lost", 0, {"reason": reason}))
        self._links.lost(link, now)
        if not self.connected:
            self.lost_reason = reason
        elif actions:
            actions.append(Noted("connection.recovered", 0, {"seconds": 0.0}))
        return actions + [Broke(e, reason, Cure.RECONNECT) for e in link.lanes.running]

    def _stalls_at(self, exchange: Exchange) -> float:
        seconds = self._options.stall_seconds
        if exchange.purpose == "prime" and not (exchange.started or exchange.abandoned):
            seconds = min(seconds, PRIME_SECONDS)
        return exchange.now + seconds

    def _stall(self, link: Link, exchange: Exchange, now: float) -> list[Action | Outcome]:
        if exchange.abandoned:
            exchange.now = now
            link.worn = True  # that lane will hardly ever be free again
            return []
        if exchange.purpose == "prime" and not exchange.started:
            exchange.now, exchange.abandoned = now, True  # its lane is its own: it may come late
            self._unread += 1
            reason = "the server does not answer to `generate: false`"
            return self._stop_feeding(link, reason, for_good=self._unread > 1)
        reason = f"the server sent nothing for {now - exchange.now:.0f} s"
        return [CloseLink(link.number), *self._lose(link, reason, now)]

    def _arrive(  # noqa: PLR0911
        self, link: Link, event: ServerEvent, now: float
    ) -> list[Action | Outcome]:
        exchange = link.lanes.owner(event)
        if exchange is None:
            return self._hear_of_link(link, event, now)
        exchange.now = now
        match event:
            case OutputTextDelta():
                if exchange.abandoned or not event.delta:
                    return []  # a server that ignores the cancel may write on for ever
                exchange.text += event.delta
                return [Wrote(exchange, event.delta)]
            case Created():
                exchange.response_id, exchange.started = event.response.id, True
                return [*self.abandon(exchange)] if exchange.abandoned else []
            case InProgress():
                exchange.started = True
            case OutputItemDone():
                exchange.output += output_items([event.item])
            case Completed() | Incomplete():
                return self._complete(link, exchange, event)
            case SteerAccepted():
                exchange.steered = True
                return [Steered(exchange, True)]
            case SteerFailed():
                return self._refuse_steering(link, exchange, event)
            case _ if found := failure(event):
                link.lanes.end(exchange)
                return self._refuse(link, exchange, found, now)
        return []

    def _refuse_steering(
        self, link: Link, exchange: Exchange, event: SteerFailed
    ) -> list[Action | Outcome]:
        reason = str(event.error.code or event.error.message)
        if exchange.follows and not exchange.started:
            link.lanes.end(exchange)
            return [Broke(exchange, reason, Cure.RESEND)]
        exchange.steered = False
        return [Steered(exchange, False, reason)]

    def _hear_of_link(self, link: Link, event: ServerEvent, now: float) -> list[Action | Outcome]:
        """An error that answers no request: a limit of the connection, or nothing of ours."""
        if not (found := failure(event)):
            return []
        note = Noted("server.reported", 0, {"reason": found.reason})
        return [note, *self._leave(link, found, now)]

    def _leave(self, link: Link, found: Failure, now: float) -> list[Action | Outcome]:
        """Leave a connection that has reached one of its limits."""
        if found.cure is not Cure.RECONNECT:
            return []
        return [CloseLink(link.number), *self._lose(link, found.reason, now)]

    def _complete(
        self, link: Link, exchange: Exchange, event: Completed | Incomplete
    ) -> list[Action | Outcome]:
        response = event.response
        output = output_items(response.output) or exchange.output or _message(exchange.text)
        output = _without_repeated_calls(output)
        exchange.output = output
        exchange.response_id = exchange.response_id or response.id
        if exchange.purpose != "answer":
            return self._end_read(link, exchange, event)
        self._links.proved()
        tokens = response.usage.total_tokens if response.usage else 0
        node = exchange.node.child(input_items(output), tokens)
        wanted = not exchange.abandoned
        link.lanes.end(exchange, node if wanted and link.chains else None)
        if wanted and self._options.store and exchange.response_id:
            self._stored = Head(node, exchange.response_id, "")
        calls = [item for item in output if isinstance(item, FunctionCall)]
        successor = _successor(exchange) if exchange.steered and not calls else None
        if successor:
            link.lanes.follow(successor)
        return [Ended(exchange, node, calls, _text(output), successor)]

    def _end_read(
        self, link: Link, exchange: Exchange, event: Completed | Incomplete
    ) -> list[Action | Outcome]:
        link.primed = True
        self._links.proved()
        if exchange.output:
            link.lanes.end(exchange)
            return self._stop_feeding(link, "the server answers what it is only to read")
        link.lanes.end(exchange, exchange.node)
        self._unread = 0
        usage = event.response.usage
        fields = {
            "purpose": exchange.purpose,
            "tokens": usage.input_tokens if usage else None,
            "new_tokens": usage.input_tokens - usage.input_tokens_details.cached_tokens
            if usage
            else None,
        }
        return [Noted("input.read", exchange.turn, fields), Read(exchange)]

    def _stop_feeding(
        self, link: Link, reason: str, *, for_good: bool = True
    ) -> list[Action | Outcome]:
        """Send nothing ahead on this connection any more, or (`for_good`) on any."""
        self._ahead = self._ahead and not for_good
        link.feeds, link.primed = False, True
        return [Noted("input.refused", 0, {"reason": reason})]

    def _refuse(
        self, link: Link, exchange: Exchange, found: Failure, now: float
    ) -> list[Action | Outcome]:
        """The server ended a response with an error, or never began it."""
        if exchange.parent and found.cure is Cure.RESEND:  # another error leaves it where it rests
            link.lanes.forget(exchange.parent)
            self._stored = None
        if found.retry_after_seconds is not None:
            self.not_before = max(self.not_before, now + found.retry_after_seconds)
        actions: list[Action | Outcome] = []
        if exchange.purpose == "prime":
            link.primed = True
        if exchange.purpose != "answer" and found.cure is Cure.NONE:
            actions += self._stop_feeding(link, found.reason)
        broke = Broke(exchange, found.reason, found.cure)
        return [*actions, broke, *self._leave(link, found, now)]


def _successor(exchange: Exchange) -> Exchange:
    """The response with which the server goes on by itself; after calls it waits instead."""
    return Exchange(
        "answer",
        exchange.turn,
        exchange.node,
        exchange.lane,
        now=exchange.now,
        abandoned=exchange.abandoned,
        follows=True,
    )


def _without_repeated_calls(output: Sequence[OutputItem]) -> list[OutputItem]:
    """A call that comes twice under one id is one call: it has one output, and acts once."""
    seen: set[str] = set()
    kept: list[OutputItem] = []
    for item in output:
        if isinstance(item, FunctionCall):
            if item.call_id in seen:
                continue
            seen.add(item.call_id)
        kept.append(item)
    return kept


def _message(text: str) -> list[OutputItem]:
    return [OutputMessage(content=[OutputText(text=text)])] if text else []


def _text(output: Sequence[OutputItem]) -> str:
    return "".join(item.text for item in output if isinstance(item, OutputMessage))


def _characters(items: Sequence[InputItem]) -> int:
    return sum(len(item.content) for item in items if isinstance(item, InputMessage))
