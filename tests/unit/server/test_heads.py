"""What was read of instructions, as files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from voice.server.heads import MOST_FILES, HeadFiles


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def heads(tmp_path: Path, weights: Path) -> HeadFiles:
    (tmp_path / "kept").mkdir()
    return HeadFiles(tmp_path / "kept", weights, "1")


def keep(heads: HeadFiles, head: str, size_bytes: int = 4) -> None:
    (heads.folder / "x.part").write_bytes(b"read")
    heads.accept("x.part", head, size_bytes)


def test_a_head_is_found_as_it_was_kept(heads: HeadFiles) -> None:
    assert heads.find("be brief") is None
    keep(heads, "be brief")
    name = heads.find("be brief")
    assert name is not None
    assert (heads.folder / name).read_bytes() == b"read"
    assert heads.find("be brief!") is None
    heads.forget(name)
    assert heads.find("be brief") is None


def test_another_model_or_library_has_its_own(heads: HeadFiles, weights: Path) -> None:
    keep(heads, "be brief")
    assert HeadFiles(heads.folder, weights, "2").find("be brief") is None
    os.utime(weights, (1.0, 1.0))
    assert HeadFiles(heads.folder, weights, "1").find("be brief") is None


@pytest.mark.parametrize("size_bytes", [0, 3, 5])
def test_one_that_is_not_whole_is_not_kept(heads: HeadFiles, size_bytes: int) -> None:
    keep(heads, "be brief", size_bytes)
    assert heads.find("be brief") is None
    assert not list(heads.folder.iterdir())


def test_those_used_last_are_kept(heads: HeadFiles) -> None:
    for number in range(MOST_FILES):
        keep(heads, f"head {number}")
        os.utime(heads.folder / heads.name(f"head {number}"), (number, number))
    heads.find("head 0")
    keep(heads, "one more")
    found = [number for number in range(MOST_FILES) if heads.find(f"head {number}")]
    assert found == [0, *range(2, MOST_FILES)]


def test_a_folder_that_is_gone_is_no_error(heads: HeadFiles) -> None:
    heads.folder.rmdir()
    heads.accept("x.part", "be brief", 4)
    assert heads.find("be brief") is None
