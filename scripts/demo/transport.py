"""The transport part: all ways in turn over links of several round-trip times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import count

from scripts.demo.chains import Chain, Way, hold_chain
from scripts.demo.servers import Server, linked
from scripts.demo.workload import Workload


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: in each round every way once over every link.

    A cold prefix has one round only: with a model it takes ten times as long as the others, and its
    times differ from them by far more than they spread.
    """

    workload: Workload
    ways: Sequence[Way]
    rtts_ms: Sequence[float]
    rounds: int = 1
    side_by_side: bool = False
    """Over the links that delay, a way's chains run at the same time: they mostly wait. A link
    without delay is always measured alone."""

    @property
    def chains(self) -> int:
        """How many there will be."""
        return sum(len(self.order(number)) for number in range(self.rounds)) * len(self.rtts_ms)

    def groups(self) -> list[list[float]]:
        """The round-trip times that are measured at the same time."""
        if not self.side_by_side:
            return [[rtt] for rtt in self.rtts_ms]
        delayed = [rtt for rtt in self.rtts_ms if rtt]
        return [*([rtt] for rtt in self.rtts_ms if not rtt), *([delayed] if delayed else [])]

    def order(self, round_number: int) -> list[Way]:
        """Each round begins with another way, so that none is always the first."""
        ways = [way for way in self.ways if way.prefix == "warm" or not round_number]
        first = round_number % len(ways)
        return [*ways[first:], *ways[:first]]


async def measure_chains(server: Server, plan: Plan) -> AsyncIterator[Chain]:
    """Every chain as soon as it is held. Raises `AgentError` and `UsageError`."""
    labels = (f"Run {number}" for number in count(1))
    async with AsyncExitStack() as stack:
        targets = {
            rtt: await stack.enter_async_context(linked(server, rtt)) for rtt in plan.rtts_ms
        }
        for round_number in range(plan.rounds):
            for rtts in plan.groups():
                for way in plan.order(round_number):
                    holding = [
                        hold_chain(way, targets[rtt], plan.workload, next(labels)) for rtt in rtts
                    ]
                    for chain in await asyncio.gather(*holding):
                        yield chain


async def rehearse(server: Server, plan: Plan) -> None:
    """One call in each way that nobody times: first calls load code and open files.

    Not in the way that is warmed up, whose client has been used then. All have the same
    instructions, so a model reads them once. Raises `AgentError` and `UsageError`.
    """
    short = replace(plan.workload, steps=1)
    async with linked(server, 0) as target:
        for way in plan.ways:
            if way.prefix == "warm" and way.kind != "websocket-warm":
                await hold_chain(way, target, short, "Rehearsal")
