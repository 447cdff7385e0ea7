"""Who is let in, what clients can cost, and how the server ends: each limit by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.serving import Endless, serving
from voice.errors import UsageError
from voice.server.endpoint import Endpoint
from voice.server.lanes import QUEUE_LIMIT
from voice.server.limits import HEAD_BYTES, Limits
from voice.server.script import Reply, ScriptBackend

BODY = json.dumps({"input": "Go", "stream": True}).encode()


async def say(websocket: ClientConnection, **fields: Any) -> None:
    await websocket.send(json.dumps({"type": "response.create", "store": False, **fields}))


async def hear(websocket: ClientConnection, *kinds: str) -> dict[str, Any]:
    """The next event of these types; others are skipped."""
    async with asyncio.timeout(10):
        while True:
            event: dict[str, Any] = json.loads(await websocket.recv())
            if event["type"] in kinds:
                return event


async def closed(websocket: ClientConnection) -> int | None:
    """The code that the server closes the connection with."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed) as end:
            while True:
                await websocket.recv()
    return end.value.rcvd.code if end.value.rcvd else None


async def ask(address: str, method: str = "GET", path: str = "/v1/models", **more: Any) -> Any:
    async with httpx.AsyncClient() as client:
        return await client.request(method, f"http://{address}{path}", **more)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def head(address: str, length: int, path: str = "/v1/responses") -> bytes:
    """The head of a request for a response, whose body has this length."""
    lines = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
    return f"{lines}Content-Length: {length}\r\n\r\n".encode()


@asynccontextmanager
async def socket(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    try:
        yield reader, writer
    finally:
        writer.close()


async def metric(address: str, name: str) -> float:
    lines = (await ask(address, path="/metrics")).text.splitlines()
    return float(next(line.rpartition(" ")[2] for line in lines if line.startswith(name)))


# ── who is let in ────────────────────────────────────────────────────────────────────────────


async def test_the_key_is_asked_for_over_http_too() -> None:
    async with serving(ScriptBackend(), key="secret") as address:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
            for path in ("/v1/models", "/metrics", "/v1/responses/resp_1", "/unknown"):
                answer = await ask(address, path=path, headers=headers)
                assert (answer.status_code, code(answer)) == (401, "invalid_api_key")
        bearer = {"Authorization": "Bearer secret"}
        assert (await ask(address, headers=bearer)).status_code == 200
        assert (await ask(address, path="/metrics", headers=bearer)).status_code == 200
        assert (await ask(address, path="/healthz")).status_code == 200
        refused = 'voice_refused_total{reason="invalid_api_key"} 12.0'
        assert refused in (await ask(address, path="/metrics", headers=bearer)).text


async def test_a_rebound_name_reaches_nothing() -> None:
    async with serving(ScriptBackend()) as address:
        port = address.rpartition(":")[2]
        for path in ("/v1/models", "/metrics", "/healthz"):
            answer = await ask(address, path=path, headers={"Host": f"evil.example:{port}"})
            assert (answer.status_code, code(answer)) == (403, "host_not_allowed")
        with pytest.raises(InvalidStatus) as refused:  # without an Origin, as no browser sends it
            await connect(f"ws://evil.example:{port}/v1/responses", host="127.0.0.1")
        response = refused.value.response
        assert response.status_code == 403
        assert json.loads(response.body or b"")["error"]["code"] == "host_not_allowed"


async def test_names_that_were_given_are_known() -> None:
    async with serving(ScriptBackend(), names=["voice.example"]) as address:
        answer = await ask(address, headers={"Host": "voice.example"})
        assert answer.status_code == 200


async def test_pages_of_others_are_not_let_in_over_http() -> None:
    async with serving(ScriptBackend()) as address:
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
            answer = await ask(address, headers={"Origin": origin})
            assert (answer.status_code, code(answer)) == (403, "origin_not_allowed")
        assert (await ask(address, headers={"Origin": f"http://{address}"})).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
async def test_what_a_page_may_send_without_asking_is_not_taken(kind: str) -> None:
    async with serving(ScriptBackend()) as address:
        answer = await ask(
            address, "POST", "/v1/responses", content=BODY, headers={"Content-Type": kind}
        )
        assert (answer.status_code, code(answer)) == (415, "unsupported_media_type")
        kind = "Application/JSON; charset=utf-8"
        answer = await ask(
            address, "POST", "/v1/responses", content=BODY, headers={"Content-Type": kind}
        )
        assert answer.status_code == 200


async def test_compressed_bodies_are_not_taken() -> None:
    async with serving(ScriptBackend()) as address:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        answer = await ask(address, "POST", "/v1/responses", content=BODY, headers=headers)
        assert answer.status_code == 415


@pytest.mark.parametrize("path", ["/v1/nothing", "//[", "http://[/v1/responses"])
async def test_a_websocket_on_a_path_that_is_not_there_is_refused(path: str) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    async with (
        asyncio.timeout(10),
        serving(ScriptBackend()) as address,
        socket(address) as (reader, writer),
    ):
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n{key}\r\n\r\n".encode()
        )
        answer, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b" 404 " in answer
        assert json.loads(body)["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/nothing"])
