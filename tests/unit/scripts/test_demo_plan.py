"""What the command line asks for, and how it is told what was wrong with it."""

from __future__ import annotations

import pytest

from scripts.demo.plan import FULL, MINUTE, PARTS, QUICK, read_parts, read_rtts
from scripts.demo.servers import server_at
from voice.errors import UsageError


def test_everything_is_measured_but_of_strangers_only_the_transport() -> None:
    assert read_parts(None, "") == list(PARTS)
    assert read_parts(None, "https://api.example/v1") == ["transport"]
    assert read_parts("rate, voice", "") == ["rate", "voice"]


def test_an_unknown_part_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"'speed'.*transport, model, rate, voice"):
        read_parts("speed", "")


def test_round_trips_are_sorted_and_single() -> None:
    assert read_rtts("60,0,60") == [0.0, 60.0]


@pytest.mark.parametrize("text", ["", "fast", "-1", "5000", "nan", "20;60"])
def test_what_is_no_round_trip_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--rtt"):
        read_rtts(text)


def test_the_default_is_a_part_of_all() -> None:
    for sizes in (QUICK, MINUTE):
        assert set(sizes.model_ways) <= set(FULL.model_ways)
        assert set(sizes.variants) <= set(FULL.variants)
    assert MINUTE.steps == FULL.steps == FULL.model_workload.steps == 24


@pytest.mark.parametrize(
    ("url", "key", "model", "cure"),
    [
        ("https://api.example/v1", "", "m", "OPENAI_API_KEY"),
        ("https://api.example/v1", "k", "", "--model"),
        ("ftp://api.example/v1", "k", "m", "base URL"),
    ],
)
def test_what_a_server_needs_is_said_before_it_is_asked(
    url: str, key: str, model: str, cure: str
) -> None:
    with pytest.raises(UsageError, match=cure):
        server_at(url, key, model)


def test_addresses_follow_from_the_url() -> None:
    there = server_at("https://api.example/v1/", "k", "m")
    assert (there.address, there.host, there.path) == (("api.example", 443), "api.example", "/v1")
    assert there.tls is not None
    here = server_at("ws://127.0.0.1:8787/v1", "", "")
    assert here.address == ("127.0.0.1", 8787)
    assert here.tls is None
