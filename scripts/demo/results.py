"""Everything that was measured, and the figures that follow from it. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from scripts.benchmarks.figures import Target, quantile, rounded, verdicts
from scripts.demo.calls import Timed
from scripts.demo.chains import Chain, Way
from scripts.demo.rate import Followed, Through
from scripts.demo.spoken import Turn
from scripts.demo.stages import Stage

PARTS: Final = ("connect", "upload", "first", "stream")
"""Of a request, in order; each has `<name>_seconds` in `Timed`."""

HEADLINE_RTT_MS: Final = 60.0
"""Of a server on the same continent, through a home's network."""

TARGETS: Final = {
    "model_websocket_to_http_new_cold": Target(0.4),
    "model_websocket_to_http_cold": Target(0.6),
    "model_websocket_to_http": Target(1.02),
    "model_websocket_to_http_id": Target(1.02),
    "tokens_per_second_followed": Target(4000, least=True),
}
"""Ratios of whole chains at `HEADLINE_RTT_MS`, with a model that reads its prompts. Against a warm
prefix the target is never to be slower; 2 % are noise."""

_JUDGED_CALLS: Final = 24
"""A chain with a model that is shorter is only a sample: it has no verdict."""

_RATIOS: Final = {
    "http_new_cold": "a cold",
    "http_cold": "b cold",
    "http_new": "a",
    "http": "b",
    "http_id": "c",
}
_KEEPS_UP: Final = 0.98
"""Of a pace: what is slower falls behind."""


@dataclass(slots=True)
class Results:
    """What was measured so far."""

    conditions: dict[str, Any] = field(default_factory=dict)
    chains: list[Chain] = field(default_factory=list)
    """Pure transport: a server that answers at once, or somebody else's."""
    model_chains: list[Chain] = field(default_factory=list)
    """With a model that reads what it is sent."""
    followed: list[Followed] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds of a whole chain: the median of the rounds, and how far its calls spread.

    `low` and `high`: if all calls after the first took as long as the quickest and the slowest
    tenth of them.
    """

    low: float
    median: float
    high: float


def spread(chains: Sequence[Chain]) -> Spread:
    """Of chains that were held in one way over one link."""
    first = statistics.median(chain.calls[0].seconds for chain in chains)
    later = [call.seconds for chain in chains for call in chain.calls[1:]]
    median = statistics.median(chain.seconds for chain in chains)
    if not later:
        return Spread(median, median, median)
    count = len(chains[0].calls) - 1
    low, high = (first + (quantile(later, share) or 0.0) * count for share in (0.1, 0.9))
    return Spread(min(low, median), median, max(high, median))


def ways_of(chains: Iterable[Chain]) -> list[Way]:
    """The ways that were measured, in the order of their letters."""
    return sorted({chain.way for chain in chains}, key=lambda way: way.letter)


def rtts_of(chains: Iterable[Chain]) -> list[float]:
    """The links' round-trip times, ms."""
    return sorted({chain.rtt_ms for chain in chains})


def headline_rtt(chains: Iterable[Chain]) -> float:
    """The link that words and single plots are about, ms."""
    return min(rtts_of(chains), key=lambda rtt: abs(rtt - HEADLINE_RTT_MS))


def held(chains: Iterable[Chain], letter: str, rtt_ms: float) -> list[Chain]:
    """The chains of one way over one link."""
    return [chain for chain in chains if chain.way.letter == letter and chain.rtt_ms == rtt_ms]


def ratio(chains: Sequence[Chain], letter: str, to: str, rtt_ms: float) -> float | None:
    """Median time of one way's chains to another's; None where one was not measured."""
    ours, theirs = held(chains, letter, rtt_ms), held(chains, to, rtt_ms)
    if not ours or not theirs:
        return None
    return spread(ours).median / spread(theirs).median


def mean_parts(chains: Sequence[Chain]) -> dict[str, float]:
    """Mean seconds of a call's parts."""
    return {
        part: statistics.fmean(
            getattr(call, f"{part}_seconds") for chain in chains for call in chain.calls
        )
        for part in PARTS
    }


def chain_bytes(chains: Sequence[Chain]) -> tuple[float, float]:
    """Sent and received in a whole chain, the median of the rounds."""

    def median(size: Callable[[Timed], int]) -> float:
        return float(statistics.median(sum(map(size, chain.calls)) for chain in chains))

    return median(lambda call: call.up_bytes), median(lambda call: call.down_bytes)


def followed_at(answers: Iterable[Followed], through: Through) -> dict[float, float]:
    """Tokens a second as they arrived, by the pace at which they were written (medians)."""
    by_pace: dict[float, list[float]] = {}
    for one in answers:
        if one.through == through:
            by_pace.setdefault(one.offered, []).append(one.per_second)
    return {pace: statistics.median(rates) for pace, rates in by_pace.items()}


