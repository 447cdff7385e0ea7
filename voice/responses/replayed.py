"""A server that gives back what was recorded, at the same times after the same requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import msgspec

from voice.clock import Clock
from voice.responses.events import (
    ClientEvent,
    Completed,
    Created,
    ErrorBody,
    ErrorEvent,
    Response,
    ResponseCancel,
    ResponseCreate,
    ResponseSteer,
    ServerEvent,
    Steer,
    SteerFailed,
    encode,
)
from voice.responses.exchanges import Exchange, Recorded, Words

UNKNOWN = "the recording has no answer to this"


class ReplayedTransport:
    """One connection; several may give back from the same recording.

    What was only to be read is read at once: nobody waits for it.
    """

    def __init__(self, recorded: Recorded, clock: Clock, *, remembers: bool) -> None:
        self.remembers = remembers
        self._recorded = recorded
        self._clock = clock
        self._words = Words()
        self._numbers = count(1)
        self._lanes: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._arriving: asyncio.Queue[tuple[str | None, ExitStack]] = asyncio.Queue()

    async def send(self, event: ClientEvent) -> None:
        """Take a request; its answers arrive when their time has come."""
        match event:
            case ResponseCreate():
                self._create(event)
            case ResponseSteer():
                self._steer(event)
            case ResponseCancel():
                pass  # what came after it was recorded, too

    async def messages(self) -> AsyncIterator[str]:
        """Everything that arrives; ends with `close`."""
        while True:
            message, held = await self._arriving.get()
            with held:
                if message is None:
                    return
                yield message

    async def close(self) -> None:
        """End the connection."""
        for task in self._tasks:
            task.cancel()
        self._arrive(None)

    def _create(self, event: ResponseCreate) -> None:
        request = msgspec.to_builtins(event)
        words, lane = self._words.of(request), str(request.get("stream_id", ""))
        if event.generate is False:
            response = Response(id=f"read-{next(self._numbers)}")
            self._words.read(response.id, words)
            self._tell(Created(stream_id=lane, response=response))
            self._tell(Completed(stream_id=lane, response=response))
        elif exchange := self._recorded.take(words):
            self._answer(exchange, lane)
        else:
            body = ErrorBody(type="invalid_request_error", code="not_recorded", message=UNKNOWN)
            self._tell(ErrorEvent(stream_id=lane, status=400, error=body))

    def _steer(self, event: ResponseSteer) -> None:
        words = self._words.of(msgspec.to_builtins(event))
        lane = self._lanes.get(event.previous_response_id, "")
        if exchange := self._recorded.take(words, steers=True):
            self._answer(exchange, lane)
            return
        steer = Steer(previous_response_id=event.previous_response_id, input=event.input)
        error = ErrorBody(code="not_recorded", message=UNKNOWN)
        self._tell(SteerFailed(stream_id=lane, steer=steer, error=error))

    def _answer(self, exchange: Exchange, lane: str) -> None:
        task = asyncio.create_task(self._deliver(exchange, lane, self._clock.now()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, exchange: Exchange, lane: str, asked_at: float) -> None:
        for seconds, event in exchange.answers:
            await self._clock.sleep_until(asked_at + seconds)
            if name := (event.get("response") or {}).get("id"):
                self._lanes[name] = lane
            self._arrive(_on_lane(event, lane))

    def _tell(self, event: ServerEvent) -> None:
        self._arrive(encode(event))

    def _arrive(self, message: str | None) -> None:
        """Let it arrive; a virtual clock stands still until it was taken."""
        with ExitStack() as held:
            held.enter_context(self._clock.working())
            self._arriving.put_nowait((message, held.pop_all()))


def _on_lane(event: dict[str, Any], lane: str) -> str:
    moved = {**event, "stream_id": lane} if "stream_id" in event else event
    return msgspec.json.encode(moved).decode()
