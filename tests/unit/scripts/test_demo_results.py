"""From measurements to figures, words, plots and a page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from scripts.demo.calls import Timed
from scripts.demo.chains import COLD_WAYS, WAYS, Chain, Way
from scripts.demo.page import page, plots, save_pictures
from scripts.demo.rate import Followed
from scripts.demo.results import (
    Results,
    as_json,
    followed_at,
    judged,
    keeps_up,
    ratio,
    spread,
    typical_turns,
)
from scripts.demo.spoken import Turn, read_turns
from scripts.demo.stages import Stage
from scripts.demo.words import compared, summary
from voice.trace import TraceEvent


def _timed(seconds: float, connect: float = 0.0) -> Timed:
    return Timed(connect, 0.0, seconds, 0.0, 1000, 2000, 100, 40)


def _chain(way: Way, *seconds: float, rtt_ms: float = 60.0) -> Chain:
    return Chain(way, rtt_ms, tuple(_timed(one) for one in seconds), ahead_seconds=0.5)


def _results(**changes: Any) -> Results:
    of = {"steps": 2, "tools": 1, "instruction_tokens": 50, "output_tokens": 40}
    asked = {"server": "a server", "tls": True, "rounds": 1, "side_by_side": True, "workload": of}
    conditions = {
        "machine": "2 cores", "code": "abc", "quick": False, "load_before": 0.1, "load_after": 0.2,
        "seconds": 9.0, "left_out": {}, "transport": asked, "model": asked,
        "voice": {"scripted": True, "server": "from a script", "questions": 1},
    }  # fmt: skip
    turn = Turn("all on", "q", "What <time> is it?", True, {"turn.ended": 0.3, "audio.first": 0.5})
    results = Results(
        conditions,
        chains=[_chain(way, 0.3, 0.1) for way in WAYS],
        model_chains=[_chain(way, 3.0, 1.0) for way in (*WAYS, *COLD_WAYS)],
        followed=[Followed("text", 4000.0, 401, 0.1), Followed("speech", 4000.0, 401, 0.2)],
        turns=[turn],
        stages=[Stage("short context", "speech to text", 0.04, 0.4)],
    )
    for name, value in changes.items():
        setattr(results, name, value)
    return results


def test_the_spread_is_that_of_the_calls_after_the_first() -> None:
    chain = _chain(WAYS[0], 2.0, *([0.1] * 4), *([0.2] * 2), *([0.4] * 4))
    of = spread([chain])
    assert of.median == pytest.approx(2.0 + 0.4 + 0.4 + 1.6)
    assert of.low == pytest.approx(2.0 + 10 * 0.1)
    assert of.high == pytest.approx(2.0 + 10 * 0.4)


def test_a_chain_of_one_call_has_no_spread() -> None:
    of = spread([_chain(WAYS[0], 2.0)])
    assert of.low == of.median == of.high == 2.0


def test_ratios_compare_medians_over_one_link() -> None:
    a, d = WAYS[0], WAYS[3]
    chains = [_chain(a, 4.0), _chain(a, 5.0), _chain(a, 9.0), _chain(d, 2.0)]
    chains.append(_chain(d, 100.0, rtt_ms=0.0))
    assert ratio(chains, "d", "a", 60.0) == pytest.approx(0.4)
    assert ratio(chains, "d", "b", 60.0) is None


def test_a_pace_counts_as_followed_only_if_nothing_falls_behind() -> None:
    kept, behind = Followed("text", 1000.0, 1001, 1.0), Followed("text", 4000.0, 4001, 1.3)
    assert followed_at([kept, behind], "text")[4000.0] == pytest.approx(4000 / 1.3)
    assert keeps_up([kept, behind]) == pytest.approx(1000.0)
    assert keeps_up([]) is None


def test_what_speech_cannot_follow_is_not_followed() -> None:
    limits = [Followed("text", 0.0, 1001, 0.02), Followed("speech", 0.0, 1001, 0.1)]
    assert keeps_up(limits) == pytest.approx(10_000)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.4, "60 % less time"),
        (1.25, "25 % more time"),
        (1.01, "the same time (within 2 %)"),
    ],
)
def test_ratios_in_words(value: float, words: str) -> None:
    assert compared(value) == words


def test_the_words_say_where_the_websocket_is_not_faster() -> None:
    assert any("not faster" in line for line in summary(_results())["Transport"])
    fast = [_chain(way, 0.3 if way.letter in "de" else 0.9, 0.1) for way in WAYS]
    assert not any("not faster" in line for line in summary(_results(chains=fast))["Transport"])


def test_the_words_say_that_a_cold_prefix_was_measured_once() -> None:
    results = _results()
    results.conditions["model"] = {**results.conditions["model"], "rounds": 3}
    assert "medians of 3 rounds, a cold prefix once:" in summary(results)["With a model"][0]
    results.model_chains = [_chain(way, 3.0, 1.0) for way in WAYS]
    assert "medians of 3 rounds:" in summary(results)["With a model"][0]


def test_what_was_left_out_is_said() -> None:
    results = _results(model_chains=[])
    results.conditions["left_out"] = {"model": "the model is missing"}
    assert summary(results)["Left out"] == ["model was left out: the model is missing"]
    assert "With a model" not in summary(results)


def test_a_short_chain_with_a_model_is_a_sample_without_a_verdict() -> None:
    assert list(judged(_results())) == ["tokens_per_second_followed"]
    long = [_chain(way, *([1.0] * 24)) for way in (*WAYS, *COLD_WAYS)]
    found = as_json(_results(model_chains=long))
    assert found["targets"]["model_websocket_to_http"] == "met"
    assert found["targets"]["model_websocket_to_http_cold"] == "missed"


def test_a_quick_run_has_no_verdicts() -> None:
    results = _results()
    results.conditions["quick"] = True
    assert as_json(results)["targets"] == {}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)
        links = [value for name, value in attrs if name in ("src", "srcset", "href") and value]
        self.outside += [link for link in links if not link.startswith("data:")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_shows_everything() -> None:
    results = _results()
    written = page(results)
    reader = _Reader()
    reader.feed(written)
    assert reader.open == []
    assert reader.outside == []
    assert written.count("<figure>") == len(plots(results)) == 7
    assert "not faster" in written


def test_every_target_has_a_name_for_readers() -> None:
    long = [_chain(way, *([1.0] * 24)) for way in (*WAYS, *COLD_WAYS)]
    results = _results(model_chains=long)
    written = page(results)
    assert written.count("<tr><td>") == len(judged(results)) == 5
    assert "_followed" not in written


def test_a_page_of_one_part_has_its_plots_only(tmp_path) -> None:
    results = _results(chains=[], model_chains=[], followed=[], turns=[])
    assert [plot.name for plot in plots(results)] == ["mechanisms"]
    save_pictures(plots(results), tmp_path / "new")
    assert (tmp_path / "new/latency-mechanisms.png").read_bytes().startswith(b"\x89PNG")


def test_of_the_same_question_the_median_turn_is_shown() -> None:
    def turn(variant: str, seconds: float) -> Turn:
        return Turn(variant, "q", "Q?", False, {"audio.first": seconds})

    turns = [turn("all on", 0.9), turn("all off", 2.0), turn("all on", 0.5), turn("all on", 0.6)]
    assert [(t.variant, t.seconds) for t in typical_turns(turns)] == [
        ("all on", 0.6),
        ("all off", 2.0),
    ]


def test_turns_are_read_from_the_trace() -> None:
    def event(name: str, at: float, turn: int = 1, **fields: Any) -> TraceEvent:
        return TraceEvent(at, turn, name, fields)

    done = {"user_text": "What time is it?", "eager": True}
    events = [
        event("listening", 1.0, 0),
        event("speech.ended", 5.0),
        event("request.sent", 5.1),
        event("speech.ended", 6.0),
        event("token.first", 6.2),
        event("token.first", 6.3),
        event("audio.first", 6.5),
        event("turn.completed", 9.0, **done),
        event("speech.ended", 20.0, 2),
        event("turn.completed", 21.0, 2, user_text="", eager=False),
    ]
    (turn,) = read_turns("all on", ["what_time"], events)
    assert turn.seconds == pytest.approx(0.5)
    assert turn.at["token.first"] == pytest.approx(0.2)
    assert turn.at["request.sent"] == pytest.approx(-0.9)
    assert (turn.question, turn.heard, turn.eager) == ("what_time", "What time is it?", True)
