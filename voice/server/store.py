"""The responses with `store: true`, for all connections: on disk, off the event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from voice.errors import ServerError, UsageError, VoiceError
from voice.server.ids import new_id
from voice.server.lanes import Kept, Settled
from voice.server.response_file import ResponseFile

log = logging.getLogger(__name__)

RETENTION_SECONDS: Final = 30 * 86_400.0
"""How long a response is kept (the API's own time)."""

PURGE_SECONDS: Final = 3600.0
"""How often what is too old is deleted, while the store is used; nobody sees it before that."""

T = TypeVar("T")


class ResponseStore:
    """Responses in a SQLite file, or with `path` None in memory, for `retention_seconds` each.

    One worker thread does everything in the order of the calls, so a response can be fetched as
    soon as `keep` has returned. The file is made with the first response that is kept. Nothing is
    called after `close`.
    """

    def __init__(
        self, path: Path | None, retention_seconds: float, clock: Callable[[], float]
    ) -> None:
        self._path = None if path is None else path.expanduser().absolute()
        self._retention_seconds = retention_seconds
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="responses")
        self._responses: ResponseFile | None = None
        self._purged_at = 0.0
        self._failing = False

    @classmethod
    async def open(
        cls,
        path: Path | None = None,
        retention_seconds: float = RETENTION_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> ResponseStore:
        """Open the file, if there is one, and delete what is too old; `clock` is Unix time.

        Raises `UsageError`, and `ServerError` where the file cannot be used.
        """
        if not retention_seconds > 0:
            raise UsageError(
                f"responses cannot be stored for {retention_seconds:g} s",
                "let the time be more than 0",
            )
        store = cls(path, retention_seconds, clock)
        try:
            await store._do(store._open)
        except BaseException:
            store._thread.shutdown(wait=False)
            raise
        return store

    def keep(self, kept: Kept) -> None:
        """Store a response, soon. Where that fails it is logged, and the response is lost."""
        self._thread.submit(self._keep, kept)

    async def fetch(self, response_id: str) -> Settled | None:
        """What a continuation needs; None where there is none. Raises `ServerError`."""
        return await self._read(ResponseFile.fetch, response_id)

    async def response(self, response_id: str) -> dict[str, Any] | None:
        """The wire's response object; None where there is none. Raises `ServerError`."""
        return await self._read(ResponseFile.response, response_id)

    async def input_items(self, response_id: str) -> list[dict[str, Any]] | None:
        """All wire items that a response answered to, the oldest first; None and raises as above.

        They have ids of their own, which stay the same.
        """
        return await self._read(ResponseFile.input_items, response_id)

    async def delete(self, response_id: str) -> bool:
        """Delete a response; whether there was one. Raises `ServerError`.

        What it said leaves the file right after this, but for what a stored response continues.
        """
        deleted = await self._read(ResponseFile.delete, response_id)
        if deleted:
            self._thread.submit(self._tidy)
        return bool(deleted)

    async def close(self) -> None:
        """Finish what was begun, and give the file back. Safe to call twice."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._responses:
            await asyncio.to_thread(self._responses.close)

    # ── on the worker thread ─────────────────────────────────────────────────────────────────

    def _open(self) -> None:
        if self._path is None or self._path.exists():
            self._opened()
        else:
            _check_folder(self._path)

    def _opened(self) -> ResponseFile:
        """The file, which is made where it is missing."""
        if self._responses is None:
            if self._path is not None:
                _make_folder(self._path.parent)
            self._responses = ResponseFile(self._path, new_id)
            self._purge()
        return self._responses

    def _keep(self, kept: Kept) -> None:
        try:
            self._opened().keep(kept, self._clock())
        except VoiceError as error:
            if not self._failing:
                log.error("responses are not stored: %s", error)
            self._failing = True
            return
        self._failing = False
        self._tidy()

    def _tidy(self) -> None:
        """Delete what is too old, from time to time, and erase what is deleted."""
        assert self._responses
        try:
            if self._clock() >= self._purged_at + PURGE_SECONDS:
                self._purge()
            self._responses.erase()
        except VoiceError as error:
            log.warning("deleted responses are still on the disk: %s", error)

    def _purge(self) -> None:
        assert self._responses
        self._purged_at = self._clock()
        self._responses.purge(self._since())
        self._responses.erase()

    def _since(self) -> float:
        return self._clock() - self._retention_seconds

    async def _read(self, method: Callable[[ResponseFile, str, float], T], what: str) -> T | None:
        """Ask the file, unless there is none."""

        def read() -> T | None:
            if self._responses is None and not (self._path and self._path.exists()):
                return None
            return method(self._opened(), what, self._since())

        return await self._do(read)

    async def _do(self, function: Callable[[], T]) -> T:
        """Run it in its turn; it is done even if whoever waits is cancelled."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, function))


def _check_folder(path: Path) -> None:
    """Whether the file could be made when it is needed."""
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ServerError(
            f"the response store {path} cannot be created: {folder} is no folder to write in",
            "choose another file with --store",
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServerError(
            f"the folder {folder} of the response store cannot be created: {error.strerror}",
            "choose another file with --store",
        ) from error