async def test_who_breaks_the_protocol_while_it_is_refused_is_no_trouble(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13"
    head = "GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\nSec-WebSocket-Key: no key\r\n\r\n"
    async with asyncio.timeout(20), serving(ScriptBackend()) as address:
        for rounds in range(10):  # of the event loop, until what is no frame comes
            async with socket(address) as (reader, writer):
                writer.write(head.format(path, address, upgrade).encode())
                for _ in range(rounds):
                    await asyncio.sleep(0)
                writer.write(b"\xff" * 40)
                with suppress(ConnectionError):
                    await reader.read()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# ── how much is taken ────────────────────────────────────────────────────────────────────────


async def test_a_message_that_is_too_large_ends_its_connection() -> None:
    async with (
        serving(ScriptBackend(), limits=Limits(message_bytes=10_000)) as address,
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        await say(websocket, input="x" * 9_000)
        await hear(websocket, "response.completed")
        await say(websocket, input="x" * 10_000)
        assert await closed(websocket) == 1009


async def test_a_body_that_is_too_large_is_refused() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1_000

    async with serving(ScriptBackend(), limits=Limits(message_bytes=10_000)) as address:
        headers = {"Content-Type": "application/json"}
        for content in (b"x" * 20_000, parts()):
            answer = await ask(address, "POST", "/v1/responses", content=content, headers=headers)
            assert (answer.status_code, code(answer)) == (413, "request_too_large")
            assert "10000" in answer.text


async def test_a_head_that_is_too_long_is_refused() -> None:
    async with serving(ScriptBackend()) as address:
        answer = await ask(address, headers={"X": "x" * HEAD_BYTES})
        assert (answer.status_code, code(answer)) == (431, "head_too_large")
        async with asyncio.timeout(10), socket(address) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nX: ")
            for _ in range(HEAD_BYTES // 1_000 + 1):
                writer.write(b"x" * 1_000)
                await writer.drain()
                await asyncio.sleep(0)
            assert b" 400 " in await reader.readline()


async def test_what_is_not_http_is_told_so() -> None:
    async with (
        asyncio.timeout(10),
        serving(ScriptBackend()) as address,
        socket(address) as (reader, writer),
    ):
        writer.write(b"EHLO example\r\n\r\n")
        answer, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert b" 400 " in answer
        assert json.loads(body)["error"]["type"] == "invalid_request_error"


async def test_connections_are_counted() -> None:
    async with serving(ScriptBackend(), limits=Limits(connections=2)) as address:
        url = f"ws://{address}/v1/responses"
        async with connect(url) as websocket, socket(address) as (_, idle):
            answer = await ask(address)
            assert (answer.status_code, code(answer)) == (503, "service_unavailable")
            assert "2 connections" in answer.text
            assert answer.headers["retry-after"]
            with pytest.raises(InvalidStatus) as refused:
                await connect(url)
            assert refused.value.response.status_code == 503
            await say(websocket, input="Go")  # those who are in stay in
            await hear(websocket, "response.completed")
            idle.close()
            await idle.wait_closed()
            async with asyncio.timeout(10):
                while (await ask(address)).status_code != 200:
                    pass


async def test_responses_in_flight_are_counted() -> None:
    backend = Endless()
    async with (
        serving(backend, limits=Limits(responses=1)) as address,
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        await say(websocket, input="Go", stream_id="a")
        await hear(websocket, "response.output_text.delta")
        await say(websocket, input="Go", stream_id="b")
        failed = await hear(websocket, "response.failed")
        assert failed["stream_id"] == "b"
        assert failed["response"]["error"]["code"] == "rate_limit_exceeded"
        answer = await ask(address, "POST", "/v1/responses", json={"input": "Go"})
        assert (answer.status_code, code(answer)) == (429, "rate_limit_exceeded")
        assert answer.headers["retry-after"]


async def test_requests_that_wait_are_counted() -> None:
    async with (
        serving(Endless()) as address,
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        for _ in range(QUEUE_LIMIT + 2):  # one runs
            await say(websocket, input="Go")
        error = await hear(websocket, "error")
        assert (error["status"], error["error"]["code"]) == (429, "rate_limit_exceeded")


@pytest.mark.parametrize("name", ["message_bytes", "connections", "stalled_reader_seconds"])
def test_a_limit_is_more_than_nothing(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        Limits(**{name: 0})


# ── how long is waited ───────────────────────────────────────────────────────────────────────


async def test_a_websocket_that_is_not_read_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    backend = Endless("x" * 10_000, pause_seconds=0)
    async with (
        serving(backend, limits=Limits(stalled_reader_seconds=0.3)) as address,
        connect(f"ws://{address}/v1/responses", close_timeout=0.1) as websocket,
    ):
        websocket.transport.pause_reading()
        await say(websocket, input="Go")
        async with asyncio.timeout(10):
            await backend.stopped.wait()
        assert await metric(address, "voice_slow_readers_dropped_total") == 1
        assert await metric(address, "voice_connections") == 1  # the one that asks
        assert "read nothing" in caplog.text


async def test_a_stream_that_is_not_read_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    backend = Endless("x" * 10_000, pause_seconds=0)
    async with (
        serving(backend, limits=Limits(stalled_reader_seconds=0.3)) as address,
        socket(address) as (_, writer),
    ):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(head(address, len(BODY)) + BODY)
        async with asyncio.timeout(10):
            await backend.stopped.wait()
        assert await metric(address, "voice_slow_readers_dropped_total") == 1
        assert "read nothing" in caplog.text


async def test_a_reader_that_is_only_slow_is_not_dropped() -> None:
    backend = Endless("x" * 10_000, pause_seconds=0)
    async with (
        serving(backend, limits=Limits(stalled_reader_seconds=1.5)) as address,
        socket(address) as (reader, writer),
    ):
        writer.write(head(address, len(BODY)) + BODY)
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 2.5:
            await reader.readexactly(200_000)
            await asyncio.sleep(0.05)
        assert not backend.stopped.is_set()


async def test_a_request_that_does_not_come_is_not_waited_for() -> None:
    limits = Limits(request_seconds=0.3)
    async with asyncio.timeout(20), serving(ScriptBackend(), limits=limits) as address:
        beginnings = [b"", b"GET /v1/mod", head(address, 100), head(address, 100) + b'{"input']
        for beginning in beginnings:
            async with socket(address) as (reader, writer):
                writer.write(beginning)
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)


async def test_a_request_that_drips_is_not_waited_for() -> None:
    limits = Limits(request_seconds=0.3)
    async with (
        asyncio.timeout(20),
        serving(ScriptBackend(), limits=limits) as address,
        socket(address) as (reader, writer),
    ):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)


async def test_a_websocket_has_sent_its_request() -> None:
    async with (
        serving(ScriptBackend(), limits=Limits(request_seconds=0.2)) as address,
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.8):  # longer than a request may take
                await websocket.recv()
        await say(websocket, input="Go")
        await hear(websocket, "response.completed")


async def test_an_idle_connection_is_kept_for_a_while() -> None:
    limits = Limits(request_seconds=0.2, idle_seconds=1)
    async with (
        asyncio.timeout(20),
        serving(ScriptBackend(), limits=limits) as address,
        socket(address) as (reader, writer),
    ):
        request = f"GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
        for _ in range(2):
            writer.write(request)
            await reader.readuntil(b"ok\n")
            await asyncio.sleep(0.4)  # longer than a request may take
        assert await reader.read() == b""


# ── the end ──────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def opened(backend: ScriptBackend) -> AsyncIterator[tuple[Endpoint, str]]:
    endpoint = Endpoint(backend, "127.0.0.1", 0)
    host, port = await endpoint.open()
    try:
        yield endpoint, f"{host}:{port}"
    finally:
        await endpoint.close()


async def test_what_runs_may_end_and_nothing_new_begins() -> None:
    backend = ScriptBackend([Reply(text=" ".join(["word"] * 50))], tokens_per_second=100)
    async with (
        opened(backend) as (endpoint, address),
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        await say(websocket, input="Go", stream_id="a")
        await hear(websocket, "response.output_text.delta")
        draining = asyncio.create_task(endpoint.drain())
        await asyncio.sleep(0)
        await say(websocket, input="Go", stream_id="b")
        error = await hear(websocket, "error")
        assert (error["status"], error["stream_id"]) == (503, "b")
        assert error["error"]["code"] == "service_unavailable"
        assert (await ask(address, "POST", "/v1/responses", json={"input": "x"})).status_code == 503
        assert (await ask(address, path="/healthz")).status_code == 503
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/v1/responses")
        assert refused.value.response.status_code == 503
        assert not draining.done()
        await hear(websocket, "response.completed")
        async with asyncio.timeout(10):
            await draining


async def test_what_does_not_end_fails_and_what_waits_for_it_too() -> None:
    async with (
        opened(Endless()) as (endpoint, address),
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        for lane in ("a", "b", "a"):
            await say(websocket, input="Go", stream_id=lane)
        for _ in range(2):
            await hear(websocket, "response.created")
        while (await metric(address, "voice_responses_running")) < 2:
            pass
        closing = asyncio.create_task(endpoint.close())
        failed = [await hear(websocket, "response.failed") for _ in range(3)]
        assert sorted(event["stream_id"] for event in failed) == ["a", "a", "b"]
        assert {event["response"]["error"]["code"] for event in failed} == {"server_error"}
        assert await closed(websocket) == 1001
        async with asyncio.timeout(10):
            await closing


async def test_over_http_it_fails_too() -> None:
    backend = Endless()
    async with opened(backend) as (endpoint, address):
        url = f"http://{address}/v1/responses"
        async with httpx.AsyncClient() as client:
            whole = asyncio.create_task(client.post(url, json={"input": "Go"}))
            body = {"input": "Go", "stream": True}
            stream = asyncio.create_task(client.post(url, json=body))
            while (await metric(address, "voice_responses_running")) < 2:
                pass
            async with asyncio.timeout(10):
                await endpoint.close()
                assert (await whole).status_code == 503
                assert "event: response.failed\n" in (await stream).text


async def test_clients_that_do_not_read_do_not_hold_up_the_end() -> None:
    backend = Endless("x" * 10_000, pause_seconds=0)
    async with (
        opened(backend) as (endpoint, address),
        connect(f"ws://{address}/v1/responses", close_timeout=0.1) as websocket,
        socket(address) as (_, writer),
    ):
        websocket.transport.pause_reading()
        await say(websocket, input="Go")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(head(address, len(BODY)) + BODY)
        await backend.started.wait()
        async with asyncio.timeout(10):
            await endpoint.close()
        assert backend.stopped.is_set()


CHILD = """
import asyncio
from voice.server.serve import ServeOptions, serve
options = ServeOptions(
    port=0, backend="script", ttft_seconds={ttft}, tokens_per_second=20, goodbye_seconds=20
)
asyncio.run(serve(options, lambda host, port: print(f"{{host}}:{{port}}", flush=True)))
"""


@asynccontextmanager
async def child(ttft: float) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD.format(ttft=ttft)), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def success(process: asyncio.subprocess.Process) -> bool:
    async with asyncio.timeout(10):
        return await process.wait() == 0


async def test_a_signal_lets_an_answer_end() -> None:
    async with (
        child(ttft=0.5) as (process, address),
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        await say(websocket, input="Hello")
        await hear(websocket, "response.in_progress")
        process.send_signal(signal.SIGTERM)
        event = await hear(websocket, "response.completed", "response.failed")
        assert event["type"] == "response.completed"
        assert await closed(websocket) == 1001
        assert await success(process)


async def test_a_second_signal_ends_the_waiting() -> None:
    async with (
        child(ttft=60) as (process, address),
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        await say(websocket, input="Hello")
        await hear(websocket, "response.in_progress")
        process.send_signal(signal.SIGTERM)
        while (await ask(address, path="/healthz")).status_code == 200:
            pass  # until it has heard the first one
        process.send_signal(signal.SIGTERM)
        await hear(websocket, "response.failed")
        assert await closed(websocket) == 1001
        assert await success(process)
