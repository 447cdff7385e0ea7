"""Spoken commands become the right calls, and talk becomes none, with real models."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from scripts.benchmarks.commands import Command, Outcome, load_commands, obey
from voice.models.resolve import weights
from voice.server.llama import LlamaBackend

LARGE = pytest.mark.skipif(
    "VOICE_TEST_LARGE" not in os.environ, reason="VOICE_TEST_LARGE=1 wants the larger model"
)


async def outcomes(model: str, commands: Iterable[Command]) -> list[Outcome]:
    backend = await LlamaBackend.open(weights(model, ".gguf"))
    try:
        return [await obey(backend, command) for command in commands]
    finally:
        await backend.close()


def assert_shares(found: list[Outcome], least_right: float, most_false: float) -> None:
    due = [outcome for outcome in found if outcome.command.calls]
    talk = [outcome for outcome in found if not outcome.command.calls]
    wrong = [outcome for outcome in due if not outcome.right]
    false = [outcome for outcome in talk if outcome.calls]
    told = "\n".join(f"{o.command.said}: {o.calls}" for o in (*wrong, *false))
    assert len(wrong) <= (1 - least_right) * len(due), told
    assert len(false) <= most_false * len(talk), told


async def test_commands_with_the_smallest_model() -> None:
    """Half of them; one more that is wrong than there are now, or one more false call, fails."""
    commands = [*load_commands("tuning")[::2], *load_commands("talk")[::8]]
    assert_shares(await outcomes("qwen2.5-coder-0.5b", commands), 0.75, 0.1)


@LARGE
@pytest.mark.parametrize(
    ("model", "least_right"), [("qwen2.5-coder-0.5b", 0.8), ("qwen2.5-coder-1.5b", 0.9)]
)
async def test_all_commands_and_those_that_nothing_was_tuned_for(
    model: str, least_right: float
) -> None:
    names = ("tuning", "held-out", "other-tools", "talk")
    commands = [command for name in names for command in load_commands(name)]
    assert_shares(await outcomes(model, commands), least_right, 0.05)
