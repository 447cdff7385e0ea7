"""Everything in turn: servers are started, measured and ended, and results grow as it goes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from scripts.benchmarks.figures import code_version, load, machine, rounded
from scripts.demo.certificate import throw_away_tls
from scripts.demo.chains import COLD_WAYS, WAYS, Chain
from scripts.demo.plan import Request
from scripts.demo.rate import measure_rate
from scripts.demo.results import HEADLINE_RTT_MS, Results
from scripts.demo.servers import Server, model_server, reach, script_server, server_at
from scripts.demo.spoken import TTFT_SECONDS, Asking, measure_spoken
from scripts.demo.stages import measure_stages
from scripts.demo.transport import Plan, measure_chains, rehearse
from scripts.demo.workload import FULL
from voice.errors import ModelError, UsageError
from voice.models.resolve import SMALL_LLM

_Part = Callable[[Request, Results], AsyncIterator[str]]
"""Measures into the results, and says now and then what it does."""


async def measure(request: Request, results: Results, *, quick: bool) -> AsyncIterator[str]:
    """All parts that are asked for; says what it does, after each measurement at least.

    A part whose model is missing is left out. Raises `VoiceError`s, perhaps in a group.
    """
    began = time.monotonic()
    results.conditions |= {
        "machine": machine(),
        "code": code_version(),
        "quick": quick,
        "load_before": load(),
        "left_out": {},
        "seconds_of_parts": {},
    }
    try:
        for name in request.parts:
            part_began = time.monotonic()
            try:
                async for doing in _PARTS[name](request, results):
                    yield doing
            except ModelError as error:
                results.conditions["left_out"][name] = str(error)
            seconds = rounded(time.monotonic() - part_began, 1)
            results.conditions["seconds_of_parts"][name] = seconds
    finally:  # also where somebody breaks it off
        results.conditions |= {
            "load_after": load(),
            "seconds": rounded(time.monotonic() - began, 1),
        }


async def _transport(request: Request, results: Results) -> AsyncIterator[str]:
    sizes = request.sizes
    workload = replace(FULL, steps=sizes.steps)
    ways = [*WAYS, *COLD_WAYS] if request.url else WAYS
    plan = Plan(workload, ways, request.rtts_ms, sizes.rounds, sizes.side_by_side)
    tls = throw_away_tls() if request.tls else None
    if request.url:
        server = server_at(request.url, request.key, request.model)
        opening, named = _there(server), server.host
    else:
        opening, named = script_server(workload, tls), "our server, which answers at once"
    secure = request.url.startswith(("https", "wss")) if request.url else tls is not None
    results.conditions["transport"] = _conditions(plan, named, secure)
    async for doing in _chains(opening, plan, results.chains):
        yield f"transport: {doing}"


async def _model(request: Request, results: Results) -> AsyncIterator[str]:
    sizes = request.sizes
    rtt = min(request.rtts_ms, key=lambda rtt: abs(rtt - HEADLINE_RTT_MS))
    plan = Plan(sizes.model_workload, sizes.model_ways, [rtt], sizes.model_rounds)
    tls = throw_away_tls() if request.tls else None
    named = f"our server and the model {SMALL_LLM}"
    results.conditions["model"] = _conditions(plan, named, tls is not None)
    async for doing in _chains(model_server(tls), plan, results.model_chains):
        yield f"model: {doing}"


async def _rate(request: Request, results: Results) -> AsyncIterator[str]:
    yield "rate: starting a server and the voice"
    async for followed in measure_rate(request.sizes.rate_rounds):
        results.followed.append(followed)
        yield f"rate: {followed.per_second:,.0f} tokens a second"


async def _voice(request: Request, results: Results) -> AsyncIterator[str]:
    sizes = request.sizes
    clips = [request.speech / name for name in sizes.questions]
    for clip in clips:
        if not clip.is_file():
            raise UsageError(f"there is no recording {clip}", "leave --speech out")
    scripted = sizes.voice_backend == "script"
    results.conditions["voice"] = {
        "scripted": scripted,
        "server": f"asked of our server with {SMALL_LLM}"
        if not scripted
        else f"answered from a script after {TTFT_SECONDS * 1e3:.0f} ms",
        "questions": len(clips) * sizes.voice_rounds,
    }
    yield "voice: mechanisms by themselves"
    for stage in measure_stages(clips[0], sizes.stage_rounds):
        results.stages.append(stage)
        yield f"voice: {stage.mechanism}"
    yield "voice: asking recorded questions"
    asking = Asking(clips, sizes.variants, sizes.voice_backend, sizes.voice_rounds)
    async for turn in measure_spoken(asking):
        results.turns.append(turn)
        yield f"voice: {turn.variant}"


_PARTS: Final[Mapping[str, _Part]] = {
    "transport": _transport,
    "model": _model,
    "rate": _rate,
    "voice": _voice,
}


async def _chains(
    opening: AbstractAsyncContextManager[Server], plan: Plan, into: list[Chain]
) -> AsyncIterator[str]:
    yield "starting"
    async with opening as server:
        yield "rehearsing"
        await rehearse(server, plan)
        yield "measuring"
        async for chain in measure_chains(server, plan):
            into.append(chain)
            yield f"{len(into)} of {plan.chains} chains"


@asynccontextmanager
async def _there(server: Server) -> AsyncIterator[Server]:
    await reach(server)
    yield server


def _conditions(plan: Plan, server: str, tls: bool) -> dict[str, Any]:
    return {
        "server": server,
        "tls": tls,
        "rounds": plan.rounds,
        "side_by_side": plan.side_by_side,
        "rtts_ms": list(plan.rtts_ms),
        "workload": plan.workload.describe(),
    }
