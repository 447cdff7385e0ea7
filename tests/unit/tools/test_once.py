from __future__ import annotations

import asyncio

import pytest

from voice.tools.once import Once


class Work:
    """Waits for `end`, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.end = asyncio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        await self.end.wait()
        return f"result {self.begun}"


async def started(once: Once, work: Work, key: str = "k") -> asyncio.Task[str]:
    task = asyncio.create_task(once.run(key, work, "cancelled"))
    await asyncio.sleep(0)
    return task


async def test_a_repetition_waits_for_the_first_and_gets_its_result() -> None:
    once, work = Once(), Work()
    first, second = await started(once, work), await started(once, work)
    assert not second.done()
    work.end.set()
    assert [await first, await second] == ["result 1", "result 1"]
    assert await once.run("k", work, "cancelled") == "result 1"


async def test_a_repetition_that_is_cancelled_leaves_the_first_alone() -> None:
    once, work = Once(), Work()
    first, second = await started(once, work), await started(once, work)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    work.end.set()
    assert await first == "result 1"


async def test_what_was_cancelled_is_not_done_again() -> None:
    once, work = Once(), Work()
    first, second = await started(once, work), await started(once, work)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == "cancelled"
    assert await once.run("k", work, "cancelled") == "cancelled"
    assert work.begun == 1


async def test_the_oldest_are_forgotten() -> None:
    once, work = Once(most=2), Work()
    work.end.set()
    for key in ("a", "b", "c", "b"):
        await once.run(key, work, "")
    assert work.begun == 3
    await once.run("a", work, "")
    assert work.begun == 4
