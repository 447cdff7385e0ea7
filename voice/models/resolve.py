"""From the name of a model, or a path of the user's own, to files that can be loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from voice.errors import ModelError
from voice.models import manifest
from voice.models.cache import Cache, default_cache
from voice.models.manifest import Manifest, Model

SMALL_LLM = "qwen2.5-coder-0.5b"
BIG_LLM = "qwen2.5-coder-1.5b"

# Below these the bigger model answers too slowly to talk to, or does not leave room for speech
# (measured on two cores: 20 tokens a second instead of 40, first token 0.4 s instead of 0.15 s).
BIG_LLM_CORES = 4
BIG_LLM_MEMORY_BYTES = 8 << 30

ModelStatus = Literal["ready", "unverified", "incomplete", "missing"]


@dataclass(frozen=True, slots=True)
class State:
    """How far a model is there, as far as one sees without reading its files."""

    model: Model
    status: ModelStatus
    folder: Path


def resolve(name: str, cache: Cache | None = None) -> Path:
    """The folder of the model called `name`, whole and verified; or the path that `name` is.

    A file or folder of the user's own is taken as it is. Raises `ModelError` naming what is
    missing or wrong, `UsageError` if nothing is called so.
    """
    known = manifest.load()
    if name not in known and (own := _own_path(name)):
        return own
    model, cache = manifest.find(known, name), cache or default_cache()
    for file in model.files:
        cache.verify(model, file)
    return cache.folder(model)


def weights(name: str, suffix: str, cache: Cache | None = None) -> Path:
    """The one file with `suffix` (such as `.gguf`) that a loader needs.

    `name` is a model's name, a file, or a folder that holds one such file. Raises as `resolve`.
    """
    path = resolve(name, cache)
    if model := manifest.load().get(name):
        return path / model.weights.name
    if path.is_file():
        return path
    found = sorted(path.glob(f"*{suffix}"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise ModelError(
            f"{path} should hold one {suffix} file, not {names}", "name the file itself"
        )
    return found[0]


def states(names: Iterable[str] = (), cache: Cache | None = None) -> list[State]:
    """How far each model is there (all of the manifest if none is named). Reads no model file."""
    known, cache = manifest.load(), cache or default_cache()
    chosen = [manifest.find(known, name) for name in names] or list(known.values())
    return [State(model, _status(model, cache), cache.folder(model)) for model in chosen]


def default_names(known: Manifest | None = None) -> list[str]:
    """The models that a first conversation on this machine needs."""
    chosen = known or manifest.load()
    fixed = [model.name for model in chosen.values() if model.default]
    return [*fixed, default_llm(_cores(), _memory_bytes())]


def default_llm(cores: int, memory_bytes: int) -> str:
    """The name of the language model for a machine with so many cores and so much memory."""
    big = cores >= BIG_LLM_CORES and memory_bytes >= BIG_LLM_MEMORY_BYTES
    return BIG_LLM if big else SMALL_LLM


def this_machines_llm() -> str:
    """`default_llm` of the machine that this runs on."""
    return default_llm(_cores(), _memory_bytes())


def _status(model: Model, cache: Cache) -> ModelStatus:
    found = {cache.state(model, file) for file in model.files}
    if found == {"verified"}:
        return "ready"
    if found == {"missing"}:
        return "missing"
    return "incomplete" if found & {"missing", "incomplete"} else "unverified"


def _own_path(name: str) -> Path | None:
    """`name` as a path, if it is one. Raises `ModelError` if it looks like one but is not there."""
    path = Path(name).expanduser()
    if path.exists():
        return path
    if path.name != name:
        raise ModelError(f"{name}: no such file or folder", "see `voice models list` for names")
    return None


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    """The machine's memory; 0 where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0
