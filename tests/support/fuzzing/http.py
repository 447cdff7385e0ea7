"""A client that speaks HTTP, and asks for what it should and for what it should not."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any, Final

import h11

from tests.support.fuzzing.child import KEY
from tests.support.fuzzing.messages import MARK, Talk, resolved
from tests.support.fuzzing.oracle import Ledger, Record, expect

_SECONDS: Final = 60.0
_METHODS: Final = ("GET", "GET", "DELETE", "POST", "PUT", "HEAD", "OPTIONS")
_QUERIES: Final = (
    "", "", "", "?limit=0", "?limit=5&order=asc", "?limit=-1", "?after=x", "?order=%ff",
    "?stream=true", "?limit=" + "9" * 5000, "?%00=%00", "?after=%ed%a0%80", "?&&==",
)  # fmt: skip
_PATHS: Final = (
    "/v1/models", "/v1/models/none", "/metrics", "/healthz", "/", "//", "/v1/responses/", "/v1",
    "/%00", "/v1/responses/%ff", "/v1/responses/%2e%2e/x", "/v1/responses/x/input_items/y", "/[",
    "*", "x[y", "/v1/responses/" + "9" * 9000, "http://[/v1/responses",
    "/v1/responses/%ed%a0%80/input_items", "/v1/responses/compact",
)  # fmt: skip


class HttpClient:
    """Sends one request after the other, over one connection as long as that lasts."""

    def __init__(
        self, address: str, talk: Talk, rng: random.Random, client: int, ledger: Ledger
    ) -> None:
        self._address, self._talk, self._rng = address, talk, rng
        self._client, self._ledger = client, ledger
        self._own: set[str] = set()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._connection = h11.Connection(h11.CLIENT)

    async def run(self, requests: int) -> None:
        """Send so many requests."""
        try:
            for _ in range(requests):
                self._ledger.counts["messages"] += 1
                if self._rng.random() < 0.75:
                    await self._ask()
                else:
                    await self._look()
        finally:
            self._hang_up()

    # ── what is asked ────────────────────────────────────────────────────────────────────────

    async def _ask(self) -> None:
        """Ask for a response."""
        message = resolved(self._talk.message(), self._ledger.ids)
        body = message.encode() if isinstance(message, str) else message
        if self._rng.random() < 0.4 and body.startswith(b"{"):
            body = b'{"stream": true, ' + body[1:]
        self._own.update(MARK.findall(body.decode("latin-1")))
        chance = self._rng.random()
        kind = "text/plain" if chance < 0.02 else "application/json"
        if chance > 0.97:
            await self._leave(body)
            return
        path = "/v1/responses/compact" if chance > 0.95 else "/v1/responses"
        status, headers, text = await self._exchange("POST", path, body, kind)
        expect("x-request-id" in headers, "an answer without a name", status, text)
        if "event-stream" in headers.get("content-type", ""):
            self._streamed(text)
        else:
            self._answered(status, text)

    async def _look(self) -> None:
        """Ask for what is stored, or for what there is not."""
        rng = self._rng
        path = rng.choice(_PATHS)
        if rng.random() < 0.7:
            record = rng.choice(list(self._ledger.responses.values()) or [None])
            path = f"/v1/responses/{record.id if record else 'resp_none'}"
            path += rng.choice(("", "", "/input_items", "/cancel", "/x"))
        method = rng.choice(_METHODS)
        if path.startswith("/v1/responses") and method == "POST":
            body = rng.choice((b"", b"{}", b"[]", b'{"input": "hello"}'))
        else:
            body = b""
        status, _, text = await self._exchange(method, path + rng.choice(_QUERIES), body)
        self._ledger.counts[f"{method} {status}"] += 1
        expect(status < 500, "the server failed", method, path, status, text)
        if method != "HEAD" and status >= 400:
            expect("message" in json.loads(text)["error"], "not the API's error", text)

    async def _leave(self, body: bytes) -> None:
        """Ask, and be gone before the answer, or before all is said."""
        _, writer = await self._open()
        part = self._rng.choice((len(body), self._rng.randrange(len(body) + 1)))
        writer.write(self._head("POST", "/v1/responses", len(body), "application/json"))
        writer.write(body[:part])
        if self._rng.random() < 0.5:
            await asyncio.sleep(self._rng.random() * 0.02)
        writer.transport.abort()
        self._hang_up()
        self._ledger.counts["left"] += 1

    # ── what comes back ──────────────────────────────────────────────────────────────────────

    def _answered(self, status: int, text: str) -> None:
        answer = json.loads(text)
        if status == 200:
            self._ledger.counts["http responses"] += 1
            if answer["object"] == "response":
                self._noted(answer, text)
            return
        error = answer["error"]
        self._ledger.counts[f"http {status} {error['code']}"] += 1
        expect(error["message"], "an error without a message", text)
        expect(status < 500 or "out of luck" in error["message"], "the server failed", text)

    def _streamed(self, text: str) -> None:
        """Server-sent events, which end with an end."""
        self._ledger.counts["http streams"] += 1
        blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
        number = -1
        for block in blocks:
            kind, _, data = block.partition("\ndata: ")
            event = json.loads(data)
            self._ledger.counts["events"] += 1
            expect(kind == f"event: {event['type']}", "another name than type", block)
            expect(event["sequence_number"] == number + 1, "out of sequence", number, block)
            number += 1
        last = json.loads(blocks[-1].partition("\ndata: ")[2])
        ends = ("response.completed", "response.incomplete", "response.failed", "error")
        expect(last["type"] in ends, "a stream without an end", blocks[-1])
        if "response" in last:
            self._noted(last["response"], text)

    def _noted(self, response: dict[str, Any], text: str) -> None:
        """A response that others may continue; it knows only what it may know."""
        allowed = set(self._own)
        parent_id = response["previous_response_id"]
        if parent_id:
            parent = self._ledger.responses.get(parent_id)
            expect(parent and parent.stored, "continues what is gone, or another's", text)
            assert parent
            allowed |= parent.heirs | parent.said | parent.steered
        marks = set(MARK.findall(text))
        expect(marks <= allowed, "knows what it cannot know", marks - allowed, text)
        known = frozenset(allowed)
        record = Record(response["id"], self._client, None, known, known, response["store"])
        record.end = "response.completed"
        self._ledger.responses[record.id] = record
        number = str((response["metadata"] or {}).get("number", ""))
        self._ledger.ids[f"<<{self._client}:{number}>>"] = record.id

    # ── the connection ───────────────────────────────────────────────────────────────────────

    async def _exchange(
        self, method: str, path: str, body: bytes, kind: str = "application/json"
    ) -> tuple[int, dict[str, str], str]:
        """Send a request and read the whole answer, over a new connection where it takes one."""
        for _ in range(2):
            fresh = self._streams is None
            _, writer = await self._open()
            try:
                connection = self._connection = h11.Connection(h11.CLIENT)
                connection.send(
                    h11.Request(method=method, target="/", headers=[("Host", self._address)])
                )
                writer.write(self._head(method, path, len(body), kind) + body)
                async with asyncio.timeout(_SECONDS):
                    return await self._answer()
            except (ConnectionError, h11.RemoteProtocolError) as error:
                self._hang_up()
                expect(not fresh, "a fresh connection breaks", method, path, repr(error))
        raise AssertionError("not reached: the second connection is fresh")

    async def _answer(self) -> tuple[int, dict[str, str], str]:
        status, headers, body = 0, {}, bytearray()
        async for event in self._events():
            if isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
        if headers.get("connection") == "close":
            self._hang_up()
        return status, headers, body.decode()

    async def _events(self) -> AsyncIterator[Any]:
        assert self._streams
        reader, _ = self._streams
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(await reader.read(1 << 16))
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return
            else:
                yield event

    def _head(self, method: str, path: str, length: int, kind: str) -> bytes:
        lines = (
            f"{method} {path} HTTP/1.1",
            f"Host: {self._address}",
            f"Authorization: Bearer {KEY}",
            f"Content-Type: {kind}",
            f"Content-Length: {length}",
        )
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address.split(":"))
        return self._streams

    def _hang_up(self) -> None:
        if self._streams:
            self._streams[1].close()
            self._streams = None
