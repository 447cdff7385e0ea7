"""The kiosk's state for screens and lights: JSON lines on a Unix socket.

Whoever connects is told the present state at once, and each change from then on:

    {"state": "speaking", "ready": true, "visit": true, "faults": []}

Who does not read is dropped; the kiosk waits for nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
from pathlib import Path
from typing import Final, Self

import msgspec

from voice.apps.kiosk.state import KioskState
from voice.errors import UsageError
from voice.trace import TraceEvent

log = logging.getLogger(__name__)

_MOST_UNREAD_BYTES: Final = 16_384
"""Some two hundred changes; what the system holds for a reader comes on top."""

_MOST_READERS: Final = 32


class StateSocket:
    """A sink of the trace, and an asynchronous context manager that serves the socket."""

    def __init__(self, path: Path | str) -> None:
        """`path` "" serves nobody."""
        self._path = Path(path) if str(path) else None
        self._state = KioskState()
        self._told = self._line()
        self._readers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Begin to serve. Raises `UsageError`."""
        if self._path:
            try:
                taken = bind_private(self._path)
                self._server = await asyncio.start_unix_server(self._serve, sock=taken)
            except OSError as error:
                raise UsageError(
                    f"the state cannot be told at {self._path}: {error.strerror or error}",
                    "set state_socket in [kiosk] to a path in a folder that is yours",
                ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Say goodbye to all readers, and take the socket away."""
        if self._server and self._path:
            self._server.close()
            for reader in list(self._readers):
                reader.close()
            with contextlib.suppress(OSError):
                self._path.unlink()

    def __call__(self, event: TraceEvent) -> None:
        """Take in one event, and tell all readers where that changes the state."""
        self._state.receive(event)
        line = self._line()
        if line == self._told:
            return
        self._told = line
        for reader in list(self._readers):
            self._tell(reader)

    def _line(self) -> bytes:
        state = self._state
        told = {
            "state": state.word,
            "ready": state.ready,
            "visit": state.visited,
            "faults": list(state.faults),
        }
        return msgspec.json.encode(told) + b"\n"

    async def _serve(self, incoming: asyncio.StreamReader, reader: asyncio.StreamWriter) -> None:
        if len(self._readers) >= _MOST_READERS:
            log.warning("the state socket has %d readers; one more was sent away", _MOST_READERS)
            reader.close()
            return
        self._readers.add(reader)
        self._tell(reader)
        with contextlib.suppress(OSError):
            while await incoming.read(4096):  # nothing is expected; it ends when the reader goes
                pass
        self._readers.discard(reader)
        reader.close()

    def _tell(self, reader: asyncio.StreamWriter) -> None:
        reader.write(self._told)
        if reader.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            log.warning("a reader of the state socket was dropped: it does not read")
            self._readers.discard(reader)
            reader.transport.abort()


def bind_private(path: Path) -> socket.socket:
    """A listening socket that only its owner may open. Raises `OSError`.

    One that an ended kiosk left is replaced; another's is not, nor what is no socket.
    """
    if _exists_as_socket(path):
        if _answers(path):
            raise OSError(0, "another program serves it")
        path.unlink()
    taken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        taken.bind(str(path))
    except OSError:
        taken.close()
        raise
    finally:
        os.umask(mask)
    taken.setblocking(False)
    return taken


def _exists_as_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            return True  # it has many to answer
    return True
