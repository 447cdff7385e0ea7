"""The program under test as a process, and a proxy that writes down what it asks of the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from faster_whisper import WhisperModel
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.support.words import edits
from voice.audio.frames import SAMPLE_RATE, Int16

TraceEvents = list[dict[str, Any]]


def command(*arguments: str, module: str = "voice.cli") -> list[str]:
    """The command line of `voice`, or of a module that stands for it, in this environment."""
    return [sys.executable, "-m", module, *arguments]


def run_voice(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120.0,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        env={**os.environ, **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def read_trace(path: Path) -> TraceEvents:
    """The events written so far; a last line that is not whole yet is left out."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines]


class Running:
    """A command that goes on while the test looks at its trace."""

    def __init__(self, process: subprocess.Popen[str], trace: Path) -> None:
        self.process = process
        self._trace = trace

    def events(self, name: str) -> TraceEvents:
        """The trace's events of that name so far."""
        return [event for event in read_trace(self._trace) if event["event"] == name]

    def wait_for(self, name: str, count: int = 1, timeout: float = 60.0) -> dict[str, Any]:
        """Wait for the `count`-th event of that name."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if len(found := self.events(name)) >= count:
                return found[count - 1]
            assert self.process.poll() is None, f"ended: {self._output()}"
            time.sleep(0.02)
        raise AssertionError(f"no {name!r} within {timeout} s; trace: {read_trace(self._trace)}")

    def _output(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read()


@contextmanager
def running(
    *arguments: str,
    trace: Path,
    env: Mapping[str, str] | None = None,
    module: str = "voice.cli",
) -> Iterator[Running]:
    """Run a command with that trace, and end it."""
    trace.unlink(missing_ok=True)
    process = subprocess.Popen(
        command(*arguments, "--trace", str(trace), module=module),
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Running(process, trace)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=10)
        if process.poll() is None:
            process.kill()
            process.communicate()


@contextmanager
def script_server(*arguments: str) -> Iterator[str]:
    """`voice serve --backend script` on a free port; yields its base URL."""
    process = subprocess.Popen(
        command("serve", "--backend", "script", "--port", "0", *arguments),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("listening on ").strip()
    finally:
        process.terminate()
        process.communicate(timeout=10)


@dataclass
class Proxy:
    """Stands before a server; `requests` are the client's messages as they came."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)

    def creations(self) -> list[dict[str, Any]]:
        """The requests for a response that is to be generated."""
        return [
            request
            for request in self.requests
            if request["type"] == "response.create" and request.get("generate") is not False
        ]


@contextmanager
def recording_proxy(upstream: str) -> Iterator[Proxy]:
    """Pass everything on between a client and `upstream`, and keep the client's messages."""
    proxy, ready, loop = Proxy(), threading.Event(), asyncio.new_event_loop()

    async def relay(client: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async with connect(f"{upstream}/responses", proxy=None) as server:

                async def to_client() -> None:
                    async for message in server:
                        await client.send(message)

                answers = asyncio.create_task(to_client())
                async for message in client:
                    proxy.requests.append(json.loads(message))
                    await server.send(message)
                answers.cancel()

    async def run() -> None:
        async with serve(relay, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            proxy.url = f"ws://127.0.0.1:{port}/v1"
            ready.set()
            await asyncio.get_running_loop().create_future()

    task = loop.create_task(run())
    thread = threading.Thread(target=lambda: _run_quietly(loop, task), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


def _run_quietly(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        loop.run_until_complete(task)


def speech_samples(path: Path) -> Int16:
    """A recording as int16 mono at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="int16")
    if rate != SAMPLE_RATE:
        samples = soxr.resample(samples, rate, SAMPLE_RATE).astype(np.int16)
    return np.asarray(samples)


def sounding(samples: Int16) -> Int16:
    """The samples without the silence before and after: Whisper makes words up over silence."""
    heard = np.flatnonzero(np.abs(samples) > 100)
    return samples[heard[0] : heard[-1] + 1] if len(heard) else samples[:0]


def listener(whisper_path: Path) -> Callable[[Int16], str]:
    """What a listener understands of 16 kHz sound: faster-whisper's own method, not ours."""
    model = WhisperModel(str(whisper_path), device="cpu", compute_type="int8", cpu_threads=2)

    def understand(samples: Int16) -> str:
        segments, _ = model.transcribe(
            samples.astype(np.float32) / 32768.0, language="en", beam_size=1, temperature=0.0
        )
        return " ".join(segment.text.strip() for segment in segments)

    return understand


_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}


def plain_words(text: str) -> list[str]:
    """Lower-case words without punctuation, small numbers as digits.

    As one are taken 5:02, 5.02, 5-0, 2; PM and p.m.; 26 and 26th.
    """
    text = re.sub(r"(?<=\d)[\s:.,-]+(?=\d)", "", text.lower())
    text = re.sub(r"\b([ap])\.m\b", r"\1m", text)
    text = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text)
    words = re.findall(r"[a-z']+|[0-9]+", text)
    return [_NUMBERS.get(word, word) for word in words]


def word_errors(said: str, understood: str) -> int:
    """Words that were left out, put in or mistaken (Levenshtein)."""
    return edits(plain_words(said), plain_words(understood))
