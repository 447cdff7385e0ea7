"""Whoever connects and speaks neither HTTP nor WebSocket as it should be spoken."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import Final

from tests.support.fuzzing.child import KEY
from tests.support.fuzzing.oracle import expect

_KEY: Final = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
_VERSION: Final = "Sec-WebSocket-Version: 13"
_UPGRADE: Final = f"Upgrade: websocket\r\nConnection: Upgrade\r\n{_VERSION}\r\n{_KEY}"
_JSON: Final = "Content-Type: application/json"

_HEADS: Final = (
    f"GET /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE}",
    f"GET /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE}\r\nAuthorization: Bearer ÿþ",
    f"GET /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE}\r\nOrigin: http://[",
    f"GET /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE}\r\nOrigin: ÿ",
    f"GET //[ HTTP/1.1\r\n@\r\n{_UPGRADE}",
    f"GET http://[/ HTTP/1.1\r\n@\r\n{_UPGRADE}",
    f"GET /v1/responses HTTP/1.1\r\nHost: [\r\n{_UPGRADE}",
    f"GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:ÿ\r\n{_UPGRADE}",
    f"GET /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE.replace('13', '12')}",
    f"GET /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE.replace('dGhl', '!')}",
    f"GET /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE}\r\n{_UPGRADE}",
    "GET /v1/responses HTTP/1.1\r\n@\r\nUpgrade: websocket\r\nConnection: Upgrade",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE}\r\nContent-Length: 5",
    f"GET /v1/responses HTTP/1.0\r\n@\r\n{_UPGRADE}",
    f"GET /v1/responses HTTP/1.1\r\n@\r\n{_UPGRADE}\r\nContent-Length: 5",
    "GET /v1/models HTTP/1.1\r\n@\r\nUpgrade: h2c\r\nConnection: Upgrade",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nContent-Length: 100",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nContent-Length: -1",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nContent-Length: {'9' * 30}",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nContent-Length: 99999999999",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nContent-Length: 3\r\nContent-Length: 4",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nTransfer-Encoding: chunked",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nTransfer-Encoding: gzip",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nExpect: 100-continue\r\nContent-Length: 9",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}; charset=ÿ\r\nContent-Length: 2",
    f"POST /v1/responses HTTP/1.1\r\n@\r\n{_JSON}\r\nContent-Encoding: ÿ\r\nContent-Length: 2",
    "GET /metrics HTTP/1.1\r\n@",
    "GET /v1/models HTTP/1.1\r\nHost: evil.example",
    "GET /v1/models HTTP/1.1",
    "GET /v1/models HTTP/1.1\r\n@\r\n@",
    "GET /v1/models HTTP/1.1\r\n@\r\nOrigin: ÿ",
    "GET ÿ HTTP/1.1\r\n@",
    "GET [ HTTP/1.1\r\n@",
    "CONNECT x:1 HTTP/1.1\r\n@",
    "OPTIONS * HTTP/1.1\r\n@",
    "PRI * HTTP/2.0\r\n\r\nSM",
    "GET / HTTP/9.9\r\n@",
    "\x16\x03\x01\x02\x00\x01\x00",
    "\x00" * 50,
    "",
)  # fmt: skip
_BODIES: Final = (
    b"", b"{}", b'{"input": "slow"}', b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n",
    b"-1\r\nx", b"4\r\n{}\xff\xff\r\n0\r\n\r\n", b'12\r\n{"input": "hello"}\r\n0\r\n\r\n',
    b"\x81\x05hello", b"\xff" * 40, b"\x88\x80\x00\x00\x00\x00", b"\x89\xff" + b"\xff" * 8,
    b"\x01\x80\x00\x00\x00\x00" * 3,
    b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00x", b"\xc1\x80\x00\x00\x00\x00",
)  # fmt: skip


async def stranger(address: str, rng: random.Random, times: int, counts: Counter[str]) -> None:
    """Connect so often, and say something else each time."""
    for _ in range(times):
        await _connection(address, rng, counts)


async def _connection(address: str, rng: random.Random, counts: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    said = _words(address, rng)
    counts["strangers"] += 1
    answer = b""
    with suppress(OSError):
        for part in _parts(said, rng):
            if writer.transport.is_closing():
                break
            writer.write(part)
            await asyncio.sleep(0)
        if rng.random() < 0.3:
            writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(rng.choices((0.0, 0.02, 0.1, 3.0), (9, 9, 9, 1))[0]):
                answer = await reader.read(1 << 16)
    status = answer[9:12].decode("latin-1") if answer[:5] == b"HTTP/" else ""
    counts[f"stranger {status or 'unanswered'}"] += 1
    expect(status or not answer, "an answer that is none", said, answer)
    expect(status[:1] != "5", "the server failed", said, answer)
    if rng.random() < 0.5:
        writer.transport.abort()
    writer.close()


def _words(address: str, rng: random.Random) -> bytes:
    us = f"Host: {address}\r\nAuthorization: Bearer {rng.choice((KEY, KEY, KEY, 'x', 'ÿ'))}"
    head = rng.choice(_HEADS).replace("@", us).encode("latin-1")
    said = head + b"\r\n\r\n" + rng.choice(_BODIES)
    chance = rng.random()
    if chance < 0.1:
        return rng.randbytes(rng.randrange(1, 3000))
    if chance < 0.25:
        return said[: rng.randrange(len(said))]
    if chance < 0.4:
        at = rng.randrange(len(said))
        return said[:at] + bytes([rng.randrange(256)]) + said[at + 1 :]
    if chance < 0.5:
        return said * rng.choice((2, 3, 50))
    return said


def _parts(said: bytes, rng: random.Random) -> list[bytes]:
    """As one, in two, or drop by drop."""
    if rng.random() < 0.6:
        return [said]
    if rng.random() < 0.8:
        at = rng.randrange(len(said) + 1)
        return [said[:at], said[at:]]
    return [said[n : n + 1] for n in range(min(len(said), 300))]
