"""Functions that block, on threads of their own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any


async def on_thread(function: Callable[[], Any]) -> Any:
    """What the function returns or raises.

    Each call has a thread of its own, which ends with the program at the latest: Python cannot
    stop a function that hangs, and in a pool it would take a place for ever and hold up the exit.
    """
    outcome: Future[Any] = Future()
    outcome.set_running_or_notify_cancel()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.set_result(context.run(function))
        except StopIteration as error:  # no future can hold it
            outcome.set_exception(RuntimeError(f"StopIteration: {error}"))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work, name="tool", daemon=True).start()
    return await asyncio.wrap_future(outcome)


@contextlib.contextmanager
def reporting_from_thread(report: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """A `report` for a thread; the given one is called on the loop, and not after the end."""
    loop = asyncio.get_running_loop()
    over = False

    def deliver(text: str) -> None:
        if not over:
            report(text)

    def send(text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
            loop.call_soon_threadsafe(deliver, text)

    try:
        yield send
    finally:
        over = True
