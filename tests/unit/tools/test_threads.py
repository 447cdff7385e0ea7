from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from voice.tools.threads import on_thread, reporting_from_thread

place = contextvars.ContextVar("place", default="nowhere")


async def test_a_result_comes_from_another_thread() -> None:
    assert await on_thread(threading.get_ident) != threading.get_ident()


async def test_the_thread_sees_the_callers_context() -> None:
    place.set("here")
    assert await on_thread(place.get) == "here"


@pytest.mark.parametrize(("raised", "seen"), [(ValueError, ValueError), (SystemExit, SystemExit)])
async def test_exceptions_come_over(raised: type[BaseException], seen: type[BaseException]) -> None:
    def fail() -> None:
        raise raised("why")

    with pytest.raises(seen, match="why"):
        await on_thread(fail)


async def test_an_iterator_that_ends_does_not_hang_the_call() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await on_thread(lambda: next(iter(())))


async def test_many_that_hang_hold_up_no_other() -> None:
    release = threading.Event()
    hanging = [asyncio.create_task(on_thread(release.wait)) for _ in range(50)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await on_thread(lambda: 1) == 1
    release.set()
    await asyncio.gather(*hanging)


async def test_reports_come_before_the_result_and_on_the_loop() -> None:
    heard: list[tuple[str, int]] = []
    with reporting_from_thread(lambda text: heard.append((text, threading.get_ident()))) as report:

        def work() -> int:
            report("a")
            report("b")
            return len(heard)

        await on_thread(work)
        assert heard == [("a", threading.get_ident()), ("b", threading.get_ident())]
    report("too late")
    await asyncio.sleep(0)
    assert len(heard) == 2


def test_a_report_after_the_loop_has_ended_is_nothing() -> None:
    async def run() -> list[object]:
        with reporting_from_thread(print) as report:
            return [report]

    (report,) = asyncio.run(run())
    assert callable(report)
    report("nobody listens")
