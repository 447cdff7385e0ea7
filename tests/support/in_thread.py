"""A server of the tests on an event loop of its own, for programs that run beside the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

S = TypeVar("S")


@contextmanager
def in_thread(serving: AbstractAsyncContextManager[S]) -> Iterator[S]:
    """The server that `serving` opens, while the context is open."""
    ready, over = threading.Event(), asyncio.Event()
    servers: list[S] = []

    async def serve() -> None:
        async with serving as server:
            servers.append(server)
            ready.set()
            await over.wait()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield servers[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
