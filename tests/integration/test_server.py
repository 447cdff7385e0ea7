"""The local server over a real socket, with the official SDK and with raw sockets."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.serving import TIMER, Broken, Endless, sdk, serving
from voice.errors import ModelError, ServerError, UsageError
from voice.server.backend import Piece, Prompt, TextDelta
from voice.server.limits import Limits
from voice.server.llama import LlamaBackend
from voice.server.script import Reply, ScriptBackend
from voice.server.serve import ServeOptions, serve

REPLIES = [
    Reply(match="timer", call="set_timer", arguments={"minutes": 5}),
    Reply(match="timer", text="Your timer is set."),
    Reply(match="slow", text=" ".join(["word"] * 200)),
    Reply(text="Hello there."),
]


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with serving(ScriptBackend(REPLIES, tokens_per_second=500)) as address:
        yield address


async def final(connection: Any) -> tuple[str, Any]:
    """The text of one response as it was streamed, and the response itself."""
    text = ""
    async for event in connection:
        if event.type == "response.output_text.delta":
            text += event.delta
        elif event.type in ("response.completed", "response.incomplete", "response.failed"):
            return text, event.response
        assert event.type != "error", event
    raise AssertionError("the connection ended")


# ── the official SDK ─────────────────────────────────────────────────────────────────────────


async def test_the_sdk_holds_a_chain_with_a_tool_call(address: str) -> None:
    async with sdk(address).responses.connect() as connection:
        await connection.response.create(model="script", input="Hello", store=False)
        text, first = await final(connection)
        assert text == first.output_text == "Hello there."

        await connection.response.create(
            model="script",
            input=[{"role": "user", "content": "Set a timer."}],
            previous_response_id=first.id,
            tools=[TIMER],
            store=False,
        )
        _, second = await final(connection)
        call = second.output[0]
        assert (call.type, call.name) == ("function_call", "set_timer")
        assert json.loads(call.arguments) == {"minutes": 5}

        output = {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}
        await connection.response.create(
            model="script", input=[output], previous_response_id=second.id, store=False
        )
        text, third = await final(connection)
        assert text == "Your timer is set."
        assert third.usage.total_tokens == third.usage.input_tokens + third.usage.output_tokens


async def test_the_sdk_runs_two_lanes_at_once(address: str) -> None:
    async with sdk(address).responses.connect() as connection:
        for lane in ("a", "b"):
            await connection.response.create(
                model="script", input="slow, please", stream_id=lane, store=False
            )
        lanes = []
        ended = 0
        async for event in connection:
            if event.type == "response.output_text.delta":
                lanes.append(event.stream_id)
            ended += event.type == "response.completed"
            if ended == 2:
                break
        assert lanes.count("a") == lanes.count("b") == 200
        changes = sum(one != other for one, other in itertools.pairwise(lanes))
        assert changes > 4  # they ran side by side; a busy machine hands them over in bunches


async def test_the_sdk_steers_a_running_response(address: str) -> None:
    async with sdk(address).responses.connect() as connection:
        await connection.response.create(model="script", input="slow, please", store=False)
        kinds: list[str] = []
        response_id = ""
        async for event in connection:
            kinds.append(event.type)
            if event.type == "response.output_text.delta" and kinds.count(event.type) == 3:
                await connection.send(
                    {
                        "type": "response.steer",
                        "previous_response_id": response_id,
                        "input": [{"type": "message", "role": "user", "content": "Hello"}],
                    }
                )
            elif event.type == "response.created":
                response_id = event.response.id
            elif event.type == "response.incomplete":
                assert event.response.incomplete_details.reason == "steered"
                break
        assert kinds.count("response.steer.accepted") == 1
        text, successor = await final(connection)
        assert text == "Hello there."
        assert successor.previous_response_id == response_id


# ── the edges ────────────────────────────────────────────────────────────────────────────────


async def say(websocket: ClientConnection, **fields: Any) -> None:
    await websocket.send(json.dumps({"type": "response.create", "store": False, **fields}))


async def hear(websocket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next event of this type; others are skipped."""
    async with asyncio.timeout(10):
        while True:
            event: dict[str, Any] = json.loads(await websocket.recv())
            if event["type"] == kind:
                return event


async def test_garbage_is_answered_and_the_connection_lives_on(address: str) -> None:
    async with connect(f"ws://{address}/v1/responses") as websocket:
        for garbage in ("", "{", "[]", '{"type": "response.steal"}', '{"type": "response.create"'):
            await websocket.send(garbage)
            error = await hear(websocket, "error")
            assert error["status"] == 400
        await say(websocket, input="Hello")
        await hear(websocket, "response.completed")


async def test_binary_messages_end_the_connection(address: str) -> None:
    async with connect(f"ws://{address}/v1/responses") as websocket:
        await websocket.send(b"{}")
        with pytest.raises(ConnectionClosed) as closed:
            await websocket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


