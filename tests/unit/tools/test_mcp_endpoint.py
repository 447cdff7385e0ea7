"""Secrets of MCP servers: found in the environment, and said nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from voice.errors import UsageError
from voice.tools.mcp_endpoint import endpoint
from voice.tools.mcp_options import McpServerOptions

WEATHER = McpServerOptions(
    url="https://me:p4ssword@weather.example:8443/mcp?key=querykey",
    headers={"Authorization": "env:WEATHER", "X-Plain": "literal"},
)


def test_values_come_from_the_environment_where_they_say_so() -> None:
    found = endpoint("weather", WEATHER, {"WEATHER": "Bearer t0ken"})
    assert found.headers == {"Authorization": "Bearer t0ken", "X-Plain": "literal"}
    program = McpServerOptions(command=("x",), env={"KEY": "env:MY_KEY", "LANG": "C"})
    assert endpoint("x", program, {"MY_KEY": "abcd"}).env == {"KEY": "abcd", "LANG": "C"}


@pytest.mark.parametrize("environment", [{}, {"WEATHER": ""}])
def test_a_missing_variable_is_named_with_its_place(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"\[tools.mcp.weather\] headers.Authorization: WEATHER"):
        endpoint("weather", WEATHER, environment)


def test_secrets_are_taken_out_of_what_is_said() -> None:
    found = endpoint("weather", WEATHER, {"WEATHER": "Bearer t0ken"})
    said = "Bearer t0ken, t0ken, literal, p4ssword, key=querykey, weather"
    assert found.redact(said) == "…, …, …, …, …, weather"
    assert "t0ken" not in repr(found)


def test_what_is_too_short_to_be_secret_stays() -> None:
    program = McpServerOptions(command=("x",), env={"A": "env:SHORT", "B": "plain text"})
    assert endpoint("x", program, {"SHORT": "on"}).redact("on plain text") == "on plain text"


def test_the_place_shows_no_secret() -> None:
    found = endpoint("weather", WEATHER, {"WEATHER": "t0ken"})
    assert found.place == "https://weather.example:8443/mcp"
    assert endpoint("x", McpServerOptions(command=("uvx", "--key=1")), {}).place == "uvx"


def test_a_folder_may_begin_at_home() -> None:
    assert endpoint("x", McpServerOptions(command=("x",), folder="~/a"), {}).folder == (
        Path.home() / "a"
    )
    assert endpoint("x", McpServerOptions(command=("x",)), {}).folder is None
