"""The server under test: the real one, with a backend that confesses all that it was told.

On SIGUSR1 it says what it has in its memory: a line of JSON on stdout.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

from tests.support.fuzzing.confession import confession, message_text
from voice.errors import ServerError
from voice.server import serve as serving
from voice.server.backend import (
    Backend,
    Busy,
    Finished,
    Piece,
    Prompt,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)
from voice.server.limits import Limits
from voice.server.script import ScriptBackend
from voice.server.serve import ServeOptions

KEY = "fuzzing"

LIMITS = Limits(request_seconds=2.0, stalled_reader_seconds=4.0, idle_seconds=10.0)

_WATCHED = ("Connection", "Driver", "Session", "Exchange", "Door", "ServerConnection", "Outbox")
"""What there is for each connection or request, and must not be there after it."""


class Confessor(ScriptBackend):
    """Does what the last words say, and tells all marks that its prompt holds."""

    def __init__(self) -> None:
        super().__init__()
        self._turns = itertools.count()

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """Words, thoughts and calls, quickly or slowly; or a failure."""
        said = message_text(prompt.items[-1]) if prompt.items else ""
        if "fail" in said:
            if next(self._turns) % 2:
                raise Busy("out of luck", "try again", 1.0)
            raise ServerError("out of luck", "try again")
        if "think" in said:
            yield ReasoningDelta("Hm, ")
            yield ReasoningDelta("well.")
        pieces = 200 if "long" in said else 10 if "slow" in said else 0
        for _ in range(pieces):
            if "slow" in said:
                await asyncio.sleep(0.003)
            yield TextDelta("and ")
        yield TextDelta(confession(prompt) or "nothing")
        if "tool" in said:
            for _ in range(2 if "two" in said else 1):
                yield ToolCall("f", json.dumps({"seen": confession(prompt)}))
        limit = prompt.max_output_tokens or pieces + 2
        yield Finished(9, 2, pieces + 1, reached_limit=limit < pieces + 2)


def _report() -> None:
    gc.collect()
    kinds = Counter(
        type(one).__name__ for one in gc.get_objects() if type(one) is not sqlite3.Connection
    )
    there = {name: kinds[name] for name in _WATCHED if kinds[name]}
    print(json.dumps({"tasks": len(asyncio.all_tasks()), **there}), flush=True)


async def _confessor(_: ServeOptions) -> Backend:
    return Confessor()


async def main(store: str) -> None:
    """Serve on a free port until a signal comes."""
    serving.open_backend = _confessor
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _report)
    options = ServeOptions(port=0, key=KEY, store=Path(store), limits=LIMITS)
    await serving.serve(options, serving.say_ready)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(sys.argv[1]))
