"""The Responses API in WebSocket mode, for one connection: what arrives in, what to do out.

Pure: no socket, no model, no clock. The driver tells it what was received and what the backend
produced, and performs the actions.

    lane      where a response runs; first in, first out; the unnamed lane is `None`
    settled   the latest response of a lane, kept for `previous_response_id`
    in flight running in any lane; what exceeds a limit waits in order of arrival
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from voice.responses.events import ErrorEvent, ServerEvent
from voice.server.backend import (
    Call,
    CallOutput,
    Finished,
    Item,
    Prompt,
    TextDelta,
    ToolCall,
)
from voice.server.requests import CancelRequest, CreateRequest, Refused, parse
from voice.server.writer import NewId, ResponseWriter

IN_FLIGHT_LIMIT: Final = 16
"""Responses that run at the same time on a connection (the WebSocket mode guide)."""

LANE_LIMIT: Final = 32
"""Lane names in the life of a connection; they are never given back (the same guide)."""

QUEUE_LIMIT: Final = 256
"""Requests that wait; ours, so that one connection cannot fill the memory."""

# ── events ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A text message arrived."""

    message: str | bytes


@dataclass(frozen=True, slots=True)
class PieceProduced:
    """The backend went on with a response."""

    response_id: str
    piece: TextDelta | ToolCall | Finished


@dataclass(frozen=True, slots=True)
class BackendFailed:
    """The backend gave a response up; `code` is one of the published `ResponseError` codes."""

    response_id: str
    code: str
    message: str


Event = MessageReceived | PieceProduced | BackendFailed

# ── actions ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Send:
    """Send this event."""

    event: ServerEvent


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


Action = Send | Start | Stop

# ── state ────────────────────────────────────────────────────────────────────────────────────


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
class _Lane:
    running: str | None = None
    settled: Settled | None = None


@dataclass(frozen=True, slots=True)
class _Running:
    writer: ResponseWriter
    history: tuple[Item, ...]


