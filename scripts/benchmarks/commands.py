"""Spoken commands: does a model call the right tool with the right arguments, and only when due?

The commands lie in tests/data/commands.json, in sets: `tuning` was looked at while prompt and
thresholds were chosen; `held-out` is said in another style, `other-tools` of other functions, and
neither was; `talk` needs no tool. Arguments that a command does not name are free.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.benchmarks.figures import ROOT, code_version, load, machine, quantile, rounded
from voice.server.backend import (
    Backend,
    Call,
    CallOutput,
    Item,
    Message,
    Prompt,
    TextDelta,
    Tool,
    ToolCall,
)
from voice.server.llama import LlamaBackend

COMMANDS = ROOT / "tests" / "data" / "commands.json"

INSTRUCTIONS = "You are a friendly voice assistant. Answer in one or two short spoken sentences."


@dataclass(frozen=True, slots=True)
class Command:
    """What is said, after what, and the calls that are due (name and arguments)."""

    said: str
    before: tuple[Item, ...]
    calls: tuple[Mapping[str, Any], ...]
    tools: tuple[Tool, ...]

    @property
    def prompt(self) -> Prompt:
        """The request, with the likeliest answer wanted."""
        items = (*self.before, Message("user", self.said))
        return Prompt(items, INSTRUCTIONS, self.tools, temperature=0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model did with a command. `seconds` until the last call or the first word."""

    command: Command
    calls: tuple[ToolCall, ...]
    seconds: float

    @property
    def right(self) -> bool:
        """Exactly the calls that are due, in any order."""
        left = list(self.calls)
        for due in self.command.calls:
            made = next((call for call in left if _fulfils(call, due)), None)
            if made is None:
                return False
            left.remove(made)
        return not left


def load_commands(name: str) -> list[Command]:
    """The commands of one set."""
    sets = json.loads(COMMANDS.read_text(encoding="utf-8"))["sets"]
    chosen = next(one for one in sets if one["name"] == name)
    tools = tuple(Tool(t["name"], t["description"], t["parameters"]) for t in chosen["tools"])
    return [
        Command(
            command["said"],
            tuple(_item(raw) for raw in command.get("before", ())),
            tuple(command["calls"]),
            tools,
        )
        for command in chosen["commands"]
    ]


async def obey(backend: Backend, command: Command) -> Outcome:
    """Let the backend answer, until it is clear what it does."""
    calls: list[ToolCall] = []
    seconds = 0.0
    began = time.monotonic()
    async with aclosing(backend.generate(command.prompt)) as pieces:
        async for piece in pieces:
            if isinstance(piece, ToolCall):
                calls.append(piece)
                seconds = time.monotonic() - began
            elif isinstance(piece, TextDelta):
                seconds = time.monotonic() - began
                break
    return Outcome(command, tuple(calls), seconds)


def measure_commands(model: Path) -> dict[str, Any]:
    """The figures of a GGUF model: shares by set, seconds, and what went wrong."""
    return asyncio.run(_measure(model))


async def _measure(model: Path) -> dict[str, Any]:
    backend = await LlamaBackend.open(model)
    load_before = load()
    try:
        results = {}
        for name in ("tuning", "held-out", "other-tools", "talk"):
            outcomes = [await obey(backend, command) for command in load_commands(name)]
            results[name] = figures(outcomes)
            print(f"{name} is done", file=sys.stderr)
    finally:
        await backend.close()
    return {
        "model": model.stem,
        **results,
        "code": code_version(),
        "machine": machine(),
        "load_before": load_before,
        "load_after": load(),
    }


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Shares of what is right among calls that are due, and of calls where none is.

    The first outcome's time is left out: the tools are read there.
    """
    due = [outcome for outcome in outcomes if outcome.command.calls]
    talk = [outcome for outcome in outcomes if not outcome.command.calls]
    return {
        "due": len(due),
        "right": sum(outcome.right for outcome in due),
        "right_share": rounded(_share(outcome.right for outcome in due)),
        "not_due": len(talk),
        "called_though_not_due": sum(bool(outcome.calls) for outcome in talk),
        "false_call_share": rounded(_share(bool(outcome.calls) for outcome in talk)),
        "call_seconds_p50": rounded(quantile([o.seconds for o in outcomes[1:] if o.calls], 0.5)),
        "word_seconds_p50": rounded(
            quantile([o.seconds for o in outcomes[1:] if not o.calls], 0.5)
        ),
        "wrong": {
            outcome.command.said: [f"{call.name}{call.arguments}" for call in outcome.calls]
            for outcome in outcomes
            if not outcome.right
        },
    }


def report(result: Mapping[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{'':12} {'right':>10} {'false calls':>12} {'call':>8} {'word':>8}"]
    wrong = []
    for name, part in result.items():
        if isinstance(part, Mapping):
            right = f"{part['right']}/{part['due']}"
            false = f"{part['called_though_not_due']}/{part['not_due']}"
            call, word = part["call_seconds_p50"], part["word_seconds_p50"]
            lines.append(f"{name:12} {right:>10} {false:>12} {call or '-':>8} {word or '-':>8}")
            wrong += [f"{name}: {said}: {', '.join(c)}" for said, c in part["wrong"].items()]
    return "\n".join([*lines, "", *wrong])


def _share(values: Iterable[bool]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None


def _fulfils(call: ToolCall, due: Mapping[str, Any]) -> bool:
    arguments = json.loads(call.arguments)
    return call.name == due["name"] and all(
        _same(wanted, arguments.get(name, "")) for name, wanted in due["arguments"].items()
    )


def _same(wanted: Any, value: Any) -> bool:
    """Whether a value is the wanted one, or one of several; "" stands for one that is not there."""
    if isinstance(wanted, list):
        return any(_same(one, value) for one in wanted)
    if isinstance(wanted, str):
        return isinstance(value, str) and value.strip(" .").casefold() == wanted
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    try:
        return float(value) == wanted
    except (TypeError, ValueError):
        return False


def _item(raw: Mapping[str, Any]) -> Item:
    kind = raw.get("type")
    if kind == "function_call":
        return Call(raw["call_id"], raw["name"], raw["arguments"])
    if kind == "function_call_output":
        return CallOutput(raw["call_id"], raw["output"])
    return Message(raw["role"], raw["content"])
