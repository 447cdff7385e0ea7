"""What a model has read of instructions and tools, kept on disk for the next start.

A conversation begins with its head, and a small model on two cores reads some hundred tokens of it
a second: ten seconds that are the same at every start. Its key-value states are 12 kB a token with
the 0.5 B model and 28 with the 1.5 B, and are read back in 30 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from voice.server.engine import Engine

MOST_FILES: Final = 4
"""The last ones used are kept: a model and a few sets of tools."""

LEAST_TOKENS: Final = 128
"""Of a head that is worth a file: about a second of reading."""

_SUFFIX: Final = ".kv"

_NOT_KEPT: Final = "what is read of instructions is not kept for the next start: %s"

log = logging.getLogger(__name__)


class Heads:
    """Which head each slot of an engine has, and the files that they are read back from."""

    def __init__(self, engine: Engine, files: HeadFiles) -> None:
        self._engine = engine
        self._files = files
        self._in_slot: dict[int, str] = {}
        """What a slot has read, or begun to read."""

    async def recall(self, slot: int, head: str) -> None:
        """Let the slot begin with what was read of this head before."""
        if self._in_slot.get(slot) == head:
            return
        self._in_slot[slot] = head
        name = await asyncio.to_thread(self._files.find, head)
        if name and not await self._engine.restore(slot, name):
            await asyncio.to_thread(self._files.forget, name)

    async def keep(self, slot: int, head: str, tokens: int) -> None:
        """Write down what the slot has read, which is this head and nothing else."""
        if tokens >= LEAST_TOKENS and await asyncio.to_thread(self._files.find, head) is None:
            part = f"{secrets.token_hex(8)}.part"
            size_bytes = await self._engine.save(slot, part)
            await asyncio.to_thread(self._files.accept, part, head, size_bytes)


class HeadFiles:
    """The files of one model; those of others lie beside them. All of it blocks."""

    @classmethod
    def open(cls, folder: Path, weights: Path, build: str) -> HeadFiles | None:
        """In a folder that is made, nobody else's; None where that cannot be done."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(folder, weights, build)
        except OSError as error:
            log.info(_NOT_KEPT, error)
            return None

    def __init__(self, folder: Path, weights: Path, build: str) -> None:
        """`build` of llama.cpp: another one's states may mean something else."""
        self.folder = folder
        found = weights.stat()
        self._model = f"{build}\n{weights.name}\n{found.st_size}\n{found.st_mtime_ns}\n"

    def name(self, head: str) -> str:
        """The name of the file that this head has or would have."""
        return hashlib.sha256((self._model + head).encode()).hexdigest()[:32] + _SUFFIX

    def find(self, head: str) -> str | None:
        """The name of its file if there is one, which counts as used then."""
        name = self.name(head)
        try:
            os.utime(self.folder / name)
        except OSError:
            return None
        return name

    def accept(self, part: str, head: str, size_bytes: int) -> None:
        """Take the file `part` as that of the head, if it is whole; the oldest has to go."""
        path = self.folder / part
        try:
            with path.open("rb") as file:
                whole = os.fstat(file.fileno()).st_size == size_bytes > 0
                os.fsync(file.fileno())
            if whole:
                path.replace(self.folder / self.name(head))
            self._prune()
        except OSError as error:
            log.info(_NOT_KEPT, error)

    def forget(self, name: str) -> None:
        """The file is of no use."""
        with contextlib.suppress(OSError):
            (self.folder / name).unlink()

    def _prune(self) -> None:
        files = sorted(
            self.folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True
        )
        for path in [*files[MOST_FILES:], *self.folder.glob("*.part")]:
            path.unlink(missing_ok=True)
