"""The local server over HTTP, with the official SDK, with httpx, and with raw sockets."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from websockets.asyncio.client import connect

from tests.support.serving import TIMER, Broken, Endless, sdk, serving
from voice.errors import ServerError
from voice.responses.events import SERVER_EVENTS
from voice.server.backend import Busy, Finished, Prompt, PromptTooLong, TextDelta
from voice.server.limits import Limits
from voice.server.script import Reply, ScriptBackend

REPLIES = [
    Reply(match="timer", call="set_timer", arguments={"minutes": 5}),
    Reply(match="timer", text="Your timer is set."),
    Reply(text="Hello there."),
]
JSON = {"content-type": "application/json"}


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with serving(ScriptBackend(REPLIES, tokens_per_second=500)) as address:
        yield address


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{address}") as client:
        yield client


def sse(text: str) -> list[dict[str, Any]]:
    """The events of a whole stream; each is named by its type."""
    events = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if lines:
            events.append(json.loads(lines["data"]))
            assert lines["event"] == events[-1]["type"]
    return events


async def posted(
    address: str, fields: dict[str, Any]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection over which a request was sent, with its answer still to be read."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    body = json.dumps(fields).encode()
    head = f"POST /v1/responses HTTP/1.1\r\nHost: {address}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return reader, writer


async def streamed(client: httpx.AsyncClient, **fields: Any) -> list[dict[str, Any]]:
    answer = await client.post("/v1/responses", json={"stream": True, **fields})
    assert answer.headers["content-type"].startswith("text/event-stream")
    return sse(answer.text)


# ── the official SDK ─────────────────────────────────────────────────────────────────────────


async def test_the_sdk_holds_a_stored_chain_with_a_tool_call(address: str) -> None:
    responses = sdk(address).responses
    first = await responses.create(model="script", input="Hello")
    assert first.output_text == "Hello there."
    second = await responses.create(
        model="script", input="Set a timer.", previous_response_id=first.id, tools=[TIMER]
    )
    call: Any = second.output[0]
    assert (call.type, json.loads(call.arguments)) == ("function_call", {"minutes": 5})
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}
    third = await responses.create(
        model="script", input=[output], previous_response_id=second.id, tools=[TIMER]
    )
    assert third.output_text == "Your timer is set."
    assert third.usage is not None
    assert third.usage.total_tokens == third.usage.input_tokens + third.usage.output_tokens


async def test_the_sdk_streams(address: str) -> None:
    stream = await sdk(address).responses.create(model="script", input="Hello", stream=True)
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert {event.type for event in events} <= set(SERVER_EVENTS)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert events[-1].type == "response.completed"
    assert text == events[-1].response.output_text == "Hello there."


async def test_the_sdk_reads_and_deletes_what_is_stored(address: str) -> None:
    responses = sdk(address).responses
    created = await responses.create(model="script", input="Hello", instructions="Be kind.")
    assert (await responses.retrieve(created.id)).model_dump() == created.model_dump()
    items = await responses.input_items.list(created.id)
    assert [item.content[0].text for item in items.data] == ["Hello"]  # type: ignore[union-attr]
    await responses.delete(created.id)
    with pytest.raises(openai.NotFoundError, match=created.id):
        await responses.retrieve(created.id)
    with pytest.raises(openai.NotFoundError):
        await responses.delete(created.id)
    with pytest.raises(openai.NotFoundError):
        await responses.input_items.list(created.id)
    with pytest.raises(openai.BadRequestError) as refused:
        await responses.create(model="script", input="And?", previous_response_id=created.id)
    assert refused.value.code == "previous_response_not_found"


async def test_the_sdk_shows_errors_as_its_own(address: str) -> None:
    client = sdk(address)
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.create(model="script", input="Hello", temperature=9)
    assert (refused.value.code, refused.value.param) == ("invalid_value", "temperature")
    assert [model.id async for model in client.models.list()] == ["script"]
    assert (await client.models.retrieve("script")).owned_by == "voice"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-5")
    created = await client.responses.create(model="script", input="Hello")
    with pytest.raises(openai.BadRequestError, match="background"):
        await client.responses.cancel(created.id)


async def test_a_chain_goes_on_from_one_transport_to_the_other(address: str) -> None:
    client = sdk(address)
    first = await client.responses.create(model="script", input="Set a timer.", tools=[TIMER])
    call: Any = first.output[0]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}
    async with connect(f"ws://{address}/v1/responses") as websocket:
        request = {"type": "response.create", "input": [output], "previous_response_id": first.id}
        await websocket.send(json.dumps(request))
        event = json.loads(await websocket.recv())
        while event["type"] != "response.completed":
            event = json.loads(await websocket.recv())
        second = await client.responses.retrieve(event["response"]["id"])
        assert second.output_text == "Your timer is set."
        assert len((await client.responses.input_items.list(second.id)).data) == 3
        await client.responses.delete(second.id)
        request = {"type": "response.create", "input": "So?", "previous_response_id": second.id}
        await websocket.send(json.dumps(request))
        assert json.loads(await websocket.recv())["type"] == "error"


# ── what is stored ───────────────────────────────────────────────────────────────────────────


async def test_what_shall_not_be_stored_is_not_there(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/responses", json={"input": "Hello", "store": False})
    assert (await client.get(f"/v1/responses/{answer.json()['id']}")).status_code == 404


async def test_input_items_come_in_pages(client: httpx.AsyncClient) -> None:
    words = [{"role": "user", "content": str(n)} for n in range(5)]
    answer = await client.post("/v1/responses", json={"input": words})
    url = f"/v1/responses/{answer.json()['id']}/input_items"

    async def page(**query: Any) -> tuple[list[str], bool]:
        listed = (await client.get(url, params=query)).json()
        assert listed["object"] == "list"
        assert listed["first_id"] == (listed["data"][0]["id"] if listed["data"] else None)
        assert listed["last_id"] == (listed["data"][-1]["id"] if listed["data"] else None)
        texts = [item["content"][0]["text"] for item in listed["data"]]
        return texts, listed["has_more"]

    assert await page() == (["4", "3", "2", "1", "0"], False)
    assert await page(order="asc", limit=2) == (["0", "1"], True)
    ids = [item["id"] for item in (await client.get(url, params={"order": "asc"})).json()["data"]]
    assert await page(order="asc", limit=2, after=ids[1]) == (["2", "3"], True)
    assert await page(order="asc", limit=1, after=ids[3]) == (["4"], False)
    assert await page(after=ids[0]) == ([], False)
    for query in (
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"order": "up"},
        {"after": "x"},
    ):
        refused = await client.get(url, params=query)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, next(iter(query)))


# ── the edges ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/", {}, 404, "unknown_url"),
        ("POST", "/v1/chat/completions", {"json": {}}, 404, "unknown_url"),
        ("GET", "/v1/responses", {}, 405, "unknown_url"),
        ("PUT", "/v1/responses/resp_1", {"json": {}}, 405, "unknown_url"),
        ("GET", "/v1/responses/resp_1", {}, 404, None),
        ("GET", "/v1/responses/resp_1?stream=true", {}, 400, "invalid_value"),
        ("DELETE", "/v1/responses/resp_1", {}, 404, None),
        ("GET", "/v1/responses/resp_1/input_items", {}, 404, None),
        ("POST", "/v1/responses/resp_1/cancel", {}, 404, None),
        ("POST", "/v1/responses", {"content": "{", "headers": JSON}, 400, "invalid_json"),
        ("POST", "/v1/responses", {"content": b"\xff", "headers": JSON}, 400, "invalid_json"),
        ("POST", "/v1/responses", {"content": b'{"input": "\xff"}', "headers": JSON}, 400, None),
        ("POST", "/v1/responses", {"content": "", "headers": JSON}, 400, "invalid_json"),
        ("POST", "/v1/responses", {"json": [1]}, 400, "invalid_json"),
        ("POST", "/v1/responses", {"json": {"input": 5}}, 400, "invalid_type"),
        ("POST", "/v1/responses", {"json": {"input": "x", "stream": 1}}, 400, "invalid_type"),
        ("POST", "/v1/responses", {"json": {"input": "x", "background": True}}, 400, None),
        (
            "POST",
            "/v1/responses",
            {"json": {"input": "x", "previous_response_id": "resp_1", "stream": True}},
            400,
            "previous_response_not_found",
        ),
    ],
)
async def test_errors_have_the_apis_own_shape(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    options: dict[str, Any],
    status: int,
    code: str | None,
) -> None:
    answer = await client.request(method, path, **options)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    if code:
        assert error["code"] == code
    assert answer.headers["x-request-id"].startswith("req_")


async def test_every_answer_has_an_id_of_its_own(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/healthz")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


async def test_fields_of_websockets_alone_are_left_out(client: httpx.AsyncClient) -> None:
    body = {"type": "x", "input": "Hi", "stream_id": "a", "generate": False, "unheard": {"of": 1}}
    answer = (await client.post("/v1/responses", json=body)).json()
    assert answer["output"][0]["content"][0]["text"] == "Hello there."
    events = await streamed(client, **body)
    assert not any("stream_id" in event for event in events)


async def test_one_connection_serves_requests_and_then_a_websocket(address: str) -> None:
    reader, writer = await asyncio.open_connection(*address.split(":"))
    head = f"HTTP/1.1\r\nHost: {address}\r\n"
    for _ in range(2):
        writer.write(f"GET /healthz {head}\r\n".encode())
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(3) == b"ok\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    writer.write(f"GET /v1/responses {head}{upgrade}{key}\r\n".encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x89\x80\0\0\0\0")  # a ping
    assert await reader.readexactly(2) == b"\x8a\x00"
    writer.close()


@pytest.mark.parametrize("streams", [True, False])
async def test_a_client_that_goes_stops_its_response(streams: bool) -> None:
    backend = Endless()
    async with serving(backend) as address, asyncio.timeout(10):
        reader, writer = await posted(address, {"input": "Go", "stream": streams})
        if streams:
            await reader.readuntil(b"event: response.output_text.delta")
        await backend.started.wait()
        assert not backend.stopped.is_set()
        writer.close()
        await backend.stopped.wait()


async def test_a_silent_stream_gives_signs_of_life() -> None:
    backend = ScriptBackend(REPLIES, ttft_seconds=0.5)
    limits = Limits(heartbeat_seconds=0.05)
    async with (
        serving(backend, limits=limits) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        answer = await client.post("/v1/responses", json={"input": "Hi", "stream": True})
        assert answer.text.count("\n\n: ") >= 2
        assert sse(answer.text)[-1]["type"] == "response.completed"


async def test_a_backend_that_fails_is_a_server_error(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        serving(Broken()) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        answer = await client.post("/v1/responses", json={"input": "Hi"})
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "server_error"
        assert "bug" not in answer.text
        events = await streamed(client, input="Hi")
        assert events[-1]["type"] == "response.failed"
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (Busy("it is busy", "wait", 2.5), 429, "rate_limit_exceeded", "2.5"),
        (Busy("it is busy", "wait", None), 429, "rate_limit_exceeded", "1"),
        (PromptTooLong("it is too long", "shorten it"), 400, "invalid_prompt", None),
        (ServerError("it is gone", "start it"), 500, "server_error", None),
    ],
)
async def test_what_a_backend_cannot_do_is_a_status(
    error: ServerError, status: int, code: str, retry_after: str | None
) -> None:
    class Unwilling(ScriptBackend):
        async def generate(self, prompt: Prompt) -> Any:
            raise error
            yield

    async with (
        serving(Unwilling()) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        answer = await client.post("/v1/responses", json={"input": "Hi"})
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
        assert answer.json()["error"]["code"] == code
        assert error.problem in answer.json()["error"]["message"]


async def test_an_answer_that_is_cut_is_incomplete(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/responses", json={"input": "Hi", "max_output_tokens": 1})
    assert (answer.status_code, answer.json()["status"]) == (200, "incomplete")


# ── what the server says of itself ───────────────────────────────────────────────────────────


async def test_the_metrics_count() -> None:
    class Counting(ScriptBackend):
        async def generate(self, prompt: Prompt) -> Any:
            yield TextDelta("Well.")
            yield Finished(input_tokens=7, cached_tokens=4, output_tokens=2)

    async with (
        serving(Counting()) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
        connect(f"ws://{address}/v1/responses") as websocket,
    ):
        await streamed(client, input="Hi")
        await client.post("/v1/responses", json={"input": 5})
        await websocket.send(json.dumps({"type": "response.create", "input": "Hi"}))
        while json.loads(await websocket.recv())["type"] != "response.completed":
            pass
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    told = dict(
        line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")
    )
    assert told['voice_requests_total{outcome="completed",transport="http"}'] == "1.0"
    assert told['voice_requests_total{outcome="refused",transport="http"}'] == "1.0"
    assert told['voice_requests_total{outcome="completed",transport="websocket"}'] == "1.0"
    assert told['voice_events_sent_total{transport="http"}'] == "9.0"
    assert told['voice_http_requests_total{status="400"}'] == "1.0"
    kinds = [told[f'voice_tokens_total{{kind="{kind}"}}'] for kind in ("input", "cached", "output")]
    assert kinds == ["14.0", "8.0", "4.0"]
    assert told["voice_first_token_seconds_count"] == "2.0"
    assert told["voice_connections"] == "2.0"
    assert told["voice_responses_running"] == "0.0"


def test_whoever_starts_a_server_as_a_child_loads_no_http() -> None:
    code = "import sys, voice.server.child\nprint({'uvicorn', 'starlette'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert told.stdout.strip() == "set()"


# ── what goes wrong on purpose ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "streams"),
    [*itertools.product(("drop", "close"), (True, False))],
)
async def test_a_connection_that_is_ended_is_lost(fault: Any, streams: bool) -> None:
    reply = Reply(fault=fault, after=5, text="Well, this goes on and on.")
    async with serving(ScriptBackend([reply])) as address, httpx.AsyncClient() as client:
        request = client.stream(
            "POST",
            f"http://{address}/v1/responses",
            json={"input": "Hi", "stream": streams},
        )
        got = ""
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            async with request as answer:
                async for text in answer.aiter_text():
                    got += text
        if streams and fault == "close":
            assert len(sse(got)) == 5


@pytest.mark.parametrize("streams", [True, False])
async def test_a_connection_that_is_half_open_says_nothing(streams: bool) -> None:
    reply = Reply(fault="half-open", after=5, text="Well, this goes on and on.")
    backend = ScriptBackend([reply])
    limits = Limits(heartbeat_seconds=0.01)
    async with asyncio.timeout(10), serving(backend, limits=limits) as address:
        reader, writer = await posted(address, {"input": "Hi", "stream": streams})
        if streams:
            for _ in range(5):
                await reader.readuntil(b"event: ")
            await reader.readuntil(b"\n\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                while b"event" not in await reader.readexactly(1):
                    pass
    writer.close()  # the server ended all the same


async def test_an_error_before_anything_was_sent_is_a_status() -> None:
    reply = Reply(
        fault="error", after=0, status=429, code="rate_limit_exceeded", retry_after=1.5, times=2
    )
    async with (
        serving(ScriptBackend([reply, Reply(text="Now.")])) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        for streams in (True, False):
            body = {"input": "Hi", "stream": streams}
            answer = await client.post("/v1/responses", json=body)
            assert answer.status_code == 429
            assert answer.headers["retry-after"] == "1.5"
            assert answer.json()["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(("fault", "count"), [("error", 5), ("expire", 5)])
async def test_an_error_after_that_is_an_event(fault: Any, count: int) -> None:
    reply = Reply(fault=fault, after=count, text="Well, this goes on and on.")
    async with (
        serving(ScriptBackend([reply])) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        events = await streamed(client, input="Hi")
        assert len(events) == count + 1
        assert set(events[-1]) == {"type", "code", "message", "param", "sequence_number"}
        assert events[-1]["sequence_number"] == count
        answer = await client.post("/v1/responses", json={"input": "Hi"})
        assert answer.status_code == (500 if fault == "error" else 400)


async def test_a_response_that_fails_says_so() -> None:
    reply = Reply(fault="fail", after=5, code="rate_limit_exceeded", text="Well, so it goes.")
    async with (
        serving(ScriptBackend([reply])) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        events = await streamed(client, input="Hi")
        assert events[-1]["type"] == "response.failed"
        answer = await client.post("/v1/responses", json={"input": "Hi"})
        assert answer.status_code == 429
        assert answer.headers["retry-after"]


async def test_garbage_comes_in_the_middle_of_a_stream() -> None:
    reply = Reply(fault="garbage", after=5, text="Well, this goes on and on.")
    async with (
        serving(ScriptBackend([reply])) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        text = (await client.post("/v1/responses", json={"input": "Hi", "stream": True})).text
        assert 'data: {"type": "response.output_te\n\n' in text
        assert "event: response.completed\n" in text
        answer = await client.post("/v1/responses", json={"input": "Hi"})
        assert answer.json()["output"][0]["content"][0]["text"] == "Well, this goes on and on."
