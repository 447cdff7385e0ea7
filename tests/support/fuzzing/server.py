"""The real server under a flood: WebSockets, HTTP and what is neither, all at once.

Batches follow from a seed, but for what depends on who comes first. After each, a conversation
must go as it should, and what the server keeps for its clients must be gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.fuzzing.child import KEY
from tests.support.fuzzing.http import HttpClient
from tests.support.fuzzing.messages import Talk, resolved
from tests.support.fuzzing.oracle import Broken, Ledger, Observer, expect
from tests.support.fuzzing.strangers import stranger

HEADERS: Final = {"Authorization": f"Bearer {KEY}"}
ROOT: Final = Path(__file__).parents[3]
WEBSOCKETS: Final = 5
HTTP_CLIENTS: Final = 2
STRANGERS: Final = 2

_ANSWER_SECONDS: Final = 60.0
"""Nothing takes longer, on however busy a machine; what does hangs."""
_END_SECONDS: Final = 20.0
_TROUBLE: Final = ("Traceback", "never retrieved", "never awaited", "handler failed")


@dataclass
class Server:
    """The server's process."""

    process: asyncio.subprocess.Process
    address: str
    said: list[str] = field(default_factory=list)
    """Lines of its stderr."""

    async def kept(self) -> dict[str, int]:
        """How many of which things it has in memory, by its own account."""
        assert self.process.stdout
        self.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(_ANSWER_SECONDS):
            return dict(json.loads(await self.process.stdout.readline()))

    @property
    def rss_mb(self) -> float:
        """Its resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def open_files(self) -> int:
        """How many file descriptors it has."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def check(self) -> None:
        """It runs, and had no trouble. Raises `Broken`."""
        trouble = [line for line in self.said if any(word in line for word in _TROUBLE)]
        expect(not trouble, "the server had trouble", "\n".join(self.said[-60:]))
        expect(self.process.returncode is None, "the server ended", self.said[-20:])


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    """A server on a free port, with its store in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.fuzzing.child", f"{folder}/store.sqlite"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert process.stdout and process.stderr
        line = (await process.stdout.readline()).decode()
        server = Server(process, line.removeprefix("listening on ws://").partition("/")[0])
        listening = asyncio.create_task(_listen(process.stderr, server.said))
        try:
            yield server
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await listening


async def _listen(stream: asyncio.StreamReader, said: list[str]) -> None:
    async for line in stream:
        said.append(line.decode(errors="replace").rstrip())


def connected(address: str) -> connect:
    """A WebSocket to it."""
    return connect(
        f"ws://{address}/v1/responses",
        additional_headers=HEADERS,
        compression=None,
        max_size=None,
        proxy=None,
    )


# ── a batch ──────────────────────────────────────────────────────────────────────────────────


async def batch(server: Server, seed: str, messages: int) -> Counter[str]:
    """Send so many messages, over all clients; returns what happened. Raises `Broken`."""
    ledger, rng = Ledger(), random.Random(seed)
    clients = WEBSOCKETS + HTTP_CLIENTS
    each = max(messages // (WEBSOCKETS + 1), 1)
    at_once = []
    for client in range(clients):
        own = random.Random(rng.random())
        talk = Talk(own, client, clients)
        if client < WEBSOCKETS:
            at_once.append(_Client(server.address, talk, own, client, ledger).run(each))
        else:
            http = HttpClient(server.address, talk, own, client, ledger)
            at_once.append(http.run(each // HTTP_CLIENTS))
    for _ in range(STRANGERS):
        own = random.Random(rng.random())
        at_once.append(stranger(server.address, own, each // 40 + 1, ledger.counts))
    async with asyncio.TaskGroup() as group:
        for one in at_once:
            group.create_task(one)
    server.check()
    return ledger.counts


class _Client:
    """One client that speaks WebSocket, mostly, and connects again when it was thrown out."""

    def __init__(
        self, address: str, talk: Talk, rng: random.Random, client: int, ledger: Ledger
    ) -> None:
        self._address, self._talk, self._rng = address, talk, rng
        self._client, self._ledger = client, ledger
        self._observer: Observer
        self._moved = asyncio.Event()
        self._lost = False

    async def run(self, messages: int) -> None:
        """Send so many messages, over as many connections as it takes."""
        left = messages
        while left:
            websocket = await connected(self._address)
            self._ledger.counts["connections"] += 1
            self._observer = Observer(self._client, self._ledger, others_at_once=True)
            self._lost = False
            reader = asyncio.create_task(self._read(websocket))
            try:
                left = await self._connection(websocket, left)
            finally:
                if not websocket.transport.is_closing():
                    websocket.transport.abort()
                await reader

    async def _connection(self, websocket: ClientConnection, left: int) -> int:
        """Send until the connection or the messages are over; returns how many are left."""
        rng = self._rng
        while left:
            chance = rng.random()
            if chance < 0.0005:
                websocket.transport.abort()
                return left
            if chance < 0.003:
                left -= 1
                self._ledger.counts["messages"] += 1
                return await self._misbehave(websocket, left)
            if chance < 0.02:
                await self._until_idle()
            elif chance < 0.3:
                await self._until_something_comes()
            message = resolved(self._talk.message(), self._ledger.ids)
            left -= 1
            if isinstance(message, bytes):
                self._ledger.counts["messages"] += 1
                await self._thrown_out(websocket, message, (1007,), text=True)
                return left
            self._observer.sent(message)
            if rng.random() < 0.05:
                at = rng.randrange(len(message) + 1)
                await websocket.send([message[:at], "", message[at:]])
            else:
                await websocket.send(message, text=True)
        await self._until_idle()
        await websocket.close()
        return 0

    async def _misbehave(self, websocket: ClientConnection, left: int) -> int:
        """Do what a connection is ended for."""
        match self._rng.randrange(4):
            case 0:
                await self._thrown_out(websocket, b"\x00binary", (1003,))
            case 1:
                await self._thrown_out(websocket, "x" * ((4 << 20) + 1), (1009,))
            case 2:
                websocket.transport.write(self._rng.randbytes(200) + b"\xff" * 20)
                await self._closed(websocket, (1002, 1003, 1006, 1007, 1009))
            case _:
                await websocket.close()
        return left

    async def _thrown_out(
        self,
        websocket: ClientConnection,
        message: str | bytes,
        codes: tuple[int, ...],
        text: bool | None = None,
    ) -> None:
        await websocket.send(message, text=text)
        await self._closed(websocket, codes)

    async def _closed(self, websocket: ClientConnection, codes: tuple[int, ...]) -> None:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await websocket.wait_closed()
        self._ledger.counts[f"closed {websocket.close_code}"] += 1
        expect(websocket.close_code in codes, "closed otherwise", websocket.close_code, codes)

    async def _read(self, websocket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for text in websocket:
                assert isinstance(text, str)
                self._observer.got(text)
                self._moved.set()
        self._lost = True
        self._moved.set()

    async def _until_something_comes(self) -> None:
        """Otherwise all would be sent before there is anything to refer to."""
        self._moved.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await self._moved.wait()

    async def _until_idle(self) -> None:
        try:
            while not self._observer.idle:
                expect(not self._lost, "the connection is lost", self._observer.state)
                self._moved.clear()
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._moved.wait()
        except TimeoutError:
            raise Broken(f"unanswered: {self._observer.state}") from None


# ── what must be so afterwards ───────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Remains:
    """What a server has when all clients are gone."""

    open_files: int
    rss_mb: float


async def calm(server: Server) -> Remains:
    """After a batch: nothing is left of the clients, and it works. Raises `Broken`."""
    await _forgotten(server)
    await healthy(server)
    await _forgotten(server)
    server.check()
    return Remains(server.open_files, server.rss_mb)


async def _forgotten(server: Server) -> None:
    """Wait until the server has nothing but its main task."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while (kept := await server.kept()) != {"tasks": 1}:
        expect(time.monotonic() < deadline, "clients are remembered after their end", kept)
        await asyncio.sleep(0.2)


