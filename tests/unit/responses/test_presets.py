"""Names and addresses of servers: where, whose key, and what is expected of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.errors import UsageError
from voice.responses.presets import GENERIC, PRESETS, resolve_agent

KEYS = {
    "OPENAI_API_KEY": "of-openai",
    "AZURE_OPENAI_API_KEY": "of-azure",
    "XAI_API_KEY": "of-xai",
    "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/",
}


@pytest.mark.parametrize(
    ("agent", "url", "key", "name"),
    [
        ("openai", "https://api.openai.com/v1", "of-openai", "openai"),
        (" OpenAI ", "https://api.openai.com/v1", "of-openai", "openai"),
        ("azure", "https://mine.openai.azure.com/openai/v1", "of-azure", "azure"),
        ("xai", "https://api.x.ai/v1", "of-xai", "xai"),
        ("wss://eu.api.openai.com/v1", "wss://eu.api.openai.com/v1", "of-openai", "openai"),
        ("https://API.X.AI/v1", "https://API.X.AI/v1", "of-xai", "xai"),
        (
            "https://its.openai.azure.com",
            "https://its.openai.azure.com/openai/v1",
            "of-azure",
            "azure",
        ),
        (
            "https://its.openai.azure.com/other/v1",
            "https://its.openai.azure.com/other/v1",
            "of-azure",
            "azure",
        ),
        ("https://llm.example/v1", "https://llm.example/v1", "of-openai", "generic"),
        ("127.0.0.1:8787", "127.0.0.1:8787", "of-openai", "local"),
        ("ws://[::1]:8787/v1", "ws://[::1]:8787/v1", "of-openai", "local"),
    ],
)
def test_a_name_or_the_host_picks_the_preset(agent: str, url: str, key: str, name: str) -> None:
    found_url, found_key, preset = resolve_agent(agent, KEYS)
    assert (found_url, found_key, preset.name) == (url, key, name)


@pytest.mark.parametrize(
    ("agent", "variable"),
    [
        ("openai", "OPENAI_API_KEY"),
        ("xai", "XAI_API_KEY"),
        ("https://api.x.ai/v1", "XAI_API_KEY"),
        ("https://its.openai.azure.com/openai/v1", "AZURE_OPENAI_API_KEY"),
        ("https://llm.example/v1", "OPENAI_API_KEY"),
    ],
)
def test_a_missing_key_is_named(agent: str, variable: str) -> None:
    others = {name: key for name, key in KEYS.items() if name != variable}
    with pytest.raises(UsageError, match=variable):
        resolve_agent(agent, {**others, variable: " "})


def test_a_missing_address_is_named() -> None:
    with pytest.raises(UsageError, match="AZURE_OPENAI_ENDPOINT"):
        resolve_agent("azure", {"AZURE_OPENAI_API_KEY": "k"})


def test_this_machine_needs_no_key() -> None:
    assert resolve_agent("ws://localhost:8787/v1", {})[1] == ""


@pytest.mark.parametrize("agent", ["http://[::1", "https://", "http://host:port/v1"])
def test_what_is_no_address_is_left_to_the_endpoint_or_refused(agent: str) -> None:
    assert resolve_agent(agent, KEYS)[2] is GENERIC


@given(st.text(max_size=40))
def test_only_its_own_host_gets_a_vendors_key(label: str) -> None:
    """`api.openai.com.evil.example` is not OpenAI, whatever stands before or after."""
    _, key, preset = resolve_agent(f"https://api.x.ai.{label}.example/v1", KEYS)
    assert (key, preset) == ("of-openai", GENERIC)


def test_nothing_is_expected_of_a_stranger() -> None:
    assert not (GENERIC.steering or GENERIC.compaction or GENERIC.warm_up or GENERIC.cancel)
    assert PRESETS["local"].warm_up
    assert not PRESETS["local"].compaction
