"""The Responses API in WebSocket mode, for one connection: what arrives in, what to do out.

Pure: no socket, no model, no clock. The driver tells it what was received and what the backend
produced, performs the actions, and calls `timeout` when `deadline` has come.

    lane      where a response runs; first in, first out; the unnamed lane is `None`
    settled   the latest response of a lane, kept for `previous_response_id`
    in flight running in any lane; what exceeds a limit waits in order of arrival
    steered   ended early, and followed at once by a successor in the same lane
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from typing import Final

from msgspec import structs

from voice.responses.events import ErrorBody, ErrorEvent, ServerEvent, SteerFailed
from voice.server.backend import (
    Call,
    CallOutput,
    Fault,
    Faults,
    Finished,
    Item,
    Prompt,
    TextDelta,
    ToolCall,
)
from voice.server.faults import GOODBYES, MESSAGE, garbage
from voice.server.lanes import Lane, Running, Settled, Waiting
from voice.server.requests import CancelRequest, CreateRequest, Refused, SteerRequest, parse
from voice.server.signals import (
    Action,
    BackendFailed,
    Close,
    Event,
    MessageReceived,
    PieceProduced,
    Send,
    Start,
    Stop,
)
from voice.server.steering import (
    STEER_LIMIT,
    Steering,
    items_of,
    steer_accepted,
    steer_failed,
    steer_pending,
    steer_refused,
)
from voice.server.writer import NewId, ResponseWriter

IN_FLIGHT_LIMIT: Final = 16
"""Responses that run at the same time on a connection (the WebSocket mode guide)."""

LANE_LIMIT: Final = 32
"""Lane names in the life of a connection; they are never given back (the same guide)."""

QUEUE_LIMIT: Final = 256
"""Requests that wait; ours, so that one connection cannot fill the memory."""

CONNECTION_SECONDS: Final = 3600.0
"""How long a connection lasts (the same guide: 60 minutes)."""


class Connection:
    """The machine. `unix_offset_seconds` makes Unix time of `now`, for `created_at`.

    The connection was opened at `opened_seconds` and lasts `connection_seconds`.
    """

    def __init__(
        self,
        model: str,
        new_id: NewId,
        store: MutableMapping[str, Settled],
        unix_offset_seconds: float = 0.0,
        opened_seconds: float = 0.0,
        connection_seconds: float = CONNECTION_SECONDS,
        faults: Faults | None = None,
    ) -> None:
        self._model = model
        self._new_id = new_id
        self._store = store
        self._stored: set[str] = set()  # by this connection
        self._unix_offset_seconds = unix_offset_seconds
        self._connection_seconds = connection_seconds
        self._ends_seconds = opened_seconds + connection_seconds
        self._faults = faults
        self._lanes: dict[str | None, Lane] = {None: Lane(None)}
        self._running: dict[str, Running] = {}
        self._queue: list[CreateRequest] = []
        self._over = False

    def receive(self, event: Event, now: float) -> list[Action]:
        """Take in what happened at `now` (seconds) and say what to do."""
        if self._over:
            return []
        unix_now = now + self._unix_offset_seconds
        if isinstance(event, MessageReceived):
            actions = self._message(event.message, unix_now)
        elif isinstance(event, PieceProduced):
            actions = self._piece(event.response_id, event.piece, unix_now)
        else:
            actions = self._failed(event)
        return actions + self._start_what_can(unix_now)

    def timeout(self, now: float) -> list[Action]:
        """End the connection when its time is over."""
        return [] if self._over or now < self._ends_seconds else self._expire()

    def deadline(self) -> float | None:
        """When the connection's time is over; None when it has ended."""
        return None if self._over else self._ends_seconds

    # ── what the client wants ────────────────────────────────────────────────────────────────

    def _message(self, message: str | bytes, unix_now: float) -> list[Action]:
        try:
            request = parse(message)
            if isinstance(request, CreateRequest):
                self._enqueue(request)
        except Refused as refusal:
            return self._refuse(refusal)
        if isinstance(request, CancelRequest):
            return self._cancel(request)
        return self._steer(request, unix_now) if isinstance(request, SteerRequest) else []

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
        self._lanes.setdefault(request.stream_id, Lane(request.stream_id))
        self._queue.append(request)

    def _cancel(self, request: CancelRequest) -> list[Action]:
        """An unknown or late cancel gets no answer: clients would take it for another one's."""
        running = self._running.get(request.response_id)
        if running is None or running.stalled or (self._faults and self._faults.ignores_cancel):
            return []
        ended = self._abandon(running, running.writer.cancel(), "response_not_active")
        return [Stop(request.response_id), *ended]

    def _refuse(self, refusal: Refused) -> list[Action]:
        event = ErrorEvent(status=refusal.status, error=refusal.body)
        if refusal.headers:
            event.headers = dict(refusal.headers)
        if refusal.stream_id is not None:
            event.stream_id = refusal.stream_id
        return [Send(event), *self._evict_parent(refusal.stream_id, refusal.parent_id)]

    # ── starting ─────────────────────────────────────────────────────────────────────────────

    def _start_what_can(self, unix_now: float) -> list[Action]:
        actions: list[Action] = []
        waiting: list[CreateRequest] = []
        blocked: set[str | None] = set()  # lanes whose turn it is not, so that order is kept
        for request in self._queue:
            if self._over:
                break
            busy = self._lanes[request.stream_id].running is not None
            if busy or request.stream_id in blocked or len(self._running) >= IN_FLIGHT_LIMIT:
                blocked.add(request.stream_id)
                waiting.append(request)
                continue
            try:
                actions += self._forget_before(request)
                actions += self._start(request, unix_now)
            except Refused as refusal:
                refusal.stream_id, refusal.parent_id = request.stream_id, request.parent_id
                actions += self._refuse(refusal)
        self._queue = waiting
        return actions

    def _start(self, request: CreateRequest, unix_now: float) -> list[Action]:
        lane = self._lanes[request.stream_id]
        steered: tuple[Item, ...] = ()
        if lane.waiting and lane.holds(request.parent_id):
            steered = items_of(lane.waiting.steerings)
        history = self._history(request.parent_id) + steered + request.items
        _check_outputs(history)
        writer = ResponseWriter(request, self._model, self._new_id, unix_now)
        running = Running(writer, history)
        if self._faults and request.generate:
            running.fault = self._faults.choose(history)
        lane.running = self._running[writer.id] = running
        if lane.holds(request.parent_id):
            lane.waiting = None
        actions = self._emit(running, writer.begin())
        if writer.id in self._running and not running.stalled:
            actions.append(Start(writer.id, _prompt(request, history), request.generate))
        return actions

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

    # ── steering ─────────────────────────────────────────────────────────────────────────────

    def _steer(self, request: SteerRequest, unix_now: float) -> list[Action]:
        lane = self._lane_of(request.response_id)
        target = lane.target(request.response_id) if lane else None
        if isinstance(target, Running) and target.stalled:
            return []
        refusal = _steering_refusal(request, lane, target)
        if refusal is not None:
            if lane and lane.name is not None:
                refusal.stream_id = lane.name
            return [Send(refusal)]
        assert target is not None
        new = Steering(self._new_id("steer"), request.response_id, request.given, request.items)
        target.steerings.append(new)
        accepted = target.writer.number(steer_accepted(new))
        if isinstance(target, Waiting):
            return _sends([accepted, *_pending(target.writer, [new])])
        actions = self._emit(target, [accepted])
        if target.writer.id not in self._running or target.stalled or target.writer.calls:
            return actions  # with a call it ends by itself: the call's output is still to come
        return actions + self._succeed(target, unix_now)

    def _succeed(self, running: Running, unix_now: float) -> list[Action]:
        """Stop a response where it is, and go on from there with the words that steer it."""
        request, response_id = running.writer.request, running.writer.id
        actions = [Stop(response_id), *self._finish(running, running.writer.steer())]
        if self._over or not self._lanes[request.stream_id].holds(response_id):
            return actions  # a fault came before the end, or right after it
        successor = replace(
            request,
            body=structs.replace(request.body, previous_response_id=response_id),
            items=items_of(running.steerings),
        )
        return actions + self._start(successor, unix_now)

    # ── what the backend did ─────────────────────────────────────────────────────────────────

    def _piece(
        self, response_id: str, piece: TextDelta | ToolCall | Finished, unix_now: float
    ) -> list[Action]:
        running = self._running.get(response_id)
        if running is None or running.stalled:
            return []  # stopped meanwhile
        if isinstance(piece, TextDelta):
            return self._emit(running, running.writer.text(piece.text))
        if isinstance(piece, ToolCall):
            return self._emit(running, running.writer.call(piece.name, piece.arguments))
        return self._finish(running, running.writer.complete(piece, unix_now))

    def _failed(self, event: BackendFailed) -> list[Action]:
        running = self._running.get(event.response_id)
        if running is None or running.stalled:
            return []
        events = running.writer.fail(event.code, event.message)
        request = running.writer.request
        evicted = self._evict_parent(request.stream_id, request.parent_id)
        return [*evicted, *self._abandon(running, events, "successor_creation_failed")]

    def _finish(self, running: Running, events: list[ServerEvent]) -> list[Action]:
        """The last events of a response that can be continued."""
        if not running.reaches_end():
            return self._emit(running, events)
        self._take(running)
        lost = self._settle(running)
        if running.writer.calls:
            events = [*events, *_pending(running.writer, running.steerings)]
        return [*lost, *self._emit(running, events)]

    def _abandon(self, running: Running, events: list[ServerEvent], code: str) -> list[Action]:
        """The last events of a response that nothing continues; `code` is for what steered it."""
        if not running.reaches_end():
            return self._emit(running, events)
        lane = self._take(running)
        return [*_give_back(running.steerings, lane, code), *self._emit(running, events)]

    def _take(self, running: Running) -> Lane:
        """End a response's running; returns its lane, which is free."""
        del self._running[running.writer.id]
        lane = self._lanes[running.writer.request.stream_id]
        lane.running = None
        return lane

    # ── what is kept ─────────────────────────────────────────────────────────────────────────

    def _settle(self, running: Running) -> list[Action]:
        writer = running.writer
        lane = self._lanes[writer.request.stream_id]
        lost = self._evict(lane)
        lane.settled = Settled(writer.id, running.history + writer.items)
        if writer.calls:
            lane.waiting = Waiting(writer, running.steerings)
        if writer.request.body.store is not False:
            self._store[writer.id] = lane.settled
            self._stored.add(writer.id)
        return lost

    def _evict_parent(self, stream_id: str | None, parent_id: str | None) -> list[Action]:
        """A failed continuation evicts its parent, but only from the lane it failed in."""
        lane = self._lanes.get(stream_id)
        return self._evict(lane) if lane and lane.holds(parent_id) else []

    def _evict(self, lane: Lane) -> list[Action]:
        waiting, lane.settled, lane.waiting = lane.waiting, None, None
        if waiting is None:
            return []
        return _give_back(waiting.steerings, lane, "successor_creation_failed")

    def _lane_of(self, response_id: str) -> Lane | None:
        """The lane where the response runs, or is the latest one."""
        running = self._running.get(response_id)
        if running:
            return self._lanes[running.writer.request.stream_id]
        return next((lane for lane in self._lanes.values() if lane.holds(response_id)), None)

    # ── what goes wrong on purpose ───────────────────────────────────────────────────────────

    def _emit(self, running: Running, events: list[ServerEvent]) -> list[Action]:
        """A response's events; where its fault comes between them, only those before it."""
        fault = running.fault
        if fault is None or running.writer.next_number < fault.after:
            return _sends(events)
        running.fault = None
        sent = [event for event in events if event.sequence_number < fault.after]
        return _sends(sent) + self._go_wrong(running, fault, events[len(sent) :])

    def _go_wrong(self, running: Running, fault: Fault, rest: list[ServerEvent]) -> list[Action]:
        if fault.kind in GOODBYES:
            return self._leave(GOODBYES[fault.kind])
        if fault.kind == "expire":
            return self._expire()
        if fault.kind == "garbage":
            return [*garbage(running.writer.request.stream_id), *_sends(rest)]
        if running.writer.id not in self._running:
            return _sends(rest)  # it has ended already
        if fault.kind == "stall":
            running.stalled = True
            return [Stop(running.writer.id)]
        return self._break_off(running, fault)

    def _break_off(self, running: Running, fault: Fault) -> list[Action]:
        """End a response in the middle, with `error` or with `response.failed`."""
        writer, request = running.writer, running.writer.request
        lost = _give_back(running.steerings, self._take(running), "successor_creation_failed")
        if fault.kind == "fail":
            failed = writer.fail(fault.code, MESSAGE)[-1]
            failed.sequence_number = fault.after
            evicted = self._evict_parent(request.stream_id, request.parent_id)
            return [Stop(writer.id), Send(failed), *evicted, *lost]
        refusal = Refused(MESSAGE, fault.code, status=fault.status)
        refusal.stream_id, refusal.parent_id = request.stream_id, request.parent_id
        if fault.retry_after_seconds is not None:
            refusal.headers["retry-after"] = f"{fault.retry_after_seconds:g}"
        return [Stop(writer.id), *self._refuse(refusal), *lost]

    def _forget_before(self, request: CreateRequest) -> list[Action]:
        """Forget all responses of this connection, where this request shall not find its parent."""
        if request.parent_id is None or not self._faults:
            return []
        if not self._faults.forgets(request.items):
            return []
        for response_id in self._stored:
            self._store.pop(response_id, None)
        self._stored.clear()
        return [action for lane in self._lanes.values() for action in self._evict(lane)]

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _expire(self) -> list[Action]:
        minutes = self._connection_seconds / 60
        error = ErrorBody(
            type="invalid_request_error",
            code="websocket_connection_limit_reached",
            message=f"A connection lasts at most {minutes:g} minutes. Open a new one to go on.",
        )
        goodbye = Close(1000, "the connection's time is over")
        return self._leave(Send(ErrorEvent(status=400, error=error)), goodbye)

    def _leave(self, *last: Action) -> list[Action]:
        """The last actions of this connection."""
        stops = [Stop(response_id) for response_id in self._running]
        self._running.clear()
        self._over = True
        return [*stops, *last]


