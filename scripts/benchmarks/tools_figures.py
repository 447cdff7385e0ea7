"""From calls and commands to figures and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.benchmarks.commands import Outcome
from scripts.benchmarks.figures import Target, kept, quantile, rounded
from scripts.benchmarks.listen_words import normalised

KINDS = ("coroutine", "thread")
"""How a function tool runs: as the coroutine that it is, or on a thread."""

TARGETS: Mapping[str, Target] = {
    "overhead_ms_p50": Target(2.0),
    "spoken_right_share_0_5b": Target(0.75, least=True),
    "spoken_right_share_1_5b": Target(0.85, least=True),
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call in a chain: how its tool ran, its place from 1 on, and the time beside the tool's."""

    kind: str
    place: int
    overhead_seconds: float


@dataclass(frozen=True, slots=True)
class Spoken:
    """A spoken command: what was understood, what was done, and what broke off, if it did."""

    outcome: Outcome
    heard: str
    failure: str = ""

    @property
    def right(self) -> bool:
        """Exactly the calls that are due."""
        return not self.failure and self.outcome.right

    @property
    def misheard(self) -> bool:
        """Whether other words were understood than were said."""
        return normalised(self.outcome.command.said) != normalised(self.heard)


def chain_figures(calls: Sequence[Call]) -> dict[str, Any]:
    """The overhead of all calls, of each kind, and at either end of the chain."""
    last = max(call.place for call in calls)
    figures: dict[str, Any] = {
        "overhead_ms_p50": _overhead_ms(calls, 0.5),
        "overhead_ms_p95": _overhead_ms(calls, 0.95),
    }
    for name, part in _parts(calls).items():
        figures[f"overhead_ms_p50_{name}"] = _overhead_ms(part, 0.5)
    return figures | {"overhead_calls": len(calls), "overhead_calls_in_a_chain": last}


def chain_samples(calls: Sequence[Call]) -> dict[str, list[float]]:
    """What lies behind these figures, in ms; of the same calls."""
    parts = {f"overhead_ms_{name}": part for name, part in _parts(calls).items()}
    return {
        name: kept([call.overhead_seconds for call in part], 1e3)
        for name, part in {"overhead_ms": calls, **parts}.items()
    }


def _parts(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """The first and the last third of the chain, and each kind."""
    last = max(call.place for call in calls)
    third = last // 3
    ends = {
        f"calls_1_to_{third}": [c for c in calls if c.place <= third],
        f"calls_{last - third + 1}_to_{last}": [c for c in calls if c.place > last - third],
    }
    return ends | {kind: [call for call in calls if call.kind == kind] for kind in KINDS}


def parallel_figures(seconds: Mapping[int, Sequence[float]], tool_seconds: float) -> dict[str, Any]:
    """How long rounds take, by how many calls they have; each call takes `tool_seconds`."""
    figures: dict[str, Any] = {"parallel_tool_ms": milliseconds(tool_seconds)}
    for count, of_count in seconds.items():
        figures[f"parallel_round_ms_p50_{count}"] = milliseconds(quantile(of_count, 0.5))
        figures[f"parallel_round_ms_p95_{count}"] = milliseconds(quantile(of_count, 0.95))
    return figures | {"parallel_rounds_of_each": min(map(len, seconds.values()))}


def parallel_samples(seconds: Mapping[int, Sequence[float]]) -> dict[str, list[float]]:
    """What lies behind these figures, in ms; of the same rounds."""
    return {f"parallel_round_ms_{count}": kept(of, 1e3) for count, of in seconds.items()}


def spoken_figures(model: str, spoken: Sequence[Spoken]) -> dict[str, Any]:
    """How many commands a model obeyed; `right` and `misheard` are shares of all commands.

    Seconds are from the last word to the first call.
    """
    due = [one for one in spoken if one.outcome.command.calls]
    talk = [one for one in spoken if not one.outcome.command.calls]
    seconds = _call_seconds(spoken)
    figures = {
        "commands": len(spoken),
        "right_share": _share([one.right for one in spoken]),
        "right_share_of_due": _share([one.right for one in due]),
        "right_share_of_understood": _share([one.right for one in spoken if not one.misheard]),
        "false_call_share": _share([bool(one.outcome.calls) for one in talk]),
        "misheard_share": _share([one.misheard for one in spoken]),
        "call_seconds_p50": rounded(quantile(seconds, 0.5)),
        "broken_off": sum(bool(one.failure) for one in spoken),
        "misheard": {one.outcome.command.said: one.heard for one in spoken if one.misheard},
        "wrong": {one.outcome.command.said: _done(one) for one in spoken if not one.right},
    }
    return {f"spoken_{name}_{_size(model)}": value for name, value in figures.items()}


def spoken_samples(model: str, spoken: Sequence[Spoken]) -> dict[str, list[float]]:
    """What lies behind the seconds to the first call; shares have none but right or wrong."""
    return {f"spoken_call_seconds_{_size(model)}": kept(_call_seconds(spoken))}


def _call_seconds(spoken: Sequence[Spoken]) -> list[float]:
    outcomes = [one.outcome for one in spoken]
    return [one.seconds for one in outcomes if one.command.calls and one.calls]


def _size(model: str) -> str:
    """`0_5b` of `qwen2.5-coder-0.5b`."""
    return model.rpartition("-")[2].replace(".", "_")


def _done(one: Spoken) -> str:
    """What the program made of a command."""
    if one.failure:
        return one.failure
    calls = [f"{call.name}{call.arguments}" for call in one.outcome.calls]
    return f"understood {one.heard!r}, called {', '.join(calls) or 'nothing'}"


def _share(values: Sequence[bool]) -> float | None:
    return rounded(sum(values) / len(values)) if values else None


def _overhead_ms(calls: Sequence[Call], share: float) -> float | None:
    return milliseconds(quantile([call.overhead_seconds for call in calls], share))


def milliseconds(seconds: float | None) -> float | None:
    """For people and for short files; None stays none."""
    return None if seconds is None else rounded(seconds * 1e3, 2)
