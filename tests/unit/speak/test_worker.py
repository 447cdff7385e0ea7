from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import aclosing

import numpy as np
import pytest

from voice.errors import ModelError
from voice.speak.synthesizer import Sound, Synthesizer
from voice.speak.worker import SynthesisWorker


class SlowSynthesizer:
    """A sample a character; each piece waits until it is allowed."""

    rate = 16_000

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(0)
        self.begun = threading.Event()
        self.made: list[str] = []
        self.threads: set[int] = set()
        self.closed = threading.Event()

    def synthesize(self, text: str) -> Iterator[Sound]:
        try:
            for character in text:
                self.begun.set()
                assert self.allowed.acquire(timeout=10)
                if character == "?":
                    raise ModelError("the voice is broken")
                self.threads.add(threading.get_ident())
                self.made.append(character)
                yield Sound(np.zeros(1, np.int16), ())
        finally:
            self.closed.set()


async def test_pieces_come_in_order_from_one_other_thread() -> None:
    synthesizer = SlowSynthesizer()
    worker = SynthesisWorker(synthesizer)
    synthesizer.allowed.release(4)
    for text in ("ab", "cd"):
        assert len([sound async for sound in worker.synthesize(text)]) == 2
    assert synthesizer.made == ["a", "b", "c", "d"]
    assert len(synthesizer.threads) == 1
    assert threading.get_ident() not in synthesizer.threads
    worker.close()
    worker.close()


async def test_cancelling_takes_effect_between_pieces() -> None:
    synthesizer = SlowSynthesizer()
    worker = SynthesisWorker(synthesizer)

    async def speak(text: str) -> int:
        return len([sound async for sound in worker.synthesize(text)])

    task = asyncio.create_task(speak("abc"))
    await asyncio.to_thread(synthesizer.begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    synthesizer.allowed.release(4)  # "a" is under way, then there is room for "xyz"
    assert await speak("xyz") == 3
    assert synthesizer.made == ["a", "x", "y", "z"]
    assert await asyncio.to_thread(synthesizer.closed.wait, 10)
    worker.close()


async def test_who_stops_between_pieces_closes_the_synthesizer() -> None:
    synthesizer = SlowSynthesizer()
    worker = SynthesisWorker(synthesizer)
    synthesizer.allowed.release(1)
    async with aclosing(worker.synthesize("abc")) as sounds:
        async for _ in sounds:
            break
    assert await asyncio.to_thread(synthesizer.closed.wait, 10)
    assert synthesizer.made == ["a"]
    worker.close()


async def test_work_ahead_is_done_on_the_thread_once_the_voice_is_loaded() -> None:
    loading: Future[Synthesizer] = Future()
    threads: list[str] = []
    jobs = [lambda: threads.append(threading.current_thread().name)] * 2
    worker = SynthesisWorker(SlowSynthesizer(), loading, jobs)
    preparing = asyncio.create_task(worker.prepare())
    await asyncio.sleep(0)
    assert threads == []
    loading.set_result(SlowSynthesizer())
    await preparing
    assert [name.startswith("speak") for name in threads] == [True, True]
    worker.close()


async def test_a_voice_that_cannot_be_loaded_is_told_to_who_waits_for_it() -> None:
    loading: Future[Synthesizer] = Future()
    loading.set_exception(ModelError("the voice is broken"))
    worker = SynthesisWorker(SlowSynthesizer(), loading)
    with pytest.raises(ModelError, match="broken"):
        await worker.prepare()
    worker.close()


async def test_errors_reach_the_caller() -> None:
    synthesizer = SlowSynthesizer()
    worker = SynthesisWorker(synthesizer)
    synthesizer.allowed.release(2)
    with pytest.raises(ModelError, match="broken"):
        async for _ in worker.synthesize("a?"):
            pass
    worker.close()
