"""What a tool call costs beside the tool: chains of calls, and several calls at once.

The agent runs here with real function tools; the local server with its script backend runs in a
process of its own, and asks for the calls. Between them lies loopback. Times are taken where bytes
leave and enter the process, so decoding, machine, driver and, for a synchronous function, the way
to its thread and back are all in them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from scripts.benchmarks.responses_caller import LOCAL, Caller, script_server
from scripts.benchmarks.responses_server import Scripted
from scripts.benchmarks.tools_figures import (
    KINDS,
    Call,
    chain_figures,
    chain_samples,
    parallel_figures,
    parallel_samples,
)
from voice.clock import MonotonicClock
from voice.responses.agent import Agent
from voice.responses.connection import Transport, WebSocketTransport, endpoint, open_websocket
from voice.responses.machine import AgentMachine
from voice.responses.options import AgentOptions
from voice.server.script import Reply, Script, ScriptedCall
from voice.tools.function import FunctionTool, function_tool
from voice.tools.runner import Toolbox

CHAIN_CALLS = 30

PARALLEL_CALLS = (1, 4, 8)

PARALLEL_TOOL_SECONDS = 0.05

_SMALLEST_REQUEST_BYTES = 64
"""What is smaller is a ping or a pong."""


class Tap:
    """Notes when a response was complete and when the next request was gone, at the TCP socket.

    Times are those of `time.perf_counter`, in seconds.
    """

    def __init__(self, transport: WebSocketTransport) -> None:
        self.pauses: list[float] = []
        """From the last byte of each `response.completed` to the last byte of the next request."""

        self._completed_at: float | None = None
        socket = transport._socket
        self._write, self._receive = socket.transport.write, socket.data_received
        socket.transport.write = self._sent  # type: ignore[method-assign]
        socket.data_received = self._received  # type: ignore[method-assign]

    def reset(self) -> None:
        """Forget what was before: what comes next is not the answer to it."""
        self.pauses.clear()
        self._completed_at = None

    def _received(self, data: bytes) -> None:
        if b'"response.completed"' in data:
            self._completed_at = time.perf_counter()
        self._receive(data)

    def _sent(self, data: bytes) -> None:
        self._write(data)
        if self._completed_at is not None and len(data) >= _SMALLEST_REQUEST_BYTES:
            self.pauses.append(time.perf_counter() - self._completed_at)
            self._completed_at = None


# ── chains ───────────────────────────────────────────────────────────────────────────────────


async def measure_overhead(chains: int) -> dict[str, Any]:
    """So many chains of calls of a coroutine and of a function on a thread, in turn."""
    calls: list[Call] = []
    with script_server(Scripted(script=_chain_script())) as url:
        for kind in KINDS:
            await _chain(url, kind)  # warms up
        for _ in range(chains):
            for kind in KINDS:
                calls += await _chain(url, kind)
    return chain_figures(calls) | {"samples": chain_samples(calls)}


async def _chain(url: str, kind: str) -> list[Call]:
    """One question, whose answer takes a chain of calls; on a connection of its own."""
    took: list[float] = []
    async with connected(url, Toolbox(_instant_tools(took))) as (caller, tap):
        tap.reset()
        await caller.answer(f"Use the {kind}.")
        pauses = list(tap.pauses)
    assert len(pauses) == len(took) == CHAIN_CALLS, "not every call had its request"
    return [
        Call(kind, place, pause - own)
        for place, (pause, own) in enumerate(zip(pauses, took, strict=True), 1)
    ]


def _chain_script() -> Script:
    replies = [
        Reply(match=kind, call=f"step_on_{kind}", arguments={"number": number})
        for kind in KINDS
        for number in range(1, CHAIN_CALLS + 1)
    ]
    return Script([*replies, *(Reply(match=kind, text="All steps are done.") for kind in KINDS)])


def _instant_tools(took: list[float]) -> list[FunctionTool]:
    """A tool of either kind, which notes how long it took itself."""

    async def step_on_coroutine(number: int) -> str:
        """Do one step."""
        with _noted(took.append):
            return f"Step {number} is done."

    def step_on_thread(number: int) -> str:
        """Do one step."""
        with _noted(took.append):
            return f"Step {number} is done."

    return [function_tool(step_on_coroutine), function_tool(step_on_thread)]


@contextmanager
def _noted(note: Callable[[float], None]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    note(time.perf_counter() - began)


# ── several calls in one response ────────────────────────────────────────────────────────────


async def measure_parallel(rounds: int) -> dict[str, Any]:
    """Rounds of one, four and eight calls of a tool that takes 50 ms, in turn."""
    seconds: dict[int, list[float]] = {count: [] for count in PARALLEL_CALLS}
    with script_server(Scripted(script=_parallel_script())) as url:
        async with connected(url, Toolbox([function_tool(_wait)])) as (caller, tap):
            for number in range(rounds + 1):
                for count, of_count in seconds.items():
                    tap.reset()
                    await caller.answer(f"Wait {count} times.")
                    assert len(tap.pauses) == 1, "a round is one request"
                    if number:  # the first one warms up
                        of_count.append(tap.pauses[0])
    figures = parallel_figures(seconds, PARALLEL_TOOL_SECONDS)
    return figures | {"samples": parallel_samples(seconds)}


async def _wait() -> str:
    """Wait a moment."""
    await asyncio.sleep(PARALLEL_TOOL_SECONDS)
    return "done"


def _parallel_script() -> Script:
    return Script(
        [
            reply
            for count in PARALLEL_CALLS
            for reply in (
                Reply(match=f"{count} times", calls=[ScriptedCall("_wait")] * count),
                Reply(match=f"{count} times", text="That is done."),
            )
        ]
    )


# ── the agent ────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def connected(url: str, tools: Toolbox) -> AsyncIterator[tuple[Caller, Tap]]:
    """An agent with these tools that is connected and ready, and what its socket carries."""
    taps: list[Tap] = []

    async def connect() -> Transport:
        transport = await open_websocket(endpoint(url, ""))
        taps.append(Tap(transport))
        return transport

    options = AgentOptions(most_tool_rounds=CHAIN_CALLS + 1)
    machine = AgentMachine("default", options, LOCAL, tools, lambda: 0.5)
    agent = Agent(machine, connect, tools, MonotonicClock())
    async with agent.running():
        await agent.connected()
        await agent.ready()
        yield Caller(agent), taps[0]
