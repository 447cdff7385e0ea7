"""Fixtures of all tests: models from the shared cache, recordings, the rig."""

from __future__ import annotations

from pathlib import Path

import pytest

from voice.models.resolve import resolve, weights

DATA = Path(__file__).parent / "data"


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
