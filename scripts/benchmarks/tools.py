"""The benchmark of tools: what a call costs beside the tool, and whether the right one is made.

What is measured how stands in `tools_chain`, `tools_mcp` and `tools_spoken`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from scripts.benchmarks.parts import Part, measure_parts
from scripts.benchmarks.parts import report as report_parts
from scripts.benchmarks.tools_chain import measure_overhead, measure_parallel
from scripts.benchmarks.tools_figures import TARGETS
from scripts.benchmarks.tools_spoken import SPEEDS, VOICE, measure_spoken

_PART_SECONDS = 3600.0
"""What takes longer hangs; forty spoken commands take a quarter of that."""


async def _measure_mcp(calls: int) -> dict[str, Any]:
    # Not before it is its turn: the package is large, and Python's collector goes through it.
    from scripts.benchmarks.tools_mcp import measure_mcp  # noqa: PLC0415

    return await measure_mcp(calls)


PARTS: Mapping[str, Part] = {
    "overhead": Part(lambda: measure_overhead(20), lambda: measure_overhead(2)),
    "parallel": Part(lambda: measure_parallel(30), lambda: measure_parallel(3)),
    "mcp": Part(lambda: _measure_mcp(200), lambda: _measure_mcp(10)),
}


def measure_tools(
    parts: Sequence[str],
    spoken_to: Sequence[str],
    save: Callable[[dict[str, Any]], None],
    *,
    quick: bool,
) -> dict[str, Any]:
    """The figures, verdicts and conditions of these parts, and of commands spoken to these models.

    `save` is given what is known after each part.
    """
    chosen = {name: PARTS[name] for name in parts} | {
        f"spoken to {model}": Part(
            partial(measure_spoken, model, quick=False), partial(measure_spoken, model, quick=True)
        )
        for model in spoken_to
    }

    def save_all(result: dict[str, Any]) -> None:
        if spoken_to:
            result["conditions"]["spoken_by"] = f"Piper ({VOICE}) at {SPEEDS} of its usual speed"
            result["conditions"]["understood_by"] = "Whisper tiny.en"
        save(result)

    return measure_parts(chosen, TARGETS, save_all, quick=quick, limit_seconds=_PART_SECONDS)


def report(result: Mapping[str, Any]) -> str:
    """The figures for people, and which commands were misheard or went wrong."""
    lines = [report_parts(result, TARGETS)]
    for name, texts in result["figures"].items():
        if isinstance(texts, Mapping) and texts:
            lines += ["", f"{name}:", *(f"  {said}: {what}" for said, what in texts.items())]
    return "\n".join(lines)