class Connection:
    """The machine. `unix_offset_seconds` makes Unix time of `now`, for `created_at`."""

    def __init__(
        self,
        model: str,
        new_id: NewId,
        store: MutableMapping[str, Settled],
        unix_offset_seconds: float = 0.0,
    ) -> None:
        self._model = model
        self._new_id = new_id
        self._store = store
        self._unix_offset_seconds = unix_offset_seconds
        self._lanes: dict[str | None, _Lane] = {None: _Lane()}
        self._running: dict[str, _Running] = {}
        self._queue: list[CreateRequest] = []

    def receive(self, event: Event, now: float) -> list[Action]:
        """Take in what happened at `now` (seconds) and say what to do."""
        unix_now = now + self._unix_offset_seconds
        if isinstance(event, MessageReceived):
            actions = self._message(event.message)
        elif isinstance(event, PieceProduced):
            actions = self._piece(event.response_id, event.piece, unix_now)
        else:
            actions = self._failed(event)
        return actions + self._start_what_can(unix_now)

    def timeout(self, now: float) -> list[Action]:
        """Nothing here waits for time."""
        return []

    def deadline(self) -> float | None:
        """Nothing here waits for time."""
        return None

    # ── what the client wants ────────────────────────────────────────────────────────────────

    def _message(self, message: str | bytes) -> list[Action]:
        try:
            request = parse(message)
            if isinstance(request, CreateRequest):
                self._enqueue(request)
        except Refused as refusal:
            return self._refuse(refusal)
        return self._cancel(request) if isinstance(request, CancelRequest) else []

    def _enqueue(self, request: CreateRequest) -> None:
        refusal = None
        if request.stream_id not in self._lanes and len(self._lanes) > LANE_LIMIT:
            refusal = Refused(
                f"This connection has used its {LANE_LIMIT} stream_ids; reuse one of them.",
                "websocket_stream_limit_reached",
                "stream_id",
            )
        elif len(self._queue) >= QUEUE_LIMIT:
            refusal = Refused(
                f"{QUEUE_LIMIT} requests are waiting already.", "rate_limit_exceeded", status=429
            )
        if refusal:
            refusal.stream_id, refusal.parent_id = request.stream_id, request.parent_id
            raise refusal
        self._lanes.setdefault(request.stream_id, _Lane())
        self._queue.append(request)

    def _cancel(self, request: CancelRequest) -> list[Action]:
        """An unknown or late cancel gets no answer: clients would take it for another one's."""
        running = self._take(request.response_id)
        if running is None:
            return []
        return [Stop(request.response_id), *_sends(running.writer.cancel())]

    def _refuse(self, refusal: Refused) -> list[Action]:
        """A failed continuation evicts its parent, but only from the lane it failed in."""
        lane = self._lanes.get(refusal.stream_id)
        if lane and lane.settled and lane.settled.id == refusal.parent_id:
            lane.settled = None
        event = ErrorEvent(status=refusal.status, error=refusal.body)
        if refusal.stream_id is not None:
            event.stream_id = refusal.stream_id
        return [Send(event)]

    # ── starting ─────────────────────────────────────────────────────────────────────────────

    def _start_what_can(self, unix_now: float) -> list[Action]:
        actions: list[Action] = []
        waiting: list[CreateRequest] = []
        blocked: set[str | None] = set()  # lanes whose turn it is not, so that order is kept
        for request in self._queue:
            busy = self._lanes[request.stream_id].running is not None
            if busy or request.stream_id in blocked or len(self._running) >= IN_FLIGHT_LIMIT:
                blocked.add(request.stream_id)
                waiting.append(request)
                continue
            try:
                actions += self._start(request, unix_now)
            except Refused as refusal:
                refusal.stream_id, refusal.parent_id = request.stream_id, request.parent_id
                actions += self._refuse(refusal)
        self._queue = waiting
        return actions

    def _start(self, request: CreateRequest, unix_now: float) -> list[Action]:
        history = self._history(request.parent_id) + request.items
        _check_outputs(history)
        writer = ResponseWriter(request, self._model, self._new_id, unix_now)
        self._lanes[request.stream_id].running = writer.id
        self._running[writer.id] = _Running(writer, history)
        start = Start(writer.id, _prompt(request, history), request.generate)
        return [*_sends(writer.begin()), start]

    def _history(self, parent_id: str | None) -> tuple[Item, ...]:
        if parent_id is None:
            return ()
        for lane in self._lanes.values():
            if lane.settled and lane.settled.id == parent_id:
                return lane.settled.history
        stored = self._store.get(parent_id)
        if stored is None:
            raise Refused(
                f"Previous response with id '{parent_id}' not found.",
                "previous_response_not_found",
                "previous_response_id",
            )
        return stored.history

    # ── what the backend did ─────────────────────────────────────────────────────────────────

    def _piece(
        self, response_id: str, piece: TextDelta | ToolCall | Finished, unix_now: float
    ) -> list[Action]:
        running = self._running.get(response_id)
        if running is None:
            return []  # cancelled meanwhile
        if isinstance(piece, TextDelta):
            return _sends(running.writer.text(piece.text))
        if isinstance(piece, ToolCall):
            return _sends(running.writer.call(piece.name, piece.arguments))
        self._take(response_id)
        events = running.writer.complete(piece, unix_now)
        self._settle(running)
        return _sends(events)

    def _settle(self, running: _Running) -> None:
        writer = running.writer
        settled = Settled(writer.id, running.history + writer.items)
        self._lanes[writer.request.stream_id].settled = settled
        if writer.request.body.store is not False:
            self._store[settled.id] = settled

    def _failed(self, event: BackendFailed) -> list[Action]:
        running = self._take(event.response_id)
        if running is None:
            return []
        request = running.writer.request
        lane = self._lanes[request.stream_id]
        if lane.settled and lane.settled.id == request.parent_id:
            lane.settled = None
        return _sends(running.writer.fail(event.code, event.message))

    def _take(self, response_id: str) -> _Running | None:
        """End a response's running; its lane is free."""
        running = self._running.pop(response_id, None)
        if running:
            self._lanes[running.writer.request.stream_id].running = None
        return running


def _sends(events: list[ServerEvent]) -> list[Action]:
    return [Send(event) for event in events]


def _check_outputs(history: tuple[Item, ...]) -> None:
    called: set[str] = set()
    for item in history:
        if isinstance(item, Call):
            called.add(item.call_id)
        elif isinstance(item, CallOutput) and item.call_id not in called:
            raise Refused(
                f"No tool call found for function call output with call_id {item.call_id}.",
                "invalid_value",
                "input",
            )


def _prompt(request: CreateRequest, history: tuple[Item, ...]) -> Prompt:
    body = request.body
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Prompt(
        items=history,
        instructions=request.instructions,
        tools=request.tools,
        tool_choice=request.tool_choice,
        temperature=body.temperature,
        top_p=body.top_p,
        max_output_tokens=body.max_output_tokens,
        stop=stop,
        may_truncate=body.truncation != "disabled",
    )
