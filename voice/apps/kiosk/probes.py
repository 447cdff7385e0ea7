"""Looks whether what was out of order works again, and puts right what can be."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from voice.config import Options
from voice.errors import AgentError, JournalError, ModelError
from voice.models import manifest
from voice.models.cache import default_cache
from voice.models.resolve import this_machines_llm
from voice.responses.connection import endpoint
from voice.responses.http import HttpTransport
from voice.responses.options import AgentOptions
from voice.responses.presets import resolve_agent
from voice.responses.transports import open_transport

_PROBE_BYTES = 65_536
"""More than a disk that is full for us has left; a turn in the journal takes a few thousand."""


async def reach_server(chosen: AgentOptions) -> None:
    """Connect to the configured server, and leave again. Raises `AgentError`s."""
    url, key, preset = resolve_agent(chosen.url, os.environ)
    there = endpoint(url, key, preset.key_variable)
    transport, _ = await open_transport(there, chosen.transport)
    try:
        if isinstance(transport, HttpTransport) and not await transport.answers():
            raise AgentError(f"nothing answers at {there.url}", "check the network and the server")
    finally:
        await transport.close()


def write_to_disk(path: Path) -> None:
    """Write beside the file and delete that. Raises `JournalError`."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        problem = f"nothing can be written to {path.parent}: {error.strerror}"
        raise JournalError(problem, "free some space on that disk") from error


def discard_damaged(options: Options) -> list[str]:
    """Read all models that are used and delete the files that are wrong, so that they are fetched.

    Returns what was wrong with them. Files of the user's own are left alone.
    """
    known, cache, wrong = manifest.load(), default_cache(), []
    for model in (known[name] for name in _models(options) if name in known):
        for file in model.files:
            try:
                cache.verify(model, file, again=True)
            except ModelError as error:
                wrong.append(error.problem)
                with contextlib.suppress(OSError):
                    cache.discard(model, file)
    return wrong


def _models(options: Options) -> list[str]:
    names = [options.listen.model, options.speak.voice, options.turns.judge]
    if options.agent.url == "local" and options.server.backend == "llama":
        named = options.agent.model if options.agent.model != "auto" else options.server.model
        names.append(this_machines_llm() if named == "auto" else named)
    return names
