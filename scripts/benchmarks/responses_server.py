"""The local server with its script backend, as a process of its own that the benchmark starts.

With `stamped` an answer begins with the time at which the backend was given the whole request
(seconds of the monotonic clock, which all processes of a machine share).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator

import msgspec

from voice.server.backend import Piece, Prompt, TextDelta
from voice.server.endpoint import Endpoint
from voice.server.script import Script, ScriptBackend
from voice.server.serve import say_ready


class Scripted(msgspec.Struct, kw_only=True):
    """What the server plays, and at which pace."""

    script: Script
    tokens_per_second: float = 0.0
    stamped: bool = False


class _StampingBackend(ScriptBackend):
    """Plays a script, and says when it was asked to."""

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The reply that fits, after the time."""
        yield TextDelta(f"{time.monotonic():.6f}")
        async for piece in super().generate(prompt):
            yield piece


async def _main(scripted: Scripted) -> None:
    kind = _StampingBackend if scripted.stamped else ScriptBackend
    backend = kind(scripted.script, tokens_per_second=scripted.tokens_per_second)
    say_ready(*await Endpoint(backend, "127.0.0.1", 0).open())
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(_main(msgspec.json.decode(sys.argv[1], type=Scripted)))
