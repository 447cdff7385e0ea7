"""What the server of our own is told to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voice.build import _serving
from voice.config import load
from voice.errors import UsageError
from voice.models import resolve
from voice.server.serve import ServeOptions


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is there, and this machine's is `small`."""
    monkeypatch.setattr(resolve, "weights", lambda name, suffix: Path(f"/models/{name}{suffix}"))
    monkeypatch.setattr(resolve, "this_machines_llm", lambda: "small")


@pytest.mark.parametrize(
    ("server", "agent", "serving"),
    [
        ({}, {}, ServeOptions(model=Path("/models/small.gguf"))),
        (
            {"model": "big", "threads": 3, "context_tokens": 8192},
            {},
            ServeOptions(model=Path("/models/big.gguf"), threads=3, context_tokens=8192),
        ),
        ({"model": "big"}, {"model": "mine"}, ServeOptions(model=Path("/models/mine.gguf"))),
        (
            {"backend": "upstream", "upstream": "http://there/v1", "threads": 3, "key": "k"},
            {},
            ServeOptions(backend="upstream", upstream="http://there/v1"),
        ),
        (
            {"backend": "upstream", "upstream": "u", "model": "big", "warm": False},
            {},
            ServeOptions(backend="upstream", upstream="u", upstream_model="big", warm=False),
        ),
        (
            {"backend": "upstream", "upstream": "u", "model": "big"},
            {"model": "mine"},
            ServeOptions(backend="upstream", upstream="u", upstream_model="mine"),
        ),
        ({"backend": "script"}, {}, ServeOptions(backend="script")),
        (
            {"backend": "script", "script": "s.toml", "ttft": 0.5, "tokens_per_second": 20.0},
            {},
            ServeOptions(
                backend="script",
                script=Path("s.toml"),
                ttft_seconds=0.5,
                tokens_per_second=20.0,
            ),
        ),
    ],
)
def test_the_backend_gets_what_belongs_to_it(
    server: dict[str, Any], agent: dict[str, Any], serving: ServeOptions
) -> None:
    assert _serving(load(None, {}, {"server": server, "agent": agent})) == serving


def test_an_upstream_server_has_to_be_named() -> None:
    with pytest.raises(UsageError, match="`upstream` in"):
        _serving(load(None, {}, {"server": {"backend": "upstream"}}))
