"""What our own server is told by the options."""

from __future__ import annotations

from pathlib import Path

import pytest

from voice.build_agent import serving
from voice.config import Options, ServerOptions
from voice.models.cache import default_cache


@pytest.mark.parametrize("keep", [True, False])
def test_what_was_read_is_kept_beside_the_models_unless_it_shall_not(
    keep: bool, tmp_path: Path
) -> None:
    model = tmp_path / "m.gguf"
    model.touch()
    server = ServerOptions(model=str(model), keep_instructions=keep)
    kept = serving(Options(server=server)).heads
    assert kept == (default_cache().root / "instructions" if keep else None)
