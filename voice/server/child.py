"""The local server as a child process that cannot outlive its parent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec

from voice.errors import ServerError, VoiceError
from voice.server.serve import READY, ServeOptions, say_ready, serve

_log = logging.getLogger(__name__)

_KEY = "VOICE_SERVER_KEY"
_START_SECONDS = 120.0
"""A slow disk reads a gigabyte of weights in this time."""

_END_SECONDS = 5.0


@asynccontextmanager
async def local_server(options: ServeOptions) -> AsyncIterator[tuple[str, str]]:
    """Serve in a child process, on a free loopback port; yields its URL and key.

    The key is random and travels in the environment. The child's stdin is a pipe that the kernel
    closes when we end, however we end, and then the child ends too. Raises `ServerError`.
    """
    key = secrets.token_urlsafe(24)
    chosen = replace(options, host="127.0.0.1", port=0, exit_with_stdin=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voice.server.child"),
        msgspec.json.encode(chosen, enc_hook=str).decode(),  # the hook is for its paths
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, _KEY: key},
        start_new_session=True,  # Ctrl-C is for us; we end the child when we are done
    )
    said: list[str] = []
    listening = asyncio.create_task(_keep_last_line(process, said))
    try:
        yield await _ready_url(process, said), key
    finally:
        await _end(process)
        listening.cancel()


async def _ready_url(process: asyncio.subprocess.Process, said: list[str]) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            async for line in process.stdout:
                if line.decode().startswith(READY):
                    return line.decode().removeprefix(READY).strip()
            await process.wait()
    except TimeoutError:
        raise ServerError(
            f"the local server was not ready within {_START_SECONDS:.0f} s",
            "try `voice serve` by itself to see what it waits for",
        ) from None
    await asyncio.sleep(0.05)  # its last line may still be on its way
    reason = said[-1].removeprefix("voice: ") if said else f"exit code {process.returncode}"
    raise ServerError(f"the local server did not start: {reason}")


async def _keep_last_line(process: asyncio.subprocess.Process, said: list[str]) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        text = line.decode(errors="replace").rstrip()
        _log.info("server: %s", text)
        said[:] = [text]


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def main() -> None:
    """The child: no command line, no configuration, so that it is there half a second sooner."""
    given = msgspec.json.decode(
        sys.argv[1], type=ServeOptions, dec_hook=lambda kind, text: kind(text)
    )
    options = replace(given, key=os.environ.get(_KEY, ""))
    try:
        asyncio.run(serve(options, say_ready))
    except VoiceError as error:
        sys.exit(f"voice: {error}")


if __name__ == "__main__":
    main()
