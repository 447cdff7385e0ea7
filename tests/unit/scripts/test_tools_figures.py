"""From calls and spoken commands to figures."""

from __future__ import annotations

import statistics

from scripts.benchmarks.book_shape import figures as shaped_figures
from scripts.benchmarks.commands import Command, Outcome
from scripts.benchmarks.tools_figures import (
    Call,
    Spoken,
    chain_figures,
    chain_samples,
    parallel_figures,
    parallel_samples,
    spoken_figures,
    spoken_samples,
)
from voice.server.backend import ToolCall

_TIMER = {"name": "set_timer", "arguments": {"minutes": 10}}


def test_a_chain_is_told_by_kind_and_by_its_ends() -> None:
    calls = [
        Call(kind, place, seconds + place * 1e-4)
        for place in range(1, 7)
        for kind, seconds in (("coroutine", 0.001), ("thread", 0.002))
    ]
    assert chain_figures(calls) == {
        "overhead_ms_p50": 1.6,
        "overhead_ms_p95": 2.6,
        "overhead_ms_p50_calls_1_to_2": 1.2,
        "overhead_ms_p50_calls_5_to_6": 1.6,
        "overhead_ms_p50_coroutine": 1.3,
        "overhead_ms_p50_thread": 2.3,
        "overhead_calls": 12,
        "overhead_calls_in_a_chain": 6,
    }


def test_rounds_are_told_by_their_calls() -> None:
    figures = parallel_figures({1: [0.051, 0.052, 0.09], 8: [0.053] * 3}, 0.05)
    assert figures["parallel_round_ms_p50_1"] == 52
    assert figures["parallel_round_ms_p95_1"] == 90
    assert figures["parallel_round_ms_p50_8"] == 53
    assert figures["parallel_rounds_of_each"] == 3


def test_spoken_commands_are_right_misheard_or_broken_off() -> None:
    figures = spoken_figures(
        "some-coder-0.5b",
        [
            _spoken("Set a timer for ten minutes.", "Set a timer for 10 minutes.", [_TIMER], 10),
            _spoken("Set a timer for ten minutes.", "Set a timer for 2 minutes.", [_TIMER], 2),
            _spoken("Good morning.", "Good morning!", []),
            _spoken("Tell me a joke.", "Tell me a joke.", [], 5),
            _spoken("Hello.", "", [], failure="the program ended"),
        ],
    )
    assert figures == {
        "spoken_commands_0_5b": 5,
        "spoken_right_share_0_5b": 0.4,
        "spoken_right_share_of_due_0_5b": 0.5,
        "spoken_right_share_of_understood_0_5b": 0.667,
        "spoken_false_call_share_0_5b": 0.333,
        "spoken_misheard_share_0_5b": 0.4,
        "spoken_call_seconds_p50_0_5b": 0.7,
        "spoken_broken_off_0_5b": 1,
        "spoken_misheard_0_5b": {
            "Set a timer for ten minutes.": "Set a timer for 2 minutes.",
            "Hello.": "",
        },
        "spoken_wrong_0_5b": {
            "Set a timer for ten minutes.": (
                "understood 'Set a timer for 2 minutes.', called set_timer{\"minutes\": 2}"
            ),
            "Tell me a joke.": ("understood 'Tell me a joke.', called set_timer{\"minutes\": 5}"),
            "Hello.": "the program ended",
        },
    }


def test_samples_have_the_medians_of_their_figures() -> None:
    calls = [
        Call(kind, place, seconds + place * 1e-4)
        for place in range(1, 10)
        for kind, seconds in (("coroutine", 0.001), ("thread", 0.002))
    ]
    rounds = {1: [0.051, 0.052, 0.09], 8: [0.053] * 3}
    said = [_spoken("Set a timer.", "Set a timer.", [_TIMER], 10)]
    samples = chain_samples(calls) | parallel_samples(rounds) | spoken_samples("a-0.5b", said)
    of = chain_figures(calls) | parallel_figures(rounds, 0.05) | spoken_figures("a-0.5b", said)
    found = {f.name: f for f in shaped_figures("tools", {"figures": of, "samples": samples}, {})}
    with_samples = {name: figure for name, figure in found.items() if figure.samples}
    assert with_samples.keys() == samples.keys()
    for figure in with_samples.values():
        assert statistics.median_low(figure.samples) == figure.median


def _spoken(
    said: str, heard: str, due: list[object], minutes: int | None = None, failure: str = ""
) -> Spoken:
    calls = () if minutes is None else (ToolCall("set_timer", f'{{"minutes": {minutes}}}'),)
    command = Command(said, (), tuple(due), ())  # type: ignore[arg-type]
    return Spoken(Outcome(command, calls, 0.7), heard, failure)
