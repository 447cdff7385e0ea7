"""The Responses API in WebSocket mode, for one connection: what arrives in, what to do out.

Pure: no socket, no model, no disk, no clock. The driver tells it what was received, what the
backend produced and what the store had, performs the actions, and calls `timeout` when `deadline`
has come.

    lane      where a response runs; first in, first out; the unnamed lane is `None`
    settled   the latest response of a lane, kept for `previous_response_id`
    fetching  asking the store for what a request continues, in its turn
    in flight running or fetching, in any lane; what exceeds a limit waits in order of arrival
    steered   ended early, and followed at once by a successor in the same lane
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, assert_never

from msgspec import structs

from voice.responses.events import ErrorBody, ErrorEvent, ServerEvent
from voice.server.backend import (
    Fault,
    Faults,
    Finished,
    Item,
    Piece,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)
from voice.server.compaction import Compaction, estimated_tokens, expanded, since_compaction
from voice.server.faults import GOODBYES, MESSAGE, garbage
from voice.server.lanes import Lane, Lanes, Running, Steering, Waiting, items_of
from voice.server.refusals import Refused
from voice.server.requests import (
    CancelRequest,
    CreateRequest,
    SteerRequest,
    check_outputs,
    parse,
)
from voice.server.signals import (
    Action,
    BackendFailed,
    Close,
    Deleted,
    Event,
    Fetch,
    Fetched,
    Keep,
    MessageReceived,
    PieceProduced,
    Send,
    Start,
    Stop,
)
from voice.server.steering import (
    steer_accepted,
    steer_refusal,
    steers_given_back,
    steers_pending,
)
from voice.server.writer import NewId, ResponseWriter

CONNECTION_SECONDS: Final = 3600.0
"""How long a connection lasts (the WebSocket mode guide: 60 minutes)."""


class Connection:
    """The machine. `unix_offset_seconds` makes Unix time of `now`, for `created_at`.

    The connection was opened at `opened_seconds` and lasts `connection_seconds`.
    """

    def __init__(
        self,
        model: str,
        new_id: NewId,
        unix_offset_seconds: float = 0.0,
        opened_seconds: float = 0.0,
        connection_seconds: float = CONNECTION_SECONDS,
        faults: Faults | None = None,
    ) -> None:
        self._model = model
        self._new_id = new_id
        self._unix_offset_seconds = unix_offset_seconds
        self._connection_seconds = connection_seconds
        self._ends_seconds = opened_seconds + connection_seconds
        self._faults = faults
        self._lanes = Lanes()
        self._stored: set[str] = set()  # by this connection; what a fault forgets
        self._forgotten: set[str] = set()
        self._over = False

    def receive(self, event: Event, now: float) -> list[Action]:
        """Take in what happened at `now` (seconds) and say what to do."""
        if self._over:
            return []
        unix_now = now + self._unix_offset_seconds
        match event:
            case MessageReceived(message):
                actions = self._message(message, unix_now)
            case PieceProduced(response_id, piece):
                actions = self._piece(response_id, piece, unix_now)
            case BackendFailed():
                actions = self._failed(event)
            case Fetched():
                actions = self._fetched(event, unix_now)
            case Deleted(response_id):
                actions = self._deleted(response_id)
            case _:
                assert_never(event)
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
        except Refused as refusal:
            return self._refuse(refusal)
        match request:
            case CreateRequest():
                return self._create(request)
            case SteerRequest():
                return self._steer(request, unix_now)
            case CancelRequest(response_id):
                return self._cancel(response_id)
        return []

    def _create(self, request: CreateRequest) -> list[Action]:
        try:
            self._lanes.add(request)
        except Refused as refusal:
            return self._refuse(refusal, request)
        return []

    def _cancel(self, response_id: str) -> list[Action]:
        """An unknown or late cancel gets no answer: clients would take it for another one's."""
        running = self._lanes.running(response_id)
        if running is None or running.stalled or (self._faults and self._faults.ignores_cancel):
            return []
        ended = self._abandon(running, running.writer.cancel(), "response_not_active")
        return [Stop(response_id), *ended]

    def _refuse(self, refusal: Refused, request: CreateRequest | None = None) -> list[Action]:
        """Say no, and evict the parent; what was parsed says which lane and parent it had."""
        if request:
            refusal.stream_id, refusal.parent_id = request.stream_id, request.parent_id
        event = ErrorEvent(status=refusal.status, error=refusal.body)
        if refusal.headers:
            event.headers = dict(refusal.headers)
        if refusal.stream_id is not None:
            event.stream_id = refusal.stream_id
        return [Send(event), *self._evict_parent(refusal.stream_id, refusal.parent_id)]

    # ── starting ─────────────────────────────────────────────────────────────────────────────

    def _start_what_can(self, unix_now: float) -> list[Action]:
        actions: list[Action] = []
        while not self._over and (request := self._lanes.next()):
            actions += self._forget_before(request)
            actions += self._begin(request, unix_now)
        return actions

    def _begin(self, request: CreateRequest, unix_now: float) -> list[Action]:
        """Start a request whose turn it is, or ask the store for what it continues."""
        parent_id = request.parent_id
        before = self._history(parent_id)
        if before is None and parent_id and parent_id not in self._forgotten:
            asked = parent_id in (lane.fetching.parent_id for lane in self._lanes if lane.fetching)
            self._lanes.of(request).fetching = request
            return [] if asked else [Fetch(parent_id)]
        return self._start(request, before, unix_now)

    def _fetched(self, event: Fetched, unix_now: float) -> list[Action]:
        """Start what waits for this; a response may have ended here while the store was asked."""
        actions: list[Action] = []
        before = self._history(event.response_id)
        if before is None and event.settled:
            before = event.settled.history
        for lane in self._lanes:
            request = lane.fetching
            if request and request.parent_id == event.response_id and not self._over:
                lane.fetching = None
                actions += self._start(request, before, unix_now)
        return actions

    def _start(
        self, request: CreateRequest, before: tuple[Item, ...] | None, unix_now: float
    ) -> list[Action]:
        """Start a request that continues the conversation `before`; None: it cannot be found."""
        lane = self._lanes.of(request)
        given = request.items
        if lane.waiting and lane.holds(request.parent_id):
            given = items_of(lane.waiting.steerings) + given
        try:
            history = since_compaction(_found(before, request.parent_id) + given)
            _check(request, history)
        except Refused as refusal:
            return self._refuse(refusal, request)
        writer = ResponseWriter(request, self._model, self._new_id, unix_now)
        running = lane.running = Running(writer, before or (), given)
        if self._faults and request.generate:
            running.fault = self._faults.choose(expanded(history))
        if lane.holds(request.parent_id):
            lane.waiting = None
        actions = self._emit(running, writer.begin())
        if self._goes_on(running):
            running.compaction = request.compaction(history)
            actions += self._go_on(running, unix_now)
        return actions

    def _go_on(self, running: Running, unix_now: float) -> list[Action]:
        """Let the backend answer, or do what has to come before that."""
        writer, compaction = running.writer, running.compaction
        request = writer.request
        if compaction is None:
            prompt, generate = request.prompt(running.history), request.generate
        elif not compaction.measured:
            prompt = replace(request.prompt(running.history), may_truncate=True)
            generate = False
        elif not compaction.older:
            return self._compacted(running, compaction, Finished(0, 0, 0), unix_now)
        else:
            prompt, generate = request.summary_prompt(compaction), True
        return [Start(writer.id, prompt, generate)]

    def _history(self, response_id: str | None) -> tuple[Item, ...] | None:
        """The conversation up to a response that is the latest of a lane."""
        if response_id is None:
            return ()
        lane = self._lanes.holding(response_id)
        return lane.settled.history if lane and lane.settled else None

    def _goes_on(self, running: Running) -> bool:
        """Whether it is still under way, after what a fault may have done."""
        return self._lanes.running(running.writer.id) is running and not running.stalled

    # ── steering ─────────────────────────────────────────────────────────────────────────────

    def _steer(self, request: SteerRequest, unix_now: float) -> list[Action]:
        lane = self._lane_of(request.response_id)
        target = lane.target(request.response_id) if lane else None
        if isinstance(target, Running) and target.stalled:
            return []
        refusal = steer_refusal(request, lane, target)
        if refusal is not None:
            return [Send(refusal)]
        assert target is not None
        new = Steering(self._new_id("steer"), request.response_id, request.given, request.items)
        target.steerings.append(new)
        accepted = target.writer.number(steer_accepted(new))
        if isinstance(target, Waiting):
            return _sends([accepted, *steers_pending(target.writer, [new])])
        actions = self._emit(target, [accepted])
        if not self._goes_on(target) or target.writer.calls:
            return actions  # with a call it ends by itself: the call's output is still to come
        return actions + self._succeed(target, unix_now)

    def _succeed(self, running: Running, unix_now: float) -> list[Action]:
        """Stop a response where it is, and go on from there with the words that steer it."""
        request, response_id = running.writer.request, running.writer.id
        actions = [Stop(response_id), *self._finish(running, running.writer.steer())]
        if self._over or not self._lanes.of(request).holds(response_id):
            return actions  # a fault came before the end, or right after it
        successor = replace(
            request,
            body=structs.replace(request.body, previous_response_id=response_id),
            items=items_of(running.steerings),
        )
        return actions + self._start(successor, self._history(response_id), unix_now)

    # ── what the backend did ─────────────────────────────────────────────────────────────────

    def _piece(self, response_id: str, piece: Piece, unix_now: float) -> list[Action]:
        running = self._lanes.running(response_id)
        if running is None or running.stalled:
            return []  # stopped meanwhile
        if running.compaction:
            return self._compact(running, running.compaction, piece, unix_now)
        writer = running.writer
        match piece:
            case TextDelta(text):
                return self._emit(running, writer.text(text))
            case ReasoningDelta(text):
                return self._emit(running, writer.reasoning(text))
            case ToolCall(name, arguments):
                return self._emit(running, writer.call(name, arguments))
        return self._finish(running, writer.complete(piece, unix_now))

    def _compact(
        self, running: Running, compaction: Compaction, piece: Piece, unix_now: float
    ) -> list[Action]:
        """Take the count, or the summary. Thoughts and calls are not wanted here."""
        if isinstance(piece, TextDelta):
            begun = bool(compaction.summary.strip())
            compaction.summary += piece.text
            if begun or not compaction.summary.strip():
                return []
            return self._emit(running, running.writer.begin_compaction())
        if not isinstance(piece, Finished):
            return []
        if compaction.measured:
            return self._compacted(running, compaction, piece, unix_now)
        tokens = piece.input_tokens or estimated_tokens(running.history)
        assert compaction.threshold_tokens is not None
        compaction.measured = tokens > compaction.threshold_tokens
        if not compaction.measured:
            running.compaction = None
        return self._go_on(running, unix_now)

    def _compacted(
        self, running: Running, compaction: Compaction, finished: Finished, unix_now: float
    ) -> list[Action]:
        """The summary is whole: it is the answer, or what the answer goes on from."""
        writer, running.compaction = running.writer, None
        wordless = compaction.older and not compaction.summary.strip()
        if wordless and writer.request.compacts_only:
            message = "The model wrote no summary."
            return self._failed(BackendFailed(writer.id, "server_error", message))
        actions = [] if wordless else self._emit(running, writer.end_compaction(compaction.result))
        if not self._goes_on(running):
            return actions
        if writer.request.compacts_only:
            whole = replace(finished, reached_limit=False)  # the limit is ours
            return actions + self._finish(running, writer.complete(whole, unix_now))
        return actions + self._go_on(running, unix_now)

    def _failed(self, event: BackendFailed) -> list[Action]:
        running = self._lanes.running(event.response_id)
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
        kept = self._settle(running)
        if running.writer.calls:
            events = [*events, *steers_pending(running.writer, running.steerings)]
        return [*kept, *self._emit(running, events)]

    def _abandon(self, running: Running, events: list[ServerEvent], code: str) -> list[Action]:
        """The last events of a response that nothing continues; `code` is for what steered it."""
        if not running.reaches_end():
            return self._emit(running, events)
        lane = self._take(running)
        lost = steers_given_back(running.steerings, lane, code)
        return [*_sends(lost), *self._emit(running, events)]

    def _take(self, running: Running) -> Lane:
        """End a response's running; returns its lane, which is free."""
        lane = self._lanes.of(running.writer.request)
        lane.running = None
        return lane

    # ── what is kept ─────────────────────────────────────────────────────────────────────────

    def _settle(self, running: Running) -> list[Action]:
        """Make a response its lane's latest, and have it stored where it asks for that."""
        lane = self._take(running)
        actions = self._evict(lane)
        kept = running.kept
        lane.settled = kept.settled
        if running.writer.calls:
            lane.waiting = Waiting(running.writer, running.steerings)
        if running.stored:
            actions.append(Keep(kept))
            if self._faults:
                self._stored.add(running.writer.id)
        return actions

    def _deleted(self, response_id: str) -> list[Action]:
        """Whoever deletes a stored response wants it gone from memory, too."""
        lane = self._lanes.holding(response_id)
        return self._evict(lane) if lane else []

    def _evict_parent(self, stream_id: str | None, parent_id: str | None) -> list[Action]:
        """A failed continuation evicts its parent, but only from the lane it failed in."""
        lane = self._lanes.named(stream_id)
        return self._evict(lane) if lane and lane.holds(parent_id) else []

    def _evict(self, lane: Lane) -> list[Action]:
        waiting, lane.settled, lane.waiting = lane.waiting, None, None
        if waiting is None:
            return []
        return _sends(steers_given_back(waiting.steerings, lane, "successor_creation_failed"))

    def _lane_of(self, response_id: str) -> Lane | None:
        """The lane where the response runs, or is the latest one."""
        running = self._lanes.running(response_id)
        return (
            self._lanes.of(running.writer.request) if running else self._lanes.holding(response_id)
        )

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
        if self._lanes.running(running.writer.id) is None:
            return _sends(rest)  # it has ended already
        if fault.kind == "stall":
            running.stalled = True
            return [Stop(running.writer.id)]
        return self._break_off(running, fault)

    def _break_off(self, running: Running, fault: Fault) -> list[Action]:
        """End a response in the middle, with `error` or with `response.failed`."""
        writer, request = running.writer, running.writer.request
        lane = self._take(running)
        lost = _sends(steers_given_back(running.steerings, lane, "successor_creation_failed"))
        if fault.kind == "fail":
            failed = writer.fail(fault.code, MESSAGE)[-1]
            failed.sequence_number = fault.after
            evicted = self._evict_parent(request.stream_id, request.parent_id)
            return [Stop(writer.id), Send(failed), *evicted, *lost]
        refusal = Refused(MESSAGE, fault.code, status=fault.status)
        if fault.retry_after_seconds is not None:
            refusal.headers["retry-after"] = f"{fault.retry_after_seconds:g}"
        return [Stop(writer.id), *self._refuse(refusal, request), *lost]

    def _forget_before(self, request: CreateRequest) -> list[Action]:
        """Forget all responses of this connection, where this request shall not find its parent."""
        if request.parent_id is None or not self._faults:
            return []
        if not self._faults.forgets(request.items):
            return []
        self._forgotten |= {*self._stored, request.parent_id}
        return [action for lane in self._lanes for action in self._evict(lane)]

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
        self._over = True
        running = [lane.running for lane in self._lanes if lane.running]
        for one in running:
            self._take(one)
        return [*(Stop(one.writer.id) for one in running), *last]


def _sends(events: Iterable[ServerEvent]) -> list[Action]:
    return [Send(event) for event in events]


def _check(request: CreateRequest, history: tuple[Item, ...]) -> None:
    """Raises `Refused`."""
    check_outputs(history)
    if request.compacts_only and not history:
        raise Refused("There is nothing to compact.", "missing_required_parameter", "input")


def _found(before: tuple[Item, ...] | None, response_id: str | None) -> tuple[Item, ...]:
    if before is None:
        raise Refused(
            f"Previous response with id '{response_id}' not found.",
            "previous_response_not_found",
            "previous_response_id",
        )
    return before
