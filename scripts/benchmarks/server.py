"""The benchmark of the local server: first words, relaying, connections, stopping.

The server is a process of its own, as `voice run` starts it; everything goes over loopback.
"""

from __future__ import annotations

import asyncio
import json
import resource
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks.parts import Part, measure_parts
from scripts.benchmarks.responses_turns import sentence
from scripts.benchmarks.server_figures import TARGETS
from scripts.benchmarks.server_load import measure_connections, measure_events
from scripts.benchmarks.server_stop import measure_stop
from scripts.benchmarks.server_talk import Plan, measure_talk
from voice.models.resolve import SMALL_LLM, weights
from voice.server.child import local_server
from voice.server.limits import Limits
from voice.server.serve import ServeOptions

_CONTEXT_TOKENS: Final = 8192
"""Fifty turns have up to 3,800 tokens, and an answer wants room after them."""

_LANE_TOKENS_PER_SECOND: Final = 10.0
_SPARE_FILES: Final = 100
"""Files that a process has open besides its connections."""

_Measure = Callable[[str, str], dict[str, Any]]
"""Given the server's URL and key."""


async def _talk() -> dict[str, Any]:
    figures = await _with_model(lambda url, key: measure_talk(url, key, Plan()))
    return {"first_token_model": SMALL_LLM, "context_tokens": _CONTEXT_TOKENS, **figures}


async def _quick_talk() -> dict[str, Any]:
    plan = Plan(turns=(1, 3), rounds=1, warm_repeats=1)
    return await _with_script(lambda url, key: measure_talk(url, key, plan), words=20)


async def _events() -> dict[str, Any]:
    return await _with_script(
        lambda url, key: measure_events(
            url, key, words=2000, repeats=5, answers=15, connections=100
        ),
        words=2000,
    )


async def _quick_events() -> dict[str, Any]:
    return await _with_script(
        lambda url, key: measure_events(url, key, words=500, repeats=1, answers=2, connections=5),
        words=500,
    )


async def _connections() -> dict[str, Any]:
    figures = await _held(200, seconds=26.0)
    if _may_open(1000):
        thousand = await _held(1000, seconds=26.0)
        figures |= {f"{name}_of_1000": value for name, value in thousand.items()}
    return figures


async def _quick_connections() -> dict[str, Any]:
    return await _held(20, seconds=1.5)


async def _held(count: int, seconds: float) -> dict[str, Any]:
    words = round(seconds * _LANE_TOKENS_PER_SECOND)
    return await _with_script(
        lambda url, key: measure_connections(url, key, count, words, held_seconds=seconds * 0.8),
        words=words,
        options=ServeOptions(
            tokens_per_second=_LANE_TOKENS_PER_SECOND,
            limits=Limits(connections=count + _SPARE_FILES),
        ),
    )


async def _stop() -> dict[str, Any]:
    return await _with_model(lambda url, key: measure_stop(url, key, repeats=8, long_words=900))


async def _quick_stop() -> dict[str, Any]:
    return await _with_script(
        lambda url, key: measure_stop(url, key, repeats=1, long_words=50),
        words=400,
        options=ServeOptions(tokens_per_second=50.0),
    )


PARTS: Mapping[str, Part] = {
    "talk": Part(_talk, _quick_talk),
    "events": Part(_events, _quick_events),
    "connections": Part(_connections, _quick_connections),
    "stop": Part(_stop, _quick_stop),
}


def measure_server(
    parts: Sequence[str], save: Callable[[dict[str, Any]], None], *, quick: bool
) -> dict[str, Any]:
    """The figures, verdicts and conditions of these parts, as `measure_parts` tells them.

    `quick` needs no model, and its figures say nothing: there are no verdicts on them.
    """
    chosen = {name: PARTS[name] for name in parts}
    return measure_parts(chosen, {} if quick else TARGETS, save, quick=quick)


# ── servers ──────────────────────────────────────────────────────────────────────────────────


async def _with_model(measure: _Measure) -> dict[str, Any]:
    """Measure the server with the small model. Raises `ModelError`."""
    options = ServeOptions(model=weights(SMALL_LLM, ".gguf"), context_tokens=_CONTEXT_TOKENS)
    with tempfile.TemporaryDirectory() as folder:
        return await _measured(measure, replace(options, store=Path(folder) / "responses.db"))


async def _with_script(
    measure: _Measure, words: int, options: ServeOptions | None = None
) -> dict[str, Any]:
    """Measure the server with the script backend, whose every answer has so many words."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.toml"
        script.write_text(f"[[reply]]\ntext = {json.dumps(sentence(words, 1))}\n", "utf-8")
        options = replace(options or ServeOptions(), backend="script", script=script)
        return await _measured(measure, options)


async def _measured(measure: _Measure, options: ServeOptions) -> dict[str, Any]:
    """On a thread of its own: it blocks, and somebody has to read what the server logs."""
    async with local_server(options) as (url, key):
        return await asyncio.to_thread(measure, url, key)


def _may_open(connections: int) -> bool:
    """Whether a process may have so many connections, after asking for that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 2 * _SPARE_FILES
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted <= hard
