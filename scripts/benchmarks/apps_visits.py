"""A thousand conversations in a row: what memory they leave, and what of one reaches the next.

Each visitor types a sentence with a word of their own, is answered by a real session with a real
voice over a real connection, and leaves. Time is virtual, so that nobody waits for the voice to be
heard. A leak is a request that holds the word of a visitor who has left. Conversations that are
opened anew, as after a fault, are measured beside them: each loads its models again.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benchmarks.figures import code_version, load, machine, rounded
from tests.support.programs import Proxy, recording_proxy, script_server
from voice.apps.kiosk.memory import release
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame
from voice.audio.wav import FileOutput
from voice.build import Devices, open_session
from voice.clock import VirtualClock
from voice.config import Options
from voice.responses.options import AgentOptions
from voice.session import Session
from voice.trace import Trace, TraceEvent

_RATE = 22_050
_WORD = re.compile(r"visitor(\d+)x")


class _Silence:
    """A microphone in an empty hall."""

    ended = False
    overruns = 0

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._position = 0

    async def open(self) -> None:
        """Nothing to do."""

    async def read(self) -> Frame | None:
        """Another frame of it."""
        at = (self._position + FRAME_SAMPLES) / SAMPLE_RATE
        frame = Frame(self._position, np.zeros(FRAME_SAMPLES, np.int16), at)
        self._position = frame.end
        await self._clock.advance(at)
        return frame

    async def close(self) -> None:
        """Nothing to do."""


class _Heard:
    """A sink that waits for events."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    def __call__(self, event: TraceEvent) -> None:
        if waiting := self._waiting.get(event.event):
            waiting.set()

    def expect(self, name: str) -> asyncio.Event:
        """Set at the next event of that name."""
        return self._waiting.setdefault(name, asyncio.Event())


def measure_visits(visits: int = 1000, reopenings: int = 20) -> dict[str, Any]:
    """`rss_growth_mb` and `context_leaks` over so many visits, and `reopened_growth_mb`."""
    before = load()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "replies.toml").write_text('[[reply]]\ntext = "Welcome."\n')
        url = stack.enter_context(script_server("--script", str(folder / "replies.toml")))
        proxy = stack.enter_context(recording_proxy(url))
        options = replace(Options(), agent=AgentOptions(url=proxy.url, eager=False))
        figures = asyncio.run(_visit(options, folder, visits, proxy))
        figures |= asyncio.run(_reopen(options, folder, reopenings))
    conditions = {
        "machine": machine(), "code": code_version(), "load_before": before, "load_after": load(),
    }  # fmt: skip
    return figures | {"conditions": conditions}


async def _visit(options: Options, folder: Path, visits: int, proxy: Proxy) -> dict[str, Any]:
    heard = _Heard()
    warm = max(1, visits // 10)
    memory: list[float] = []
    leaks = 0
    async with _conversation(options, folder, heard) as session:
        for number in range(warm + visits):
            if number == warm:
                memory.append(_rss_mb())
            proxy.requests.clear()
            await _one_visit(session, heard, number)
            leaks += _leaks(proxy, number)
        memory.append(_rss_mb())
    return {
        "visits": visits,
        "rss_start_mb": rounded(memory[0], 1),
        "rss_growth_mb": rounded(memory[1] - memory[0], 1),
        "context_leaks": leaks,
    }


async def _one_visit(session: Session, heard: _Heard, number: int) -> None:
    answered, begun = heard.expect("turn.completed"), heard.expect("conversation.begun")
    answered.clear()
    begun.clear()
    session.type_text(f"I am visitor{number}x.")
    await answered.wait()
    session.begin_anew()
    await begun.wait()


def _leaks(proxy: Proxy, number: int) -> int:
    """Requests since the last visit that hold another visitor's word."""
    assert proxy.creations(), "nothing was asked"
    words = [set(_WORD.findall(str(request))) for request in proxy.requests]
    assert any(str(number) in found for found in words)
    return sum(bool(found - {str(number)}) for found in words)


async def _reopen(options: Options, folder: Path, times: int) -> dict[str, Any]:
    """Memory after conversations that are opened and closed, one after the other."""
    first = 0.0
    for number in range(times + 3):
        heard = _Heard()
        listening = heard.expect("listening")
        async with _conversation(options, folder, heard):
            await listening.wait()
        release()
        if number == 2:  # by then all libraries are loaded
            first = _rss_mb()
    growth = _rss_mb() - first
    return {"reopenings": times, "reopened_growth_mb": rounded(growth, 1)}


@asynccontextmanager
async def _conversation(options: Options, folder: Path, heard: _Heard) -> AsyncIterator[Session]:
    clock = VirtualClock()
    output = FileOutput(folder / "said.wav", clock, _RATE)
    devices = Devices(_Silence(clock), output, clock, patient=True)
    async with open_session(options, devices, Trace(heard)) as session:
        running = asyncio.create_task(session.run())
        try:
            yield session
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


def _rss_mb() -> float:
    release()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6
