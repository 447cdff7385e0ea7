"""A client and a backend for the protocol machine, in simulated time."""

from __future__ import annotations

import itertools
import json
from typing import Any, get_args

from openai.types.responses import ResponsesServerEvent
from pydantic import TypeAdapter

from voice.responses.events import encode
from voice.server.backend import Faults, Finished, TextDelta
from voice.server.lanes import Kept, Settled
from voice.server.protocol import Connection
from voice.server.signals import (
    Action,
    BackendFailed,
    Close,
    Deleted,
    FallSilent,
    Fetch,
    Fetched,
    Keep,
    MessageReceived,
    PieceProduced,
    Reset,
    Send,
    SendText,
    Start,
    Stop,
)

OFFICIAL: dict[str, TypeAdapter[Any]] = {
    get_args(event.model_fields["type"].annotation)[0]: TypeAdapter(event)
    for event in get_args(get_args(ResponsesServerEvent)[0])
}
"""What the `openai` package publishes, by the type of the event."""

DONE = Finished(input_tokens=7, cached_tokens=3, output_tokens=2)
TOOL = {"type": "function", "name": "get_time", "parameters": {"type": "object"}}


class Client:
    """A connection under test: sends requests, plays the backend, keeps what came back."""

    def __init__(
        self,
        store: dict[str, Settled] | None = None,
        faults: Faults | None = None,
        **options: float,
    ) -> None:
        numbers = itertools.count(1 if store is None else 1001)  # a shared store holds both kinds

        def new_id(prefix: str) -> str:
            return f"{prefix}_{next(numbers)}"

        self.store = {} if store is None else store
        self.prompt = True
        """The store answers at once; if not, `fetches` waits for `answer`."""
        self.fetches: list[str] = []
        self.kept: list[Kept] = []
        self.machine = Connection(
            "test-model", new_id, unix_offset_seconds=1000.0, faults=faults, **options
        )
        self.starts: list[Start] = []
        self.stops: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.official = True
        """Hold each event against the published types."""
        self.texts: list[str] = []
        self.ends: list[Close | Reset | FallSilent] = []

    def create(self, said: Any = "Hello", **fields: Any) -> list[dict[str, Any]]:
        body = {"type": "response.create", "model": "m", "input": said, "store": False}
        return self.send({**body, **fields})

    def send(self, message: Any) -> list[dict[str, Any]]:
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        return self._keep(self.machine.receive(MessageReceived(text), 1.0))

    def produce(self, *pieces: Any, response: str | None = None) -> list[dict[str, Any]]:
        new: list[dict[str, Any]] = []
        for piece in pieces:
            event = PieceProduced(response or self.starts[-1].response_id, piece)
            new += self._keep(self.machine.receive(event, 2.0))
        return new

    def steer(self, response: str | None = None, said: Any = "Wait.") -> list[dict[str, Any]]:
        response = response or self.starts[-1].response_id
        return self.send(
            {"type": "response.steer", "previous_response_id": response, "input": said}
        )

    def cancel(self) -> list[dict[str, Any]]:
        response = self.starts[-1].response_id
        return self.send({"type": "response.cancel", "response_id": response})

    def wait(self, now: float) -> list[dict[str, Any]]:
        """Let the time pass until `now`."""
        return self._keep(self.machine.timeout(now))

    def answer(self) -> list[dict[str, Any]]:
        """The store answers what it was asked."""
        new: list[dict[str, Any]] = []
        while self.fetches:
            response = self.fetches.pop(0)
            event = Fetched(response, self.store.get(response))
            new += self._keep(self.machine.receive(event, 1.0))
        return new

    def delete(self, response: str) -> list[dict[str, Any]]:
        self.store.pop(response, None)
        return self._keep(self.machine.receive(Deleted(response), 1.0))

    def fail(self) -> list[dict[str, Any]]:
        event = BackendFailed(self.starts[-1].response_id, "server_error", "out of luck")
        return self._keep(self.machine.receive(event, 2.0))

    def turn(self, said: Any = "Hello", answer: str = "Hi.", **fields: Any) -> str:
        """A whole text turn; returns the response's id."""
        before = len(self.starts)
        self.create(said, **fields)
        assert len(self.starts) == before + 1, self.events[-1]
        self.produce(TextDelta(answer), DONE)
        return self.starts[-1].response_id

    def _keep(self, actions: list[Action]) -> list[dict[str, Any]]:
        new: list[dict[str, Any]] = []
        for action in actions:
            assert not self.ends, f"{action} after the end"
            if isinstance(action, Send):
                text = encode(action.event)
                event = json.loads(text)
                if self.official:
                    OFFICIAL[event["type"]].validate_python(event)
                new.append(event)
            elif isinstance(action, Start):
                self.starts.append(action)
            elif isinstance(action, Stop):
                self.stops.append(action.response_id)
            elif isinstance(action, Keep):
                self.kept.append(action.kept)
                self.store[action.kept.response.id] = action.kept.settled
            elif isinstance(action, Fetch):
                self.fetches.append(action.response_id)
            elif isinstance(action, SendText):
                self.texts.append(action.text)
            else:
                self.ends.append(action)
        self.events += new
        return new + self.answer() if self.prompt else new


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def code(events: list[dict[str, Any]]) -> str | None:
    assert types(events) == ["error"]
    return events[0]["error"]["code"]
