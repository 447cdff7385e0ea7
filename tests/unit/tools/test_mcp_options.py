"""Options of MCP servers: what is refused, and what they allow."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from voice.tools.mcp_options import McpServerOptions


def options(**settings: Any) -> McpServerOptions:
    return McpServerOptions(command=("server",), **settings)


def test_a_table_of_the_configuration_becomes_options() -> None:
    table = {
        "url": "https://weather.example/mcp",
        "headers": {"Authorization": "env:WEATHER_TOKEN"},
        "allow": ["forecast"],
        "confirm": [],
        "limit_seconds": 5,
    }
    read = msgspec.convert(table, McpServerOptions)
    assert read.allow == ("forecast",)
    assert read.confirm == ()
    assert read.limit_seconds == 5.0


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "give either `command` or `url`"),
        ({"command": ["a"], "url": "http://b"}, "give either `command` or `url`"),
        ({"url": "weather.example"}, "`url` must begin with http"),
        ({"url": "http://"}, "`url` must begin with http"),
        ({"url": "http://[::1"}, "`url` must begin with http"),
        ({"url": "http://b", "env": {"A": "b"}}, "`env` does not go with `url`"),
        ({"url": "http://b", "folder": "c"}, "`folder` does not go with `url`"),
        ({"command": ["a"], "headers": {"A": "b"}}, "`headers` does not go with `command`"),
        ({"command": ["a"], "alow": ["b"]}, "unknown field `alow`"),
        ({"command": "a b"}, r"Expected `array`, got `str` - at `\$.command`"),
        ({"command": ["a"], "start_seconds": 0}, r"at `\$.start_seconds`"),
    ],
)
def test_what_is_wrong_is_named(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert(table, McpServerOptions)


def test_nothing_is_allowed_that_is_not_named() -> None:
    assert not options().allows("forecast")
    assert options(allow=("forecast",)).allows("forecast")
    assert not options(allow=("forecast",)).allows("fore")
    assert options(allow=("*",)).allows("forecast")


@pytest.mark.parametrize(
    ("confirm", "harmless", "destructive"),
    [
        (None, False, True),
        ((), False, False),
        (("delete",), True, True),
        (("other",), False, False),
        (("*",), True, True),
    ],
)
def test_a_servers_word_asks_for_a_yes_only_where_nothing_is_said(
    confirm: tuple[str, ...] | None, harmless: bool, destructive: bool
) -> None:
    chosen = options(confirm=confirm)
    assert chosen.confirms("delete", destructive=False) is harmless
    assert chosen.confirms("delete", destructive=True) is destructive


def test_a_servers_word_that_it_only_reads_counts_where_it_is_asked_for() -> None:
    assert not options().reads_only("look", read_only=True)
    assert options(read_only=("look",)).reads_only("look", read_only=False)
    assert options(read_only=("*",)).reads_only("look", read_only=True)
    assert not options(read_only=("*",)).reads_only("look", read_only=False)
