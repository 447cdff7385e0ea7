"""The rig and a listener, for tests of the whole program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.programs import listener
from tests.support.rig import AudioRig, available
from voice.audio.frames import Int16


@pytest.fixture
def rig() -> Iterator[AudioRig]:
    """A sound card in software."""
    if reason := available():
        pytest.skip(reason)
    with AudioRig() as rig:
        yield rig


@pytest.fixture(scope="session")
def understand(whisper_path: Path) -> Callable[[Int16], str]:
    """What a listener understands of 16 kHz sound."""
    return listener(whisper_path)
