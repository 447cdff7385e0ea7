"""What an event costs: ours, the official SDK's, and the bare socket's below both.

All three read the same deltas from the same sender, in turn, in one process; the sender has its
own. CPU is that of this process (`time.process_time`), so it has everything in it but one thing:
what is there beforehand is frozen (`gc.freeze`). Otherwise Python's collector goes through the
SDK's classes, which only this benchmark loads, now and then, for 60 ms, at either's expense.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from openai import AsyncOpenAI
from websockets.asyncio.client import connect

from scripts.benchmarks.figures import kept, rounded
from scripts.benchmarks.responses_caller import Caller, calling, sender
from voice.responses.options import AgentOptions
from voice.responses.signals import AnswerWritten, TextReceived

_DELTAS = 2000
"""Of one answer; a longer one would be cut off, and this is ten minutes of speech."""

Read = Callable[[int, int], Awaitable[None]]
"""Ask for so many deltas, so many a second (0: as fast as may be), and read all of them."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of one delta."""

    cpu_us: float
    wall_us: float


_Costs = Mapping[str, Sequence[_Cost]]


async def measure_events(repeats: int, answers: int, paced_answers: int) -> dict[str, Any]:
    """`repeats` times so many answers, for each reader: as fast as may be, and at 4,000 a second.

    An answer has 2,000 deltas.
    """
    fast: dict[str, list[_Cost]] = {"ours": [], "sdk": [], "websockets": []}
    paced: dict[str, list[_Cost]] = {name: [] for name in fast}
    with sender() as url:
        async with AsyncExitStack() as stack:
            readers: dict[str, Read] = {
                "ours": await stack.enter_async_context(_ours(url)),
                "sdk": await stack.enter_async_context(_sdk(url)),
                "websockets": await stack.enter_async_context(_websockets(url)),
            }
            for read in readers.values():
                await read(_DELTAS, 0)
            gc.collect()
            gc.freeze()
            for _ in range(repeats):
                for name, read in readers.items():
                    fast[name].append(await _cost(read, answers, 0))
                    paced[name].append(await _cost(read, paced_answers, 4000))
    return _figures(fast, paced) | {"samples": _samples(fast, paced)}


def _figures(fast: _Costs, paced: _Costs) -> dict[str, Any]:
    cpu = {name: statistics.median(cost.cpu_us for cost in costs) for name, costs in fast.items()}
    share = {
        name: statistics.median(cost.cpu_us / cost.wall_us for cost in costs)
        for name, costs in paced.items()
    }
    return {
        "events_per_second": _per_second(fast["ours"]),
        "cpu_per_event_us": rounded(cpu["ours"], 2),
        "sdk_cpu_per_event_us": rounded(cpu["sdk"], 2),
        "websockets_cpu_per_event_us": rounded(cpu["websockets"], 2),
        "cpu_per_event_to_sdk": rounded(cpu["ours"] / cpu["sdk"], 4),
        "cpu_per_event_above_websockets_us": rounded(cpu["ours"] - cpu["websockets"], 2),
        "sdk_cpu_per_event_above_websockets_us": rounded(cpu["sdk"] - cpu["websockets"], 2),
        "core_share_at_4000": rounded(share["ours"], 4),
        "sdk_core_share_at_4000": rounded(share["sdk"], 4),
        "websockets_core_share_at_4000": rounded(share["websockets"], 4),
        "paced_events_per_second": _per_second(paced["ours"]),
        "cpu_per_event_us_of_repeats": {
            name: [rounded(cost.cpu_us, 2) for cost in costs] for name, costs in fast.items()
        },
    }


def _samples(fast: _Costs, paced: _Costs) -> dict[str, list[float]]:
    """What lies behind the figures, a value of each repeat."""
    samples = {
        "events_per_second": kept([1e6 / cost.wall_us for cost in fast["ours"]]),
        "paced_events_per_second": kept([1e6 / cost.wall_us for cost in paced["ours"]]),
    }
    for name, start in (("ours", ""), ("sdk", "sdk_"), ("websockets", "websockets_")):
        samples[f"{start}cpu_per_event_us"] = kept([cost.cpu_us for cost in fast[name]])
        samples[f"{start}core_share_at_4000"] = kept(
            [cost.cpu_us / cost.wall_us for cost in paced[name]]
        )
    return samples


def _per_second(costs: Sequence[_Cost]) -> int:
    return round(1e6 / statistics.median(cost.wall_us for cost in costs))


async def _cost(read: Read, answers: int, per_second: int) -> _Cost:
    cpu, wall = time.process_time(), time.monotonic()
    for _ in range(answers):
        await read(_DELTAS, per_second)
    events = answers * _DELTAS
    return _Cost(
        (time.process_time() - cpu) / events * 1e6, (time.monotonic() - wall) / events * 1e6
    )


@asynccontextmanager
async def _ours(url: str) -> AsyncIterator[Read]:
    """From the socket through transport, decoding, machine and driver to who speaks the words."""
    async with calling(url, AgentOptions(input="off")) as caller:  # the sender reads nothing ahead

        async def read(count: int, per_second: int) -> None:
            await _read_all(caller, count, per_second)

        yield read


async def _read_all(caller: Caller, count: int, per_second: int) -> None:
    caller.next_turn()
    caller.ask(f"{count} at {per_second}")
    text = ""
    async for _, event in caller.events:
        if isinstance(event, TextReceived):
            text += event.text
        elif isinstance(event, AnswerWritten):
            break
    caller.interrupt("Well.")  # else the conversation would grow by all of this
    assert len(text) >= 4 * count, "not all of the deltas came"


@asynccontextmanager
async def _sdk(url: str) -> AsyncIterator[Read]:
    client = AsyncOpenAI(
        api_key="none", base_url=url.replace("ws:", "http:"), websocket_base_url=url
    )
    async with client.responses.connect() as connection:

        async def read(count: int, per_second: int) -> None:
            await connection.response.create(
                model="sender", input=f"{count} at {per_second}", store=False
            )
            text = ""
            async for event in connection:
                if event.type == "response.output_text.delta":
                    text += event.delta
                elif event.type == "response.completed":
                    break
            assert len(text) >= 4 * count, "not all of the deltas came"

        yield read


@asynccontextmanager
async def _websockets(url: str) -> AsyncIterator[Read]:
    async with connect(
        f"{url}/responses", proxy=None, compression=None, max_queue=None, max_size=None
    ) as socket:

        async def read(count: int, per_second: int) -> None:
            await socket.send(f'{{"input": "{count} at {per_second}"}}')
            for _ in range(count + 8):  # the events before and after the deltas
                await socket.recv(decode=False)

        yield read
