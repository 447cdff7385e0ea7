"""Where model files lie, and which of them are known to be right.

Layout: `<cache>/<model>/<file>`, and beside the files a stamp that says which of them had the
right SHA-256, at what size and time of change. A start looks only at the stamp; a file that was
put there by hand, or changed since, is read once and stamped again.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import platformdirs

from voice.errors import ModelError
from voice.models.manifest import File, Model

STAMP = ".verified.json"

FileState = Literal["verified", "unverified", "incomplete", "missing"]


class _Seen(msgspec.Struct, frozen=True):
    """A file as it was when its digest was right."""

    sha256: str
    size: int
    changed_ns: int


_Stamp = dict[str, _Seen]


@dataclass(frozen=True, slots=True)
class Cache:
    """The folder that all checkouts of a user share."""

    root: Path

    @property
    def instructions(self) -> Path:
        """Where language models keep what they have read of instructions."""
        return self.root / "instructions"

    def folder(self, model: Model) -> Path:
        """Where the files of `model` lie, whether or not they are there."""
        return self.root / model.name

    def path(self, model: Model, file: File) -> Path:
        """Where `file` lies once it is there."""
        return self.folder(model) / file.name

    def part(self, model: Model, file: File) -> Path:
        """Where the first bytes of `file` lie until it is whole."""
        return self.folder(model) / f"{file.name}.part"

    def state(self, model: Model, file: File) -> FileState:
        """What is known of `file` without reading it."""
        try:
            found = self.path(model, file).stat()
        except OSError:
            return "incomplete" if self.part(model, file).is_file() else "missing"
        seen = _Seen(file.sha256, found.st_size, found.st_mtime_ns)
        return "verified" if self._stamp(model).get(file.name) == seen else "unverified"

    def verify(self, model: Model, file: File, *, again: bool = False) -> None:
        """Make sure that `file` is there and right, reading it if the stamp does not say so.

        `again` reads it whatever the stamp says. Raises `ModelError` naming what is wrong.
        """
        cure = f"voice models fetch {model.name}"
        path = self.path(model, file)
        state = self.state(model, file)
        if state in ("missing", "incomplete"):
            raise ModelError(f"model {model.name}: {path} is missing", cure)
        if state == "verified" and not again:
            return
        with reading(path):
            size = path.stat().st_size
            if size != file.size:
                raise ModelError(
                    f"model {model.name}: {path} has {size:,} bytes instead of {file.size:,}", cure
                )
            digest = sha256(path)
        if digest != file.sha256:
            raise ModelError(f"model {model.name}: {path} has the wrong SHA-256 ({digest})", cure)
        self._mark(model, file)

    def accept(self, model: Model, file: File) -> bool:
        """Move a whole `.part` into place if its SHA-256 is right; delete it and say so if not."""
        part = self.part(model, file)
        if sha256(part) != file.sha256:
            part.unlink()
            return False
        part.replace(self.path(model, file))
        self._mark(model, file)
        return True

    def discard(self, model: Model, file: File) -> None:
        """Delete `file`, so that a later fetch brings it anew."""
        self.path(model, file).unlink(missing_ok=True)

    def _stamp(self, model: Model) -> _Stamp:
        try:
            return msgspec.json.decode((self.folder(model) / STAMP).read_bytes(), type=_Stamp)
        except (OSError, msgspec.DecodeError):
            return {}

    def _mark(self, model: Model, file: File) -> None:
        """Write down that `file` is right; without the stamp it is only read once more."""
        found = self.path(model, file).stat()
        seen = _Seen(file.sha256, found.st_size, found.st_mtime_ns)
        stamp = self._stamp(model) | {file.name: seen}
        fresh = self.folder(model) / f"{STAMP}.{os.getpid()}"
        try:
            fresh.write_bytes(msgspec.json.encode(stamp))
            fresh.replace(self.folder(model) / STAMP)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise


def default_cache() -> Cache:
    """`VOICE_CACHE`, else the platform's folder for caches."""
    chosen = os.environ.get("VOICE_CACHE")
    return Cache(Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("voice"))


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Map what can go wrong while `path` is read to a `ModelError`."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"cannot read {path}: {error.strerror}", "check its permissions"
        ) from error


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Map what can go wrong while files are written under `folder` to a `ModelError`."""
    try:
        yield
    except OSError as error:
        cure = {
            errno.ENOSPC: "free some space, or set VOICE_CACHE to a folder on another disk",
            errno.EDQUOT: "free some space, or set VOICE_CACHE to a folder on another disk",
        }.get(error.errno or 0, "set VOICE_CACHE to a folder that you can write")
        raise ModelError(f"cannot write {folder}: {error.strerror or error}", cure) from error
