"""What words ahead and early answers save, with the language model on this machine.

Words come at a pace, and are final at once. Each repeat has a connection of its own and
instructions that begin differently, so the server knows nothing of the one before; a second
question on the same connection shows the later turns, for which instructions and tools have been
read. The ways that are compared take turns.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from scripts.benchmarks.figures import kept, rounded
from scripts.benchmarks.responses_caller import Caller, calling
from voice.models.resolve import SMALL_LLM, weights
from voice.responses.options import INSTRUCTIONS, AgentOptions
from voice.responses.signals import Committed, LikelyEnded
from voice.server.child import local_server
from voice.server.serve import ServeOptions

_SECONDS_PER_WORD = 0.06
"""Five times as fast as people speak: the server has less time to read ahead than it would."""

_PAUSE_SECONDS = 0.25
"""Silence that ends the turn (`TurnOptions.quick_seconds`)."""

_LEADS_SECONDS = (0.25, 0.9)
"""How long before its end the turn has probably ended: the quick pause, and a doubtful one."""

_TOPICS = (
    ("a birthday party for my grandmother", "a chocolate cake with strawberries"),
    ("a walking tour through the mountains", "a heavy jacket and good boots"),
    ("a dinner for six friends of mine", "a large pot of vegetable soup"),
    ("a long train journey to the north", "a book about the old kings"),
    ("a quiet afternoon in the garden", "a pair of gloves and seeds"),
    ("a concert in the small town hall", "a ticket for my younger sister"),
    ("a move to a much smaller flat", "a van and twenty empty boxes"),
    ("a camping weekend beside the lake", "a tent that keeps the rain out"),
)


def _question(number: int) -> str:
    """Twenty-one words or so, as they are spoken."""
    occasion, thing = _TOPICS[number % len(_TOPICS)]
    return f"I am planning {occasion} and wonder whether I need {thing}. What do you think of it?"


async def measure_ahead(repeats: int, turns: int) -> dict[str, Any]:
    """From the end of a spoken question to the first token, for so many (1 or 2) questions."""
    times: dict[str, list[list[float]]] = {way: [] for way in ("off", "warmup", "stream")}
    async with _server() as (url, key):
        for number in range(repeats):
            for way, of_way in times.items():
                options = AgentOptions(
                    input=way,  # type: ignore[arg-type]
                    instructions=f"Conversation {number} ({way}). {INSTRUCTIONS}",
                    eager=False,
                )
                async with calling(url, options, key=key) as caller:
                    of_way.append([await _ask(caller, 2 * number + n) for n in range(turns)])
    figures: dict[str, Any] = {"input_ahead_repeats": repeats, "input_ahead_model": SMALL_LLM}
    samples: dict[str, list[float]] = {}
    for way, of_way in times.items():
        for turn, name in enumerate(("first", "later")[:turns]):
            seconds = [one[turn] for one in of_way]
            figure = f"first_token_ms_input_{way}_{name}_turn"
            figures[figure], samples[figure] = _median_ms(seconds), kept(seconds, 1e3)
    return figures | {"samples": samples}


async def measure_eager(repeats: int) -> dict[str, Any]:
    """From the end of a turn to the first token, by when it had probably ended."""
    times: dict[tuple[float, bool], list[float]] = {
        (lead, eager): [] for lead in _LEADS_SECONDS for eager in (False, True)
    }
    async with (
        _server() as (url, key),
        calling(url, AgentOptions(eager=True), key=key) as early,
        calling(url, AgentOptions(eager=False), key=key) as late,
    ):
        for caller in (early, late):
            await _ask(caller, repeats)  # the first one warms up
        for number in range(repeats):
            for (lead, eager), seconds in times.items():
                seconds.append(await _ask(early if eager else late, number, lead))
    by_figure = {
        f"first_token_ms_eager_{'on' if eager else 'off'}_likely_end_{lead:g}s": seconds
        for (lead, eager), seconds in times.items()
    }
    return {
        **{figure: _median_ms(seconds) for figure, seconds in by_figure.items()},
        "eager_repeats": repeats,
        "samples": {figure: kept(seconds, 1e3) for figure, seconds in by_figure.items()},
    }


async def _ask(caller: Caller, number: int, lead_seconds: float = 0.0) -> float:
    """Speak a question, and hear the first word of the answer; returns the seconds to it."""
    turn, words = caller.next_turn(), _question(number).split()
    for count in range(1, len(words) + 1):
        caller.tell(Committed(turn, " ".join(words[:count])))
        await asyncio.sleep(_SECONDS_PER_WORD)
    if lead_seconds:
        caller.tell(LikelyEnded(turn, _question(number)))
    await asyncio.sleep(lead_seconds or _PAUSE_SECONDS)
    asked_at = caller.ask(_question(number))
    first_at = await caller.first_token()
    caller.interrupt(caller.text)  # the rest of the answer is not what is measured
    return first_at - asked_at


def _server() -> AbstractAsyncContextManager[tuple[str, str]]:
    """The server that `voice run` starts, with the small model. Raises `ModelError`."""
    return local_server(ServeOptions(model=weights(SMALL_LLM, ".gguf")))


def _median_ms(seconds: Sequence[float]) -> float | None:
    return rounded(statistics.median(seconds) * 1e3, 1)