def _sends(events: Iterable[ServerEvent]) -> list[Action]:
    return [Send(event) for event in events]


def _give_back(steerings: Iterable[Steering], lane: Lane, code: str) -> list[Action]:
    """Return accepted words that no successor can take up any more."""
    events: list[ServerEvent] = []
    for lost in steerings:
        event = steer_failed(lost, code, f"No response continues {lost.response_id}.")
        if lane.name is not None:
            event.stream_id = lane.name
        events.append(event)
    return _sends(events)


def _pending(writer: ResponseWriter, steerings: Iterable[Steering]) -> list[ServerEvent]:
    return [writer.number(steer_pending(one, writer.calls)) for one in steerings]


def _steering_refusal(
    request: SteerRequest, lane: Lane | None, target: Running | Waiting | None
) -> SteerFailed | None:
    """Why words cannot be taken; `lane` is the response's, `target` it, if it can be steered."""
    if request.problem:
        return steer_refused(request, "invalid_input", request.problem)
    if lane is None:
        message = f"Response '{request.response_id}' is not available on this connection."
        return steer_refused(request, "response_not_found", message)
    if target is None:
        message = f"Response '{request.response_id}' has completed."
        return steer_refused(request, "response_already_completed", message)
    if not target.writer.request.generate:
        message = "A response that only prepares cannot be steered."
        return steer_refused(request, "steering_not_supported", message)
    if len(target.steerings) >= STEER_LIMIT:
        message = f"{STEER_LIMIT} submissions wait for this response already."
        return steer_refused(request, "too_many_pending_steers", message)
    return None


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
