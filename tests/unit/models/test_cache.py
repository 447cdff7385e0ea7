from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from voice.errors import ModelError
from voice.models.cache import STAMP, Cache
from voice.models.manifest import File, Model

CONTENT = b"weights" * 100
FILE = File("model.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
MODEL = Model("stt", "MIT", "for tests", (FILE,), name="tiny")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    (tmp_path / "tiny").mkdir()
    return Cache(tmp_path)


def accepted(cache: Cache) -> Path:
    cache.part(MODEL, FILE).write_bytes(CONTENT)
    assert cache.accept(MODEL, FILE)
    return cache.path(MODEL, FILE)


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(path: Path) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("voice.models.cache.sha256", never)


def test_a_file_goes_from_missing_over_incomplete_to_verified(cache: Cache) -> None:
    assert cache.state(MODEL, FILE) == "missing"
    cache.part(MODEL, FILE).write_bytes(b"we")
    assert cache.state(MODEL, FILE) == "incomplete"
    accepted(cache)
    assert cache.state(MODEL, FILE) == "verified"
    assert not cache.part(MODEL, FILE).exists()


def test_a_verified_file_is_not_read_again(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    accepted(cache)
    forbid_reading(monkeypatch)
    cache.verify(MODEL, FILE)


def test_a_file_put_there_by_hand_is_read_once(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.path(MODEL, FILE).write_bytes(CONTENT)
    assert cache.state(MODEL, FILE) == "unverified"
    cache.verify(MODEL, FILE)
    assert cache.state(MODEL, FILE) == "verified"
    forbid_reading(monkeypatch)
    cache.verify(MODEL, FILE)


def test_a_wrong_digest_deletes_the_part(cache: Cache) -> None:
    cache.part(MODEL, FILE).write_bytes(CONTENT[::-1])
    assert not cache.accept(MODEL, FILE)
    assert cache.state(MODEL, FILE) == "missing"


def test_a_missing_file_is_named_with_its_cure(cache: Cache) -> None:
    with pytest.raises(ModelError, match=r"model\.bin is missing") as caught:
        cache.verify(MODEL, FILE)
    assert caught.value.cure == "voice models fetch tiny"


def test_a_truncated_file_is_found_by_its_size(cache: Cache) -> None:
    accepted(cache).write_bytes(CONTENT[:10])
    with pytest.raises(ModelError, match=r"model\.bin has 10 bytes instead of 700"):
        cache.verify(MODEL, FILE)


def test_a_corrupt_file_is_found_when_it_has_changed(cache: Cache) -> None:
    path = accepted(cache)
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelError, match=r"model\.bin has the wrong SHA-256"):
        cache.verify(MODEL, FILE)


def test_corruption_that_leaves_no_trace_is_found_on_demand(cache: Cache) -> None:
    path = accepted(cache)
    changed = path.stat().st_mtime_ns
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(changed, changed))
    cache.verify(MODEL, FILE)  # the stamp cannot know
    with pytest.raises(ModelError, match="wrong SHA-256"):
        cache.verify(MODEL, FILE, again=True)


def test_a_new_digest_in_the_manifest_voids_the_stamp(cache: Cache) -> None:
    accepted(cache)
    newer = File(FILE.name, FILE.size, "f" * 64)
    assert cache.state(MODEL, newer) == "unverified"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"model.bin": 1}'])
def test_a_broken_stamp_only_costs_a_reading(cache: Cache, content: bytes) -> None:
    accepted(cache)
    (cache.folder(MODEL) / STAMP).write_bytes(content)
    assert cache.state(MODEL, FILE) == "unverified"
    cache.verify(MODEL, FILE)
    assert cache.state(MODEL, FILE) == "verified"


def test_files_that_others_put_beside_do_not_matter(cache: Cache) -> None:
    accepted(cache)
    (cache.folder(MODEL) / "model.aligned.onnx").write_bytes(b"derived")
    cache.verify(MODEL, FILE, again=True)
