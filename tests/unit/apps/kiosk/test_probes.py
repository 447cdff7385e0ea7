"""What works again, and what can be put right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from voice.apps.kiosk.probes import discard_damaged, reach_server, write_to_disk
from voice.config import Options
from voice.errors import AgentError, JournalError
from voice.listen.options import ListenOptions
from voice.models.manifest import load
from voice.responses.options import AgentOptions


def test_a_disk_that_can_be_written_to_is_left_as_it_was(tmp_path: Path) -> None:
    write_to_disk(tmp_path / "journal.db")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="nothing can be written"):
        write_to_disk(tmp_path / "gone" / "journal.db")


async def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(AgentError, match="no server answers"):
        await reach_server(AgentOptions(url="ws://127.0.0.1:1/v1"))


def test_damaged_files_are_deleted_and_whole_or_foreign_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICE_CACHE", str(tmp_path))
    model = load()["tiny.en"]
    folder = tmp_path / model.name
    folder.mkdir()
    damaged = folder / model.weights.name
    damaged.write_bytes(b"not a model")
    other = folder / "own.txt"
    other.write_text("mine")
    options = replace(Options(), listen=ListenOptions(model="tiny.en"))
    wrong = discard_damaged(options)
    assert any(str(damaged) in problem for problem in wrong)
    assert not damaged.exists()
    assert other.exists()
