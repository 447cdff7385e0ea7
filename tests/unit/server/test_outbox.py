"""What waits to be sent to a client."""

from __future__ import annotations

import asyncio

from voice.server.outbox import Outbox


async def test_all_that_waits_is_taken_at_once_and_in_order() -> None:
    outbox: Outbox[int] = Outbox(10)
    taking = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not taking.done()
    for number in range(3):
        outbox.put(number)
    assert await taking == [0, 1, 2]
    outbox.put(3)
    assert await outbox.take() == [3]


async def test_whoever_fills_it_too_far_waits_until_it_is_emptied() -> None:
    outbox: Outbox[int] = Outbox(2)
    outbox.put(0)
    outbox.put(1)
    await outbox.room()
    outbox.put(2)
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.take()
    await waiting


async def test_few_that_are_large_fill_it_too() -> None:
    outbox: Outbox[str] = Outbox(10)
    for _ in range(3):
        await outbox.room()
        outbox.put("large", 2 << 20)
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.take()
    await waiting
    outbox.put("large", 9 << 20)
    outbox.shut()
    outbox.put("large", 9 << 20)
    await outbox.room()


async def test_nobody_waits_for_one_that_is_shut() -> None:
    outbox: Outbox[int] = Outbox(1)
    outbox.put(0)
    outbox.put(1)
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0)
    outbox.shut()
    await waiting
    for number in range(5):
        outbox.put(number)
    await outbox.room()
