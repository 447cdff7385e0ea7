"""Fixtures of all tests: models from the shared cache, recordings, the rig."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from voice.models.resolve import resolve, weights

DATA = Path(__file__).parent / "data"

# Always the same examples, or with VOICE_TEST_EXAMPLES=N in the environment N new ones. No time
# limit for one: on a noisy machine it says nothing.
settings.register_profile(
    "voice",
    max_examples=int(os.environ.get("VOICE_TEST_EXAMPLES", "100")),
    derandomize="VOICE_TEST_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("voice")


@pytest.fixture(scope="session")
def whisper_path() -> Path:
    """The folder of the default speech model."""
    return resolve("tiny.en")


@pytest.fixture(scope="session")
def voice_path() -> Path:
    """The folder of the default voice."""
    return resolve("en_US-joe-medium")


@pytest.fixture(scope="session")
def llm_path() -> Path:
    """The smallest language model."""
    return weights("qwen2.5-coder-0.5b", ".gguf")


@pytest.fixture(scope="session")
def speech() -> Path:
    """The folder of the recordings that the repository holds."""
    return DATA / "speech"
