"""The summary: in words what was measured, under which conditions, and what it does not show."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.demo.chains import Chain
from scripts.demo.results import (
    Results,
    chain_bytes,
    first_turn_ratio,
    followed_at,
    headline_rtt,
    held,
    keeps_up,
    ratio,
    spread,
    stage_medians,
    voice_to_voice,
    ways_of,
)

_SAME = 0.02
"""Ratios so near to 1 are noise on any machine."""

_SIDE_BY_SIDE = " (over links of several round-trip times at once, since they mostly wait)"


def compared(value: float) -> str:
    """A ratio of times in words."""
    if abs(value - 1) <= _SAME:
        return "the same time (within 2 %)"
    return f"{abs(1 - value):.0%} {'less' if value < 1 else 'more'} time".replace("%", " %")


def conditions(results: Results) -> str:
    """Where and how it was measured."""
    of = results.conditions
    return (
        f"{of['machine']}; load {of['load_before']} before and {of['load_after']} after; code "
        f"{of['code']}; {of['seconds']:.0f} s in all, the starts of the servers included. Client, "
        "link and our own servers share this machine's cores."
    )


def transport(results: Results) -> list[str]:
    """What the ways of asking cost where the answer costs nothing."""
    chains = results.chains
    if not chains:
        return []
    rtt, of = headline_rtt(chains), results.conditions["transport"]
    lines = [
        f"{_workload(of['workload'])}, asked of {of['server']}, over a link with a round trip of "
        f"{rtt:g} ms{', TLS' if of['tls'] else ', no TLS'}, {_rounds(of['rounds'], chains)}"
        f"{_SIDE_BY_SIDE if of['side_by_side'] else ''}: {_totals(chains, rtt)}.",
        *_against(chains, rtt),
        _bytes(chains, rtt),
    ]
    if _slower(chains, rtt):
        lines.append(
            "Here the WebSocket is not faster than a kept HTTP connection. Both pay one round trip "
            "a call, and opening a WebSocket takes one more; on a link without a limit on "
            "bandwidth a whole context travels for free. Its gain lies in what it spares the "
            "server and in what may be sent ahead."
        )
    return lines


def model(results: Results) -> list[str]:
    """The same with a model that has to read what it is sent."""
    chains = results.model_chains
    if not chains:
        return []
    rtt, of = headline_rtt(chains), results.conditions["model"]
    lines = [
        f"{_workload(of['workload'])}, with {of['server']}, round trip {rtt:g} ms, "
        f"{_rounds(of['rounds'], chains)}: {_totals(chains, rtt)}.",
        *_against(chains, rtt),
        f"Prompt tokens that the model had to read in the chain, what was read while "
        f"warming up not counted: {_read_tokens(chains, rtt)}.",
    ]
    if held(chains, "b cold", rtt):
        lines.append(
            "On a cold prefix nothing of a request is in the server's prompt cache, as with a "
            "server that keeps no state or one that a load balancer chose anew: this is where "
            "continuing over one connection gains most. On a warm prefix HTTP lets the model do "
            "the same work, and only connections and bytes are left to be saved."
        )
    if of["rounds"] == 1:
        lines.append("Held once: a tenth more or less between two warm ways is noise.")
    lines += list(_warmed(chains, rtt))
    return lines


def rate(results: Results) -> list[str]:
    """How much the client can take."""
    if not results.followed:
        return []
    text, speech = (followed_at(results.followed, kind) for kind in ("text", "speech"))
    paces = ", ".join(
        f"{_paced(pace)} {rate:,.0f}{f' / {speech[pace]:,.0f}' if pace in speech else ''}"
        for pace, rate in text.items()
    )
    best = keeps_up(results.followed)
    return [
        f"Tokens a second that arrived, written at a pace (text alone"
        f"{' / through the chunker while the voice speaks' if speech else ''}): {paces}. "
        f"Without falling behind: {best:,.0f} a second; the last figure is the limit of our server "
        "and our client together."
    ]


def voice(results: Results) -> list[str]:
    """What the user hears."""
    lines = []
    if results.turns:
        of = results.conditions["voice"]
        times = ", ".join(
            f"{variant} {seconds * 1e3:,.0f} ms"
            for variant, seconds in voice_to_voice(results.turns).items()
        )
        lines.append(
            f"From the last sample of a recorded question to the first sample of the answer, "
            f"{of['server']}: {times} (medians of {of['questions']} each)."
        )
        if of["scripted"]:
            lines.append(
                "This server needs as long for a first token whatever it is sent, so sending words "
                "ahead gains nothing here; with a model that reads them, it does (--full)."
            )
    for mechanism, (what, ours, usual) in stage_medians(results.stages).items():
        lines.append(
            f"{mechanism.capitalize()}, {what}: {ours * 1e3:,.0f} ms instead of "
            f"{usual * 1e3:,.0f} ms."
        )
    return lines


def summary(results: Results) -> Mapping[str, list[str]]:
    """All of it, by the name of the part."""
    parts = {
        "Transport": transport(results),
        "With a model": model(results),
        "Rate": rate(results),
        "Voice": voice(results),
    }
    left_out = [
        f"{name} was left out: {why}" for name, why in results.conditions["left_out"].items()
    ]
    parts["Left out"] = left_out
    return {name: lines for name, lines in parts.items() if lines}


# ── sentences ────────────────────────────────────────────────────────────────────────────────


def _workload(of: Mapping[str, Any]) -> str:
    return (
        f"{_counted(of['steps'], 'tool call')} with about {of['instruction_tokens']:,} tokens of "
        f"instructions, {_counted(of['tools'], 'tool')} and outputs of about "
        f"{of['output_tokens']} tokens"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _rounds(count: int, chains: Sequence[Chain]) -> str:
    if count == 1:
        return "once"
    cold = any(chain.way.prefix == "cold" for chain in chains)
    return f"medians of {count} rounds{', a cold prefix once' if cold else ''}"


def _totals(chains: Sequence[Chain], rtt: float) -> str:
    return ", ".join(
        f"({way.letter}) {spread(held(chains, way.letter, rtt)).median:.2f} s"
        for way in ways_of(chains)
    )


def _against(chains: Sequence[Chain], rtt: float) -> Iterator[str]:
    found = {
        way: value
        for way in ("a cold", "b cold", "a", "b", "c")
        if (value := ratio(chains, "d", way, rtt)) is not None
    }
    if found:
        said = "; ".join(f"against ({way}) {compared(value)}" for way, value in found.items())
        yield f"WebSocket (d) takes, {said}."


def _slower(chains: Sequence[Chain], rtt: float) -> bool:
    kept = [ratio(chains, "d", way, rtt) for way in ("b", "c")]
    return any(value is not None and value > 1 - _SAME for value in kept)


def _bytes(chains: Sequence[Chain], rtt: float) -> str:
    sent = ", ".join(
        f"({way.letter}) {up / 1e3:,.0f} kB up, {down / 1e3:,.0f} kB down"
        for way in ways_of(chains)
        for up, down in [chain_bytes(held(chains, way.letter, rtt))]
    )
    return (
        f"Bytes on the wire: {sent}. Instructions and tools are in every request in all ways, "
        "since the protocol does not carry them over, and three times in every streamed response."
    )


def _read_tokens(chains: Sequence[Chain], rtt: float) -> str:
    return ", ".join(
        f"({way.letter}) {read:,.0f}"
        for way in ways_of(chains)
        for read in [
            statistics.median(
                sum(call.input_tokens - call.cached_tokens for call in chain.calls)
                for chain in held(chains, way.letter, rtt)
            )
        ]
    )


def _warmed(chains: Sequence[Chain], rtt: float) -> Iterator[str]:
    value = first_turn_ratio(chains)
    if value is None:
        return
    before = statistics.median(chain.calls[0].seconds for chain in held(chains, "d", rtt))
    after = statistics.median(chain.calls[0].seconds for chain in held(chains, "e", rtt))
    ahead = statistics.median(chain.ahead_seconds for chain in held(chains, "e", rtt))
    yield (
        f"Warming up: the first call takes {after:.2f} s instead of {before:.2f} s, "
        f"{compared(value)}. Connecting and reading ahead took {ahead:.2f} s before that, while "
        "nobody waited."
    )


def _paced(pace: float) -> str:
    return f"at {pace:,.0f}:" if pace else "as fast as may be:"
