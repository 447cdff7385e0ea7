"""What must be true of all that the server says, whatever it was told."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from tests.support.fuzzing.messages import MARK
from tests.unit.server.protocol_client import OFFICIAL
from voice.responses.events import decode_server_event
from voice.server.lanes import IN_FLIGHT_LIMIT, LANE_LIMIT

_ENDS: Final = ("response.completed", "response.incomplete", "response.failed")
_SAMPLE: Final = 64
"""One of so many events is held against the published types, which takes long."""

_BLANK_ECHOES: Final = {
    "tools": [],
    "tool_choice": "auto",
    "text": {"format": {"type": "text"}},
    "reasoning": None,
}
"""What a response says of its request, which the client may have filled with anything."""


class Broken(AssertionError):  # noqa: N818 (says what happened)
    """The server said what it must not say, or did not say what it must."""


def expect(condition: object, problem: str, *about: Any) -> None:
    """Raises `Broken`."""
    if not condition:
        raise Broken(f"{problem}: {' | '.join(str(one)[:600] for one in about)}")


@dataclass
class Record:
    """A response as its client saw it."""

    id: str
    client: int
    lane: str | None
    marks: frozenset[str]
    """Those that it may know of."""
    heirs: frozenset[str]
    """Those of them that what continues it may know of, besides what it says."""
    stored: bool
    number: int = 0
    """Of the request; 0 where that was distorted."""
    steered: set[str] = field(default_factory=set)
    """Marks of what may steer it."""
    said: set[str] = field(default_factory=set)
    """Marks in the words and calls of its answer, which count as its own."""
    events: int = 0
    end: str = ""
    """How it ended: the type of the event, with the reason where it is incomplete."""

    @property
    def settled(self) -> bool:
        """Whether it ended so that it can be continued."""
        return self.end in ("response.completed", "steered", "max_output_tokens")


@dataclass
class Ledger:
    """All responses of all clients, and how often which kinds of things happened."""

    responses: dict[str, Record] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    """What the references of messages stand for."""
    counts: Counter[str] = field(default_factory=Counter)
    deleted: set[str] = field(default_factory=set)


class Observer:
    """Watches one WebSocket connection of `client`: what it sends, and what comes.

    With `others_at_once` other connections are read at the same time, so nobody knows whether
    their responses had ended when something happened on this one.
    """

    def __init__(self, client: int, ledger: Ledger, others_at_once: bool = False) -> None:
        self._client, self._ledger = client, ledger
        self._others_at_once = others_at_once
        self._asked = self._answered = 0
        self._marks: dict[int, set[str]] = {}
        self._own: set[str] = set()
        self._mine: set[str] = set()
        """The responses of this connection."""
        self._current: dict[str | None, Record] = {}
        self._latest: dict[str | None, str] = {}
        self._lanes: set[str] = set()
        self._queues: dict[str | None, deque[int]] = {}
        """The numbers of the requests in a lane, as they were sent."""
        self._steered: dict[str | None, str] = {}
        """By lane, what was steered and has no successor yet."""

    @property
    def idle(self) -> bool:
        """Whether all that was asked is answered."""
        return not self._current and not self._steered and self._answered == self._asked

    @property
    def state(self) -> str:
        """What is still to come."""
        running = [record.id for record in self._current.values()]
        return (
            f"client {self._client}: {self._answered} of {self._asked} messages answered, "
            f"running: {running}"
        )

    # ── what is sent ─────────────────────────────────────────────────────────────────────────

    def sent(self, message: str | bytes) -> None:
        """A message was sent, with its references resolved."""
        text = message if isinstance(message, str) else message.decode("latin-1")
        marks = set(MARK.findall(text))
        self._own |= marks
        self._ledger.counts["messages"] += 1
        kind, fields = _kind(message)
        if kind == "response.cancel":
            return
        self._asked += 1
        if kind == "response.steer":
            target = self._ledger.responses.get(str(fields.get("previous_response_id")))
            if target and target.client == self._client:
                target.steered |= marks
        elif number := _number(fields):
            lane = fields.get("stream_id")
            self._marks.setdefault(number, set()).update(marks)
            self._queues.setdefault(str(lane), deque()).append(number)

    # ── what comes ───────────────────────────────────────────────────────────────────────────

    def got(self, text: str) -> None:
        """An event came. Raises `Broken`."""
        counts = self._ledger.counts
        counts["events"] += 1
        try:
            expect(decode_server_event(text) is not None, "an unknown event", text)
            event = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise Broken(f"not an event ({error}): {text[:600]}") from None
        if counts["events"] % _SAMPLE == 0:
            _official(event)
        kind = event["type"]
        if kind == "error":
            self._error(event, text)
        elif kind.startswith("response.steer."):
            self._steering(event, text)
        elif kind == "response.created":
            self._created(event, text)
        else:
            self._further(event, kind, text)

    def _error(self, event: dict[str, Any], text: str) -> None:
        self._answer(text)
        error = event["error"]
        expect(400 <= event["status"] < 600 and error["message"], "an odd error", text)
        expect(error["code"] != "server_error", "the server failed", text)
        self._ledger.counts[f"error {error['code']}"] += 1
        self._knows(text, self._own)

    def _steering(self, event: dict[str, Any], text: str) -> None:
        kind, steer = event["type"], event["steer"]
        response = self._ledger.responses.get(steer["previous_response_id"])
        self._ledger.counts[kind] += 1
        if kind == "response.steer.accepted" or "id" not in steer:
            self._answer(text)
        if kind == "response.steer.failed":
            self._knows(text, self._own)
            return
        expect(response and response.client == self._client, "a steering of another's", text)
        assert response
        self._counted(response, event, text)

    def _created(self, event: dict[str, Any], text: str) -> None:
        raw, lane = event["response"], event.get("stream_id")
        expect(lane not in self._current, "two responses at once in a lane", text)
        if lane is not None:
            self._lanes.add(lane)
            expect(len(self._lanes) <= LANE_LIMIT, "too many lanes", text)
        parent_id = raw["previous_response_id"]
        parent = self._parent(parent_id, text)
        number = _number(raw)
        steered = self._steered.pop(lane, None)
        if steered is None:
            self._answer(text)
            self._in_turn(lane, number, text)
        else:
            expect(steered == parent_id, "the successor continues something else", steered, text)
        own = self._marks.get(number, set()) if number else self._own
        heirs = {mark for mark in own if mark.startswith("mark")}
        if parent:
            heirs |= parent.heirs | parent.said | parent.steered
        marks = frozenset(own | heirs | (parent.marks if parent and steered else set()))
        record = Record(
            id=raw["id"],
            client=self._client,
            lane=lane,
            marks=marks,
            heirs=frozenset(heirs),
            stored=raw["store"],
            number=number,
        )
        ledger = self._ledger
        expect(record.id not in ledger.responses, "an id that was used before", text)
        ledger.responses[record.id] = record
        self._mine.add(record.id)
        if number:
            ledger.ids[f"<<{self._client}:{number}>>"] = record.id
        ledger.counts["responses"] += 1
        self._current[lane] = record
        expect(len(self._current) <= IN_FLIGHT_LIMIT, "too many in flight", text)
        self._counted(record, event, text)

    def _answer(self, text: str) -> None:
        """One more message has its answer."""
        self._answered += 1
        expect(self._answered <= self._asked, "nobody asked for it", text)

    def _in_turn(self, lane: str | None, number: int, text: str) -> None:
        """A request's turn came; those before it in the lane were refused."""
        if number:
            queue = self._queues.get(str(lane), deque())
            expect(number in queue, "not in order", text)
            while queue.popleft() != number:
                pass

    def _parent(self, parent_id: str | None, text: str) -> Record | None:
        if parent_id is None:
            return None
        parent = self._ledger.responses.get(parent_id)
        expect(parent, "continues what there never was", text)
        assert parent
        mine = parent_id in self._latest.values()
        ended = parent.settled or (self._others_at_once and parent_id not in self._mine)
        stored = parent.stored and ended and parent_id not in self._ledger.deleted
        expect(mine or stored, "continues what is gone, or another's", vars(parent), text)
        return parent

    def _further(self, event: dict[str, Any], kind: str, text: str) -> None:
        lane = event.get("stream_id")
        record = self._current.get(lane)
        expect(record, "an event of no response", text)
        assert record
        self._counted(record, event, text)
        if kind.endswith(".delta"):
            record.said.update(MARK.findall(event["delta"]))
        if kind == "response.output_item.added" and event["item"]["type"] == "function_call":
            reference = f"<<call:{self._client}:{record.number}>>"
            self._ledger.ids[reference] = event["item"]["call_id"]
        if "response" in event:
            expect(event["response"]["id"] == record.id, "another response's event", text)
        if kind in _ENDS:
            self._ended(record, event, lane)

    def _ended(self, record: Record, event: dict[str, Any], lane: str | None) -> None:
        raw = event["response"]
        reason = (raw["incomplete_details"] or {}).get("reason") or ""
        record.end = "cancelled" if event["type"] == "response.incomplete" else event["type"]
        record.end = reason or record.end
        self._ledger.counts[record.end] += 1
        if raw["error"]:
            self._ledger.counts[f"failed {raw['error']['code']}"] += 1
        del self._current[lane]
        if record.settled:
            self._latest[lane] = record.id
        if reason == "steered":
            self._steered[lane] = record.id

    def _counted(self, record: Record, event: dict[str, Any], text: str) -> None:
        expect(event["sequence_number"] == record.events, "out of sequence", vars(record), text)
        expect(event.get("stream_id") == record.lane, "in another lane", vars(record), text)
        record.events += 1
        self._knows(text, record.marks | record.steered)

    def _knows(self, text: str, allowed: set[str] | frozenset[str]) -> None:
        strange = set(MARK.findall(text)) - allowed
        expect(not strange, "knows what it cannot know", strange, text)


def _official(event: dict[str, Any]) -> None:
    """Raises `Broken` where an event is not as published; what the client gave is its own."""
    event = dict(event)
    if event["type"] == "response.steer.failed":
        event["steer"] = {**event["steer"], "input": ""}
    if "response" in event:
        event["response"] = {**event["response"], **_BLANK_ECHOES}
    try:
        OFFICIAL[event["type"]].validate_python(event)
    except ValidationError as error:
        raise Broken(f"not as published ({error}): {str(event)[:600]}") from None


def _kind(message: str | bytes) -> tuple[Any, dict[str, Any]]:
    """What a message asks for, read as the server reads it."""
    try:
        raw = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None, {}
    return (raw.get("type"), raw) if isinstance(raw, dict) else (None, {})


def _number(fields: dict[str, Any]) -> int:
    """The number of a request or response; 0 where it was distorted."""
    metadata = fields.get("metadata")
    number = metadata.get("number") if isinstance(metadata, dict) else None
    written = isinstance(number, str) and number.isdecimal() and len(number) < 10
    return int(number) if written else 0
