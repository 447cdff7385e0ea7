"""A server that gives back what was recorded, on a virtual clock."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from voice.clock import VirtualClock
from voice.responses.events import InputMessage, ResponseCreate, ResponseSteer
from voice.responses.exchanges import Recorded
from voice.responses.recording import Message
from voice.responses.replayed import UNKNOWN, ReplayedTransport

HELLO: list[dict[str, Any]] = [
    {"type": "response.created", "stream_id": "old", "response": {"id": "r1"}},
    {"type": "response.output_text.delta", "stream_id": "old", "delta": "Hi."},
]


def request(text: str, lane: str = "new", **more: Any) -> ResponseCreate:
    words = [InputMessage(role="user", content=text)]
    return ResponseCreate(model="m", input=words, stream_id=lane, **more)


class Line:
    """A transport, and what has arrived by when."""

    def __init__(self) -> None:
        sent = msgspec.json.encode(request("Hello", "old")).decode()
        came = [msgspec.json.encode(event).decode() for event in HELLO]
        messages = [Message(5.0, 1, sent=sent)]
        messages += [Message(5.0 + n / 2, 1, received=text) for n, text in enumerate(came, 1)]
        self.clock = VirtualClock(timed_answers=True)
        self.transport = ReplayedTransport(Recorded(messages), self.clock, remembers=True)
        self.arrived: list[tuple[float, dict[str, Any]]] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.transport.messages():
            event = msgspec.json.decode(message, type=dict[str, Any])
            self.arrived.append((self.clock.now(), event))

    async def end(self) -> None:
        await self.transport.close()
        await asyncio.wait_for(self._reading, 5)


async def test_answers_arrive_on_the_lane_of_the_request_in_their_time() -> None:
    line = Line()
    await line.clock.advance(1.0)
    await line.transport.send(request("Hello"))
    await line.clock.advance(5.0)
    await line.end()
    assert [at for at, _ in line.arrived] == [1.5, 2.0]
    assert {event["stream_id"] for _, event in line.arrived} == {"new"}


async def test_what_is_only_to_be_read_is_read_at_once() -> None:
    line = Line()
    await line.transport.send(request("Hel", generate=False))
    await line.clock.advance(0.0)
    name = line.arrived[-1][1]["response"]["id"]
    assert line.arrived[-1][1]["type"] == "response.completed"
    await line.transport.send(request("lo", previous_response_id=name))
    await line.clock.advance(5.0)
    await line.end()
    assert line.arrived[-1][1]["delta"] == "Hi.", "the words before it count"


async def test_what_was_not_asked_then_is_refused() -> None:
    line = Line()
    await line.transport.send(request("Something else entirely, in many words"))
    steer = [InputMessage(role="user", content="And?")]
    await line.transport.send(ResponseSteer(previous_response_id="r1", input=steer))
    await line.clock.advance(1.0)
    await line.end()
    (_, error), (_, refused) = line.arrived
    assert error["error"]["message"] == UNKNOWN
    assert (error["stream_id"], error["status"]) == ("new", 400)
    assert refused["type"] == "response.steer.failed"