def keeps_up(answers: Iterable[Followed]) -> float | None:
    """The highest rate that was followed, text and speech alike; None without any.

    At the server's own limit that is what arrived; at a pace it counts if none was lost.
    """
    answers = list(answers)
    best = []
    for through in sorted({one.through for one in answers}):
        rates = followed_at(answers, through)
        kept = [rate for pace, rate in rates.items() if not pace or rate >= _KEEPS_UP * pace]
        best.append(max(kept, default=0.0))
    return min(best, default=None)


def voice_to_voice(turns: Iterable[Turn]) -> dict[str, float]:
    """Median seconds from the last sample of speech to the first of the answer, by variant."""
    by_variant: dict[str, list[float]] = {}
    for turn in turns:
        by_variant.setdefault(turn.variant, []).append(turn.seconds)
    return {variant: statistics.median(times) for variant, times in by_variant.items()}


def typical_turns(turns: Iterable[Turn]) -> list[Turn]:
    """Of each question in each variant the turn that took the median time."""
    asked: dict[tuple[str, str], list[Turn]] = {}
    for turn in turns:
        asked.setdefault((turn.variant, turn.question), []).append(turn)
    by_time = (sorted(of, key=lambda turn: turn.seconds) for of in asked.values())
    return [of[(len(of) - 1) // 2] for of in by_time]


def stage_medians(stages: Iterable[Stage]) -> dict[str, tuple[str, float, float]]:
    """By mechanism: what was measured, our seconds and those of the usual way."""
    by_mechanism: dict[str, list[Stage]] = {}
    for stage in stages:
        by_mechanism.setdefault(stage.mechanism, []).append(stage)
    return {
        mechanism: (
            of[0].what,
            statistics.median(one.ours_seconds for one in of),
            statistics.median(one.usual_seconds for one in of),
        )
        for mechanism, of in by_mechanism.items()
    }


def judged(results: Results) -> dict[str, Target]:
    """The targets on which these results can be judged."""
    if results.conditions["quick"]:
        return {}
    whole = any(len(chain.calls) >= _JUDGED_CALLS for chain in results.model_chains)
    return {
        name: target for name, target in TARGETS.items() if whole or not name.startswith("model")
    }


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────


def figures(results: Results) -> dict[str, Any]:
    """Single figures, in the shape of the benchmarks."""
    found: dict[str, Any] = {}
    for name, chains in (("transport", results.chains), ("model", results.model_chains)):
        if not chains:
            continue
        rtt = headline_rtt(chains)
        for suffix, to in _RATIOS.items():
            found[f"{name}_websocket_to_{suffix}"] = rounded(ratio(chains, "d", to, rtt))
        found[f"{name}_first_turn_warmed_up_to_websocket"] = rounded(first_turn_ratio(chains))
        found |= {f"{name}_ms_{key}": value for key, value in _chain_figures(chains).items()}
    found["tokens_per_second_followed"] = rounded(keeps_up(results.followed), 0)
    for variant, seconds in voice_to_voice(results.turns).items():
        found[f"voice_to_voice_ms_{variant.replace(' ', '_')}"] = rounded(seconds * 1e3, 0)
    for mechanism, (_, ours, usual) in stage_medians(results.stages).items():
        name = mechanism.replace(" ", "_").replace("-", "_")
        found |= {f"{name}_ms": rounded(ours * 1e3, 1), f"{name}_usual_ms": rounded(usual * 1e3, 1)}
    return {name: value for name, value in found.items() if value is not None}


def first_turn_ratio(chains: Sequence[Chain]) -> float | None:
    """First call of a warmed-up WebSocket to that of one that was not."""
    rtt = headline_rtt(chains)
    cold, warm = ([c.calls[0].seconds for c in held(chains, way, rtt)] for way in ("d", "e"))
    return statistics.median(warm) / statistics.median(cold) if cold and warm else None


def as_json(results: Results) -> dict[str, Any]:
    """All of it: conditions, targets, figures, and every single measurement."""
    found = figures(results)
    return {
        "conditions": results.conditions,
        "targets": verdicts(found, judged(results)),
        "figures": found,
        "measured": {
            "chains": [_chain(chain) for chain in results.chains],
            "model_chains": [_chain(chain) for chain in results.model_chains],
            "followed": [asdict(one) for one in results.followed],
            "turns": [{**asdict(turn), "at": dict(turn.at)} for turn in results.turns],
            "stages": [asdict(stage) for stage in results.stages],
        },
    }


def _chain_figures(chains: Sequence[Chain]) -> dict[str, float | None]:
    return {
        f"{way.letter.replace(' ', '_')}_rtt_{rtt:g}": rounded(spread(of).median * 1e3, 1)
        for way in ways_of(chains)
        for rtt in rtts_of(chains)
        if (of := held(chains, way.letter, rtt))
    }


def _chain(chain: Chain) -> Mapping[str, Any]:
    return {
        "way": chain.way.letter,
        "name": chain.way.name,
        "rtt_ms": chain.rtt_ms,
        "seconds": chain.seconds,
        "ahead_seconds": chain.ahead_seconds,
        "calls": [asdict(call) for call in chain.calls],
    }
