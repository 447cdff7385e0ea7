"""A server that misbehaves on purpose, over real sockets, as a client without any mercy sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voice.server.endpoint import Endpoint
from voice.server.script import Reply, Script, ScriptBackend, load_script

SCRIPT = """
[[reply]]
match = "drop"
fault = "drop"
after = 5
times = 1
text = "Well, this goes on and on."

[[reply]]
match = "close"
fault = "close"
after = 5
text = "Well, this goes on and on."

[[reply]]
match = "half"
fault = "half-open"
after = 5
text = "Well, this goes on and on."

[[reply]]
match = "stall"
fault = "stall"
after = 5
text = "Well, this goes on and on."

[[reply]]
match = "garbage"
fault = "garbage"
after = 5
text = "Well, this goes on and on."

[[reply]]
match = "busy"
fault = "error"
after = 0
times = 2
status = 429
code = "rate_limit_exceeded"
retry_after = 0.1
text = "Now."

[[reply]]
match = "fail"
fault = "fail"
after = 5
text = "Well, this goes on and on."

[[reply]]
match = "forget"
fault = "forget"
times = 1
text = "I know again."

[[reply]]
match = "expire"
fault = "expire"
text = "Well, this goes on and on."

[[reply]]
text = "Hello."
"""


@asynccontextmanager
async def serving(backend: ScriptBackend) -> AsyncIterator[str]:
    """A running endpoint; yields its URL."""
    endpoint = Endpoint(backend, "127.0.0.1", 0)
    host, port = await endpoint.open()
    try:
        yield f"ws://{host}:{port}/v1/responses"
    finally:
        async with asyncio.timeout(1):  # a half-open connection holds nobody up
            await endpoint.close()


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT)
    async with serving(ScriptBackend(load_script(path), tokens_per_second=500)) as url:
        yield url


async def say(websocket: ClientConnection, words: str, **fields: Any) -> None:
    request = {"type": "response.create", "input": words, "store": False, **fields}
    await websocket.send(json.dumps(request))


async def read(websocket: ClientConnection) -> str:
    async with asyncio.timeout(5):
        message = await websocket.recv()
    assert isinstance(message, str)
    return message


async def hear(websocket: ClientConnection, *kinds: str) -> dict[str, Any]:
    """The next event of these types; others are skipped."""
    while True:
        event: dict[str, Any] = json.loads(await read(websocket))
        if event["type"] in kinds:
            return event


async def lost(websocket: ClientConnection) -> tuple[list[str], ConnectionClosed]:
    """The types of the events until the connection is lost, and how it was lost."""
    kinds: list[str] = []
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            kinds.append(json.loads(await read(websocket))["type"])
    return kinds, closed.value


async def silent(websocket: ClientConnection, seconds: float = 0.1) -> bool:
    """Whether nothing arrives for so long."""
    try:
        async with asyncio.timeout(seconds):
            await websocket.recv()
    except TimeoutError:
        return True
    return False


async def test_a_dropped_connection_is_reset_and_the_next_answers(url: str) -> None:
    async with connect(url) as websocket:
        await say(websocket, "drop")
        kinds, closed = await lost(websocket)
        assert len(kinds) == 5
        assert closed.rcvd is None
        assert isinstance(closed.__cause__, ConnectionResetError)
    async with connect(url) as websocket:
        await say(websocket, "drop")
        await hear(websocket, "response.completed")


async def test_a_closed_connection_says_1011(url: str) -> None:
    async with connect(url) as websocket:
        await say(websocket, "close")
        kinds, closed = await lost(websocket)
        assert len(kinds) == 5
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1011


async def test_a_half_open_connection_neither_answers_nor_ends(url: str) -> None:
    async with connect(url, close_timeout=0.05, ping_interval=None) as websocket:
        await (await websocket.ping())
        await say(websocket, "half")
        for _ in range(5):
            await read(websocket)
        pong = await websocket.ping()
        await say(websocket, "Hello")
        assert await silent(websocket, 0.2)
        assert not pong.done()
        assert websocket.state.name == "OPEN"
    async with connect(url) as websocket:  # others are served
        await say(websocket, "Hello")
        await hear(websocket, "response.completed")


async def test_a_stalled_response_leaves_the_connection_alive(url: str) -> None:
    async with connect(url) as websocket:
        await say(websocket, "stall", stream_id="a")
        for _ in range(5):
            await read(websocket)
        assert await silent(websocket)
        await (await websocket.ping())
        await say(websocket, "Hello", stream_id="b")
        event = await hear(websocket, "response.completed")
        assert event["stream_id"] == "b"


async def test_garbage_comes_in_the_middle_of_a_whole_answer(url: str) -> None:
    async with connect(url) as websocket:
        await say(websocket, "garbage")
        messages: list[str] = []
        while not messages or '"response.completed"' not in messages[-1]:
            messages.append(await read(websocket))
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(messages[5])
        events = [json.loads(text) for text in [*messages[:5], *messages[11:]]]
        deltas = [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
        assert "".join(deltas) == "Well, this goes on and on."


async def test_an_error_says_when_to_come_back(url: str) -> None:
    async with connect(url) as websocket:
        for _ in range(2):
            await say(websocket, "busy")
            error = json.loads(await read(websocket))
            assert (error["type"], error["status"]) == ("error", 429)
            assert error["error"]["code"] == "rate_limit_exceeded"
            assert error["headers"] == {"retry-after": "0.1"}
        await say(websocket, "busy")
        await hear(websocket, "response.completed")


async def test_a_failed_response_is_the_only_thing_that_fails(url: str) -> None:
    async with connect(url) as websocket:
        await say(websocket, "fail")
        kinds = [json.loads(await read(websocket))["type"] for _ in range(6)]
        assert kinds[-1] == "response.failed"
        await say(websocket, "Hello")
        await hear(websocket, "response.completed")


async def test_what_is_forgotten_is_not_found_until_all_is_said_again(url: str) -> None:
    async with connect(url) as websocket:
        await say(websocket, "Hello", store=True)
        parent = (await hear(websocket, "response.completed"))["response"]["id"]
        await say(websocket, "forget", previous_response_id=parent)
        error = await hear(websocket, "error", "response.created")
        assert error["error"]["code"] == "previous_response_not_found"
        await say(websocket, "forget")
        parent = (await hear(websocket, "response.completed"))["response"]["id"]
        await say(websocket, "forget", previous_response_id=parent)
        await hear(websocket, "response.completed")


async def test_an_expired_connection_says_so_and_is_closed(url: str) -> None:
    async with connect(url) as websocket:
        await say(websocket, "expire")
        kinds, closed = await lost(websocket)
        assert kinds == ["response.created", "error"]
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1000


async def test_a_cancelled_response_can_stream_on() -> None:
    script = Script([Reply(text=" ".join(["word"] * 30))], ignore_cancel=True)
    async with (
        serving(ScriptBackend(script, tokens_per_second=500)) as url,
        connect(url) as websocket,
    ):
        await say(websocket, "Go")
        response = (await hear(websocket, "response.created"))["response"]["id"]
        await websocket.send(json.dumps({"type": "response.cancel", "response_id": response}))
        event = await hear(websocket, "response.completed", "response.incomplete")
        assert event["type"] == "response.completed"
