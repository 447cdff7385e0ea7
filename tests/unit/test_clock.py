"""Virtual time: it moves only when it is told to and nobody works."""

from __future__ import annotations

import asyncio

from voice.clock import MonotonicClock, VirtualClock


async def test_sleepers_wake_in_their_order_and_at_their_time() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, until: float) -> None:
        await clock.sleep_until(until)
        woken.append((name, clock.now()))

    tasks = [asyncio.create_task(sleep(name, at)) for name, at in (("b", 2.0), ("a", 1.0))]
    await asyncio.sleep(0)
    await clock.advance(3.0)
    await asyncio.gather(*tasks)
    assert woken == [("a", 1.0), ("b", 2.0)]
    assert clock.now() == 3.0


async def test_time_stands_still_while_somebody_works() -> None:
    clock = VirtualClock()
    done = asyncio.Event()

    async def work() -> None:
        with clock.working():
            await done.wait()
            assert clock.now() == 0.0

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    advancing = asyncio.create_task(clock.advance(1.0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert clock.now() == 0.0
    done.set()
    await asyncio.gather(working, advancing)
    assert clock.now() == 1.0


async def test_who_wakes_may_sleep_again_within_the_same_step() -> None:
    clock = VirtualClock()
    ticks: list[float] = []

    async def tick() -> None:
        for at in (0.25, 0.5, 0.75):
            await clock.sleep_until(at)
            ticks.append(clock.now())

    task = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await clock.advance(1.0)
    await task
    assert ticks == [0.25, 0.5, 0.75]


async def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    clock = VirtualClock()
    await clock.advance(5.0)
    await clock.sleep_until(4.0)
    real = MonotonicClock()
    await real.sleep_until(real.now() - 1)
