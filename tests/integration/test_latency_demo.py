"""The link in real time, the five ways over it, and the demo as a program. About 9 s."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.benchmarks.figures import ROOT
from scripts.demo.certificate import HOST, Tls, throw_away_tls
from scripts.demo.chains import WAYS, Chain, hold_chain
from scripts.demo.link import Link, open_link
from scripts.demo.servers import linked, script_server
from scripts.demo.workload import FULL

RTT_SECONDS = 0.1
LATE_SECONDS = 0.06
"""How much later than planned something may happen on a busy machine."""


@asynccontextmanager
async def echo_link(tls: Tls | None) -> AsyncIterator[Link]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, open_link(server.sockets[0].getsockname(), RTT_SECONDS, tls) as link:
        yield link


async def _opened(
    link: Link, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = HOST if tls else None
    return await asyncio.open_connection(*link.address, ssl=tls, server_hostname=name)


async def _there_and_back(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
) -> float:
    began = time.monotonic()
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    return time.monotonic() - began


def _about(seconds: float, round_trips: int) -> bool:
    planned = round_trips * RTT_SECONDS
    return planned - 0.002 <= seconds <= planned + LATE_SECONDS


async def test_the_first_bytes_wait_for_the_handshake_and_others_do_not() -> None:
    async with echo_link(None) as link:
        reader, writer = await _opened(link, None)
        first = await _there_and_back(reader, writer, b"hello")
        second = await _there_and_back(reader, writer, b"x" * 300_000)
        writer.close()
    assert _about(first, 2), first
    assert _about(second, 1), second
    assert (link.up_bytes, link.down_bytes, link.connections) == (300_005, 300_005, 1)


async def test_tls_pays_its_own_round_trip() -> None:
    tls = throw_away_tls()
    async with echo_link(tls) as link:
        began = time.monotonic()
        reader, writer = await _opened(link, tls.client)
        connected = time.monotonic() - began
        there_and_back = await _there_and_back(reader, writer, b"hello")
        writer.close()
    assert _about(connected, 2), connected
    assert _about(there_and_back, 1), there_and_back
    assert link.up_bytes > 300, "handshake and records count"


async def test_bytes_follow_one_another_and_do_not_queue_for_the_delay() -> None:
    async with echo_link(None) as link:
        reader, writer = await _opened(link, None)
        await _there_and_back(reader, writer, b"hello")
        began = time.monotonic()
        for _ in range(10):
            writer.write(b"y" * 10)
            await asyncio.sleep(0.005)
        await reader.readexactly(100)
        writer.close()
    assert time.monotonic() - began <= RTT_SECONDS + 10 * 0.005 + LATE_SECONDS


async def test_all_ways_hold_the_same_chain_and_pay_the_round_trips_that_they_should() -> None:
    workload, rtt_seconds = replace(FULL, steps=3), 0.04
    chains: dict[str, Chain] = {}
    async with (
        script_server(workload, throw_away_tls()) as server,
        linked(server, rtt_seconds * 1e3) as target,
    ):
        for way in WAYS:
            chains[way.letter] = await hold_chain(way, target, workload, f"Run {way.letter}")
    round_trips = {"a": 3 * 3, "b": 2 + 3, "c": 2 + 3, "d": 3 + 3, "e": 3}
    for letter, chain in chains.items():
        least = round_trips[letter] * rtt_seconds
        assert least - 0.005 <= chain.seconds <= least + 0.3, letter
        assert all(call.upload_seconds >= rtt_seconds / 2 - 0.002 for call in chain.calls), letter
    sent = {letter: [call.up_bytes for call in chain.calls] for letter, chain in chains.items()}
    assert sent["b"][2] > sent["b"][1] + 500, "the whole context grows"
    assert abs(sent["d"][2] - sent["d"][1]) < 100, "what is new does not"
    assert chains["e"].ahead_seconds >= 4 * rtt_seconds - 0.005


def _demo(*arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "latency_demo.py"), *arguments],
        capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "OPENAI_API_KEY": key},
    )  # fmt: skip


def test_the_program_measures_and_writes_everything_that_was_asked_for(tmp_path: Path) -> None:
    page, figures = tmp_path / "demo.html", tmp_path / "demo.json"
    done = _demo(
        "--quick", "--parts", "transport", "--rtt", "0,20", "--html", str(page),
        "--json", str(figures), "--plots", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WebSocket (d) takes" in done.stdout
    assert page.read_text().startswith("<!doctype html>")
    assert len(list(tmp_path.glob("latency-*.png"))) == 3
    measured = json.loads(figures.read_text())["measured"]["chains"]
    assert len(measured) == 2 * len(WAYS)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--parts", "speed"], 2, "there is no part 'speed'"),
        (["--url", "https://host.invalid/v1", "--model", "m"], 2, "OPENAI_API_KEY"),
        (["--url", "http://127.0.0.1:9/v1"], 1, "127.0.0.1:9 cannot be reached"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: list[str], code: int, said: str) -> None:
    done = _demo(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