async def healthy(server: Server) -> None:
    """A conversation goes as it should, over both ways in. Raises `Broken`."""
    base, ids = f"http://{server.address}", []
    async with connected(server.address) as websocket:
        for turn in range(3):
            ask = {"type": "response.create", "store": turn == 1, "input": f"hello mark-0-{turn};"}
            if ids:
                ask["previous_response_id"] = ids[-1]
            await websocket.send(json.dumps(ask))
            ids.append(await _heard(websocket, [f"mark-0-{n};" for n in range(turn + 1)]))
    async with httpx.AsyncClient(timeout=_ANSWER_SECONDS, headers=HEADERS) as client:
        body = {"previous_response_id": ids[1], "input": "hello mark-0-9;", "store": False}
        answer = await client.post(f"{base}/v1/responses", json=body)
        expect(answer.status_code == 200, "the stored response is not continued", answer.text)
        text = answer.json()["output"][0]["content"][0]["text"]
        expect(text == "mark-0-0; mark-0-1; mark-0-9;", "another history", text)
        for gone in (ids[0], ids[2]):
            answer = await client.get(f"{base}/v1/responses/{gone}")
            expect(answer.status_code == 404, "it was not to be stored", answer.text)
        metrics = (await client.get(f"{base}/metrics")).text.splitlines()
        expect("voice_responses_running 0.0" in metrics, "something runs still", metrics)
        expect("voice_connections 1.0" in metrics, "connections are left", metrics)


async def _heard(websocket: ClientConnection, marks: list[str]) -> str:
    async with asyncio.timeout(_ANSWER_SECONDS):
        while True:
            event: dict[str, Any] = json.loads(await websocket.recv())
            expect(event["type"] != "error", "a conversation fails", event)
            if event["type"] == "response.completed":
                text = event["response"]["output"][0]["content"][0]["text"]
                expect(text == " ".join(marks), "another history", text, marks)
                return str(event["response"]["id"])


async def ended(server: Server) -> float:
    """Tell it to end in the middle of things; returns the seconds that took. Raises `Broken`."""
    async with connected(server.address) as websocket:
        for lane in range(8):
            ask = {"type": "response.create", "input": "slow", "stream_id": f"lane{lane}"}
            await websocket.send(json.dumps(ask))
        await websocket.recv()
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        ends: Counter[str] = Counter()
        with suppress(ConnectionClosed):
            async for text in websocket:
                ends[json.loads(text)["type"]] += 1
        over = ends["response.completed"] + ends["response.failed"] + ends["error"]
        expect(over == 8, "not everybody was told of the end", ends)
        expect(websocket.close_code == 1001, "no goodbye", websocket.close_code)
    try:
        async with asyncio.timeout(_END_SECONDS):
            code = await server.process.wait()
    except TimeoutError:
        raise Broken("the server does not end") from None
    expect(code == 0, "it did not end well", code, server.said[-20:])
    return time.monotonic() - began