async def test_a_cancel_frees_the_lane_and_stops_the_backend() -> None:
    backend = Endless()
    async with (
        serving(backend) as address,
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        await say(websocket, input="Go")
        response_id = (await hear(websocket, "response.created"))["response"]["id"]
        await websocket.send(json.dumps({"type": "response.cancel", "response_id": response_id}))
        await hear(websocket, "response.incomplete")
        async with asyncio.timeout(5):
            await backend.stopped.wait()
        backend.stopped.clear()
        await say(websocket, input="Go on")
        await hear(websocket, "response.output_text.delta")
        await websocket.close()
        async with asyncio.timeout(5):
            await backend.stopped.wait()  # a lost client stops its responses


async def test_a_slow_reader_pauses_its_backend() -> None:
    produced = 0

    class Flood(ScriptBackend):
        async def generate(self, prompt: Prompt) -> Any:
            nonlocal produced
            piece: Piece = TextDelta("x" * 10_000)
            while True:
                produced += 1
                yield piece
                await asyncio.sleep(0)

    async with (
        serving(Flood()) as address,
        connect(f"ws://{address}/v1/responses", max_queue=1, close_timeout=0.2) as websocket,
    ):
        await say(websocket, input="Go")
        before = -1
        async with asyncio.timeout(20):
            while produced != before or produced == 0:
                before = produced
                await asyncio.sleep(0.5)
        assert produced < 2_000  # of 10 kB: what the sockets and the outbox hold
        await websocket.recv()


async def test_a_client_that_never_reads_and_goes_does_not_hold_the_server() -> None:
    sent = 0

    async def flood(websocket: ClientConnection) -> None:
        nonlocal sent
        while True:
            await say(websocket, input="Go", previous_response_id="x" * 60_000)
            sent += 1

    async with asyncio.timeout(60):
        async with serving(ScriptBackend()) as address:
            websocket = await connect(f"ws://{address}/v1/responses", compression=None)
            websocket.transport.pause_reading()
            flooding = asyncio.create_task(flood(websocket))
            before = -1
            while (
                sent != before or sent <= Limits().outbox_messages
            ):  # until the server takes no more
                before = sent
                await asyncio.sleep(0.5)
            flooding.cancel()
            websocket.transport.abort()


async def test_a_failing_backend_fails_the_response_only() -> None:
    async with (
        serving(Broken()) as address,
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        for _ in range(2):
            await say(websocket, input="Go")
            failed = await hear(websocket, "response.failed")
            assert failed["response"]["error"]["code"] == "server_error"
            assert "bug" not in failed["response"]["error"]["message"]


async def test_a_connection_ends_when_its_time_is_over() -> None:
    async with (
        serving(ScriptBackend(REPLIES, tokens_per_second=100), connection_seconds=0.2) as address,
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        await say(websocket, input="slow, please")
        await hear(websocket, "response.output_text.delta")
        error = await hear(websocket, "error")
        assert error["error"]["code"] == "websocket_connection_limit_reached"
        with pytest.raises(ConnectionClosed) as closed:
            await websocket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


async def test_the_key_is_asked_for() -> None:
    async with serving(ScriptBackend(), key="secret") as address:
        url = f"ws://{address}/v1/responses"
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, additional_headers=headers)
            assert refused.value.response.status_code == 401
        async with connect(url, additional_headers={"Authorization": "Bearer secret"}):
            pass


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[", "evil"]
)
async def test_pages_of_other_hosts_are_not_let_in(address: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://{address}/v1/responses", additional_headers={"Origin": origin})
    assert refused.value.response.status_code == 403


async def test_a_rebound_name_is_not_let_in(address: str) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(InvalidStatus):
        await connect(
            f"ws://evil.example:{port}/v1/responses",
            host="127.0.0.1",
            additional_headers={"Origin": f"http://evil.example:{port}"},
        )
    async with connect(
        f"ws://{address}/v1/responses", additional_headers={"Origin": f"http://{address}"}
    ):
        pass


async def test_health_is_plain_http(address: str) -> None:
    def get() -> int:
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=5) as answer:
            status: int = answer.status
            return status

    assert await asyncio.to_thread(get) == 200


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99_999), ("127.0.0.9999", 0)])
async def test_an_address_that_cannot_be_is_named(host: str, port: int) -> None:
    with pytest.raises(ServerError, match=rf"cannot listen on {host}:{port}: "):
        await serve(ServeOptions(host, port, "key", backend="script"), lambda *_: None)


async def test_a_port_in_use_is_named(address: str) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(ServerError, match=rf"127\.0\.0\.1:{port}.*--port"):
        await serve(ServeOptions(port=port, backend="script"), lambda *_: None)


@pytest.mark.parametrize(
    "options",
    [
        ServeOptions(host="0.0.0.0", backend="script"),
        ServeOptions(),
        ServeOptions(script=Path("x.toml")),
        ServeOptions(backend="script", ttft_seconds=-1),
        ServeOptions(backend="script", connection_seconds=0),
        ServeOptions(backend="script", store_seconds=0),
    ],
)
async def test_options_that_do_not_fit_are_refused(options: ServeOptions) -> None:
    with pytest.raises(UsageError):
        await serve(options, lambda *_: None)


# ── as a process ─────────────────────────────────────────────────────────────────────────────

CHILD = """
import asyncio
from voice.server.serve import ServeOptions, serve
options = ServeOptions(port=0, backend="script", exit_with_stdin=True)
asyncio.run(serve(options, lambda host, port: print(host, port, flush=True)))
"""


def start_child() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success(number: signal.Signals) -> None:
    with start_child() as child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("127.0.0.1 ")
        child.send_signal(number)
        assert child.wait(10) == 0


def test_it_does_not_outlive_a_parent_that_was_killed() -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            f"child = subprocess.Popen([sys.executable, '-c', {CHILD!r}], stdin=-1, stdout=-1)\n"
            "child.stdout.readline()\n"
            "print(child.pid, flush=True)\n"
            "time.sleep(60)\n",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()
    assert gone_within(pid, 10.0)


def gone_within(pid: int, seconds: float) -> bool:
    """Whether the process has ended (or waits as a zombie for an adoptive parent)."""
    import time

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


# ── models that are none ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content", [None, b"", b"not a model", b"GGUF" + bytes(100)])
async def test_a_bad_model_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.gguf"):
        await LlamaBackend.open(path)
