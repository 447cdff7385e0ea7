from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from voice.errors import ModelError, UsageError
from voice.models import manifest, resolve
from voice.models.cache import Cache
from voice.models.manifest import File, Manifest, Model

CONTENT = b"voice"


def small_manifest() -> Manifest:
    digest = hashlib.sha256(CONTENT).hexdigest()
    settings = File("v.onnx.json", 2, hashlib.sha256(b"{}").hexdigest())
    files = (settings, File("v.onnx", len(CONTENT), digest))
    return {"joe": Model("tts", "CC0-1.0", "for tests", files, name="joe")}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setattr(manifest, "load", small_manifest)
    folder = tmp_path / "joe"
    folder.mkdir()
    (folder / "v.onnx").write_bytes(CONTENT)
    (folder / "v.onnx.json").write_bytes(b"{}")
    return Cache(tmp_path)


def test_a_name_gives_its_folder_and_its_weights(cache: Cache) -> None:
    assert resolve.resolve("joe", cache) == cache.root / "joe"
    assert resolve.weights("joe", ".onnx", cache) == cache.root / "joe" / "v.onnx"
    assert resolve.states(cache=cache)[0].status == "ready"


def test_what_is_missing_is_named(cache: Cache) -> None:
    (cache.root / "joe" / "v.onnx").unlink()
    assert resolve.states(["joe"], cache)[0].status == "incomplete"
    with pytest.raises(ModelError, match=r"v\.onnx is missing \(voice models fetch joe\)"):
        resolve.resolve("joe", cache)


def test_an_unknown_name_is_a_usage_error(cache: Cache) -> None:
    with pytest.raises(UsageError, match="did you mean joe"):
        resolve.resolve("jo", cache)


def test_a_path_of_ones_own_is_taken_as_it_is(cache: Cache, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "x.gguf").touch()
    assert resolve.resolve(str(own), cache) == own
    assert resolve.weights(str(own), ".gguf", cache) == own / "x.gguf"
    assert resolve.weights(str(own / "x.gguf"), ".gguf", cache) == own / "x.gguf"


@pytest.mark.parametrize("names", [[], ["a.gguf", "b.gguf"]])
def test_a_folder_must_hold_one_file_to_choose(
    cache: Cache, tmp_path: Path, names: list[str]
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for name in names:
        (own / name).touch()
    with pytest.raises(ModelError, match=r"one \.gguf file"):
        resolve.weights(str(own), ".gguf", cache)


def test_a_path_that_is_not_there_is_named(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file or folder"):
        resolve.resolve(str(tmp_path / "nothing"), cache)


@pytest.mark.parametrize(
    ("cores", "gibibytes", "name"),
    [
        (2, 64, resolve.SMALL_LLM),
        (16, 7, resolve.SMALL_LLM),
        (4, 8, resolve.BIG_LLM),
        (1, 0, resolve.SMALL_LLM),
    ],
)
def test_the_language_model_suits_the_machine(cores: int, gibibytes: int, name: str) -> None:
    assert resolve.default_llm(cores, gibibytes << 30) == name
    assert name in manifest.load()


def test_the_defaults_are_one_of_each_kind() -> None:
    known = manifest.load()
    assert [known[name].kind for name in resolve.default_names()] == ["stt", "turn", "tts", "llm"]
