"""Presses of a button: lines on standard input, or on a Unix socket of the user's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from voice.apps.kiosk.state_socket import bind_private
from voice.config import KioskOptions
from voice.errors import UsageError

_MOST_CLIENTS = 8

_READ_BYTES = 65_536
_LONGEST_LINE_BYTES = 1000


def refusal(line: str) -> str:
    """What is wrong with a line; "" for a press and a release."""
    if line.strip().lower() in ("", "press", "release"):
        return ""
    return f'there is no "{line.strip()[:40]}"; send "press", "release" or an empty line'


def is_press(line: str) -> bool:
    """Whether a line is a press: a release is understood, and does nothing."""
    return line.strip().lower() in ("", "press")


@contextlib.asynccontextmanager
async def open_buttons(options: KioskOptions, press: Callable[[], None]) -> AsyncIterator[None]:
    """Call `press` for each press. Raises `UsageError`."""
    if options.button == "stdin":
        with _listen_to_stdin(press):
            yield
    elif options.button == "socket":
        async with _serve(_socket_path(options), press):
            yield
    else:
        yield


@contextlib.contextmanager
def _listen_to_stdin(press: Callable[[], None]) -> Iterator[None]:
    """On the loop itself, not on a thread: whoever comes next reads the next line."""
    loop, rest, file = asyncio.get_running_loop(), b"", -1

    def read() -> None:
        nonlocal rest
        try:
            block = os.read(file, _READ_BYTES)
        except OSError:
            block = b""
        *lines, rest = (rest + block).split(b"\n")
        rest = rest[-_LONGEST_LINE_BYTES:]
        for line in lines:
            if is_press(line.decode("utf-8", "replace")):
                press()
        if not block:
            loop.remove_reader(file)

    try:
        file = sys.stdin.fileno()
        loop.add_reader(file, read)
    except (AttributeError, OSError, ValueError) as error:  # nothing, a file, or it is closed
        raise UsageError(
            "nobody can press a button on this standard input",
            'give it a terminal or a pipe, or set button = "socket" in [kiosk]',
        ) from error
    try:
        yield
    finally:
        loop.remove_reader(file)


def _socket_path(options: KioskOptions) -> Path:
    if options.button_socket:
        return Path(options.button_socket).expanduser()
    if folder := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(folder) / "button"
    raise UsageError(
        "there is no runtime folder for the button's socket", "set button_socket in [kiosk]"
    )


@contextlib.asynccontextmanager
async def _serve(path: Path, press: Callable[[], None]) -> AsyncIterator[None]:
    clients: set[asyncio.StreamWriter] = set()

    async def listen(lines: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if len(clients) >= _MOST_CLIENTS:
            client.close()
            return
        clients.add(client)
        try:
            with contextlib.suppress(OSError, ValueError):  # gone, or a line without an end
                while line := await lines.readline():
                    await _answer(line.decode("utf-8", "replace"), client, press)
        finally:
            clients.discard(client)
            client.close()

    try:
        server = await asyncio.start_unix_server(listen, sock=bind_private(path))
    except OSError as error:
        raise UsageError(
            f"the button's socket {str(path)!r} cannot be opened: {error.strerror or error}",
            "set button_socket in [kiosk] to a path where you may write",
        ) from error
    try:
        yield
    finally:
        server.close()
        for client in list(clients):
            client.close()
        _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


async def _answer(line: str, client: asyncio.StreamWriter, press: Callable[[], None]) -> None:
    problem = refusal(line)
    if is_press(line):
        press()
    client.write(f"error: {problem}\n".encode() if problem else b"ok\n")
    await client.drain()
