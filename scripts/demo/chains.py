"""The five ways to hold one chain of tool calls, and a chain's times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from scripts.demo.calls import Answered, Target, Timed, http_caller, websocket_caller
from scripts.demo.workload import Workload, call_output, request

Kind = Literal["http-new", "http", "http-id", "websocket", "websocket-warm"]
Prefix = Literal["warm", "cold"]


@dataclass(frozen=True, slots=True)
class Way:
    """How requests travel, and what they carry.

    On a `cold` prefix each request's instructions begin with other words, so that nothing in the
    server's prompt cache fits: it sees what a server sees that never had this conversation.
    """

    letter: str
    kind: Kind
    name: str
    prefix: Prefix = "warm"

    @property
    def carries_whole(self) -> bool:
        """Whether every request has the whole conversation in it."""
        return self.kind in ("http-new", "http")

    @property
    def title(self) -> str:
        """For people."""
        return f"({self.letter}) {self.name}"


WAYS: Final = (
    Way("a", "http-new", "HTTP, new connection each call, whole context"),
    Way("b", "http", "HTTP kept alive, whole context"),
    Way("c", "http-id", "HTTP kept alive, previous_response_id"),
    Way("d", "websocket", "WebSocket, incremental"),
    Way("e", "websocket-warm", "WebSocket, incremental, warmed up"),
)

COLD_WAYS: Final = tuple(
    Way(f"{way.letter} cold", way.kind, f"{way.name}, cold prefix", "cold")
    for way in WAYS
    if way.carries_whole
)
"""Where a model reads the prompt it matters whether the server remembers the last request."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain, held in one way over a link of this round-trip time."""

    way: Way
    rtt_ms: float
    calls: tuple[Timed, ...]
    ahead_seconds: float = 0.0
    """What connecting and warming up took before the first call, while nobody waited."""

    @property
    def seconds(self) -> float:
        """The whole chain; the tools themselves take no time."""
        return sum(call.seconds for call in self.calls)


class _Asks(Protocol):
    async def ask(self, fields: Mapping[str, Any]) -> Answered: ...


async def hold_chain(way: Way, target: Target, workload: Workload, label: str) -> Chain:
    """Hold the whole chain. Raises `AgentError` and `UsageError`."""
    talk = _Talk(way, target, workload, label)
    calls: list[Timed] = []
    async with _opened(way, target) as caller:
        ahead_seconds = await talk.warm_up(caller) if way.kind == "websocket-warm" else 0.0
        for step in range(workload.steps):
            async with _one_call(way, target, caller) as asked:
                answered = await asked.ask(talk.fields(step))
            calls.append(answered.timed)
            talk.go_on(step, answered)
    return Chain(way, target.link.rtt_seconds * 1e3, tuple(calls), ahead_seconds)


class _Talk:
    """The conversation so far."""

    def __init__(self, way: Way, target: Target, workload: Workload, label: str) -> None:
        self._way, self._model = way, target.model
        self._workload, self._label = workload, label
        self._items: list[Mapping[str, Any]] = []
        self._new: list[Mapping[str, Any]] = [workload.question()]
        self._last_id: str | None = None

    def fields(self, step: int) -> dict[str, Any]:
        """Of the request for this step."""
        cold = self._way.prefix == "cold"
        label = f"{step + 1} of {self._label}" if cold else self._label
        items = [*self._items, *self._new] if self._way.carries_whole else self._new
        fields = request(self._workload, self._model, label, step, items)
        if self._way.kind == "http-id":
            fields["store"] = True  # else there is nothing to continue from
        if self._last_id is not None:
            fields["previous_response_id"] = self._last_id
        return fields

    async def warm_up(self, caller: Any) -> float:
        """Let instructions and tools be read; returns how long that and connecting took."""
        fields = request(self._workload, self._model, self._label, 0, [])
        answered = await caller.ask({**fields, "generate": False})
        self._last_id = answered.response["id"]
        return float(answered.timed.seconds)

    def go_on(self, step: int, answered: Answered) -> None:
        """The call was made, and the tool has answered."""
        output = call_output(answered.call(), self._workload.output(step))
        if self._way.carries_whole:
            self._items += [*self._new, *answered.response["output"]]
        else:
            self._last_id = answered.response["id"]
        self._new = [output]


@asynccontextmanager
async def _opened(way: Way, target: Target) -> AsyncIterator[_Asks | None]:
    """The connection of the whole chain, if it has one."""
    async with AsyncExitStack() as stack:
        match way.kind:
            case "http-new":
                yield None
            case "http" | "http-id":
                yield await stack.enter_async_context(http_caller(target))
            case "websocket" | "websocket-warm":
                yield await stack.enter_async_context(websocket_caller(target))


@asynccontextmanager
async def _one_call(way: Way, target: Target, caller: _Asks | None) -> AsyncIterator[_Asks]:
    """The connection of one call; opening and closing it stays outside of other calls' times."""
    if caller is not None:
        yield caller
        return
    async with http_caller(target) as fresh:
        yield fresh
