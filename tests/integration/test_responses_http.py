"""HTTP with server-sent events over real sockets, and the fallback to it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.support.sse_server import (
    Answer,
    BrokenStreamError,
    Event,
    Refusal,
    Request,
    SseServer,
    sse,
    sse_server,
    text_events,
)
from voice.errors import AgentError
from voice.responses import connection
from voice.responses.connection import WebSocketTransport, endpoint
from voice.responses.events import (
    ErrorEvent,
    InputMessage,
    ResponseCancel,
    ResponseCreate,
    ResponseSteer,
    SteerFailed,
    decode_server_event,
)
from voice.responses.http import HttpTransport, open_http
from voice.responses.transports import open_transport

LAST = {"response.completed", "response.incomplete", "response.failed", "error"}


def create(lane: str, text: str = "Hello") -> ResponseCreate:
    return ResponseCreate(
        model="m", input=[InputMessage(role="user", content=text)], stream_id=lane
    )


@asynccontextmanager
async def talking(answer: Answer, key: str = "") -> AsyncIterator[tuple[HttpTransport, SseServer]]:
    async with asyncio.timeout(20), sse_server(answer) as server:
        transport = await open_http(endpoint(server.url, key))
        try:
            yield transport, server
        finally:
            await transport.close()


async def arriving(transport: Any) -> AsyncIterator[Event]:
    async for message in transport.messages():
        yield json.loads(message)


async def until_ends(transport: Any, count: int = 1) -> list[Event]:
    """Everything up to the `count`-th last event."""
    events = []
    async for event in arriving(transport):
        events.append(event)
        count -= event["type"] in LAST
        if count == 0:
            return events
    raise AssertionError("the transport was closed")


def says(*deltas: str) -> Answer:
    async def answer(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        for event in text_events(f"resp_{request.body['input'][0]['content']}", *deltas):
            yield event

    return answer


def once(*parts: Event | bytes | Refusal | type[Exception]) -> Answer:
    async def answer(_: Request) -> AsyncIterator[Event | bytes | Refusal]:
        for part in parts:
            if isinstance(part, type):
                await asyncio.sleep(0.05)  # let the bytes before it arrive
                raise part
            yield part

    return answer


# ── requests and their streams ───────────────────────────────────────────────────────────────


async def test_a_request_is_the_body_of_a_post_and_its_events_get_the_lane() -> None:
    async with talking(says("Hi", " there"), key="k-123") as (transport, server):
        assert transport.remembers is False
        request = create("voice-1")
        request.temperature = 0.5
        await transport.send(request)
        events = await until_ends(transport)
    assert [event["type"] for event in events] == [
        "response.created",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.completed",
    ]
    assert {event["stream_id"] for event in events} == {"voice-1"}
    [seen] = server.requests
    assert seen.headers["authorization"] == "Bearer k-123"
    assert seen.body == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": "Hello"}],
        "previous_response_id": None,
        "store": False,
        "temperature": 0.5,
        "stream": True,
    }


async def test_chunks_may_end_anywhere() -> None:
    stream = b"".join(
        b": keep-alive\r\n\r\n" + sse(event).replace(b"\n", b"\r\n")
        for event in text_events("r", "größer", "→ 🎙")
    )
    pieces = [stream[at : at + 1] for at in range(len(stream))]
    async with talking(once(*pieces, b"data: [DONE]\r\n\r\n")) as (transport, _):
        await transport.send(create("a"))
        events = await until_ends(transport)
    assert [event.get("delta") for event in events] == [None, "größer", "→ 🎙", None]


async def test_a_connection_serves_one_request_after_another() -> None:
    async with talking(says("x")) as (transport, server):
        for _ in range(5):
            await transport.send(create("a"))
            await until_ends(transport)
        assert server.connections == 1


async def test_lanes_run_side_by_side() -> None:
    first_may_end = asyncio.Event()

    async def answer(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        name = request.body["input"][0]["content"]
        for event in text_events(name, name):
            if name == "slow" and event["type"] == "response.completed":
                await first_may_end.wait()
            yield event

    async with talking(answer) as (transport, _):
        await transport.send(create("a", "slow"))
        await transport.send(create("b", "quick"))
        events = await until_ends(transport)
        assert (events[-1]["stream_id"], events[-1]["response"]["id"]) == ("b", "quick")
        first_may_end.set()
        events += await until_ends(transport)
    assert [e["delta"] for e in events if e["stream_id"] == "a" and "delta" in e] == ["slow"]


async def test_a_lane_is_first_in_first_out() -> None:
    at_once, most = 0, 0

    async def answer(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for event in text_events(request.body["input"][0]["content"], "x"):
            await asyncio.sleep(0.002)
            if event["type"] == "response.completed":
                at_once -= 1
            yield event

    async with talking(answer) as (transport, _):
        for number in range(8):
            await transport.send(create("a", str(number)))
        events = await until_ends(transport, 8)
    ended = [e["response"]["id"] for e in events if e["type"] == "response.completed"]
    assert ended == [str(number) for number in range(8)]
    assert most == 1


async def test_a_cancel_closes_the_stream_and_ends_the_response() -> None:
    async def answer(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        if request.body["input"][0]["content"] == "next":
            for event in text_events("next"):
                yield event
            return
        yield text_events("long")[0]
        await request.gone.wait()

    async with talking(answer) as (transport, server):
        await transport.send(create("a"))
        await transport.send(create("a", "next"))
        events = arriving(transport)
        assert (await anext(events))["type"] == "response.created"
        await transport.send(ResponseCancel(response_id="unknown"))
        await transport.send(ResponseCancel(response_id="long"))
        end = await anext(events)
        assert (end["type"], end["stream_id"]) == ("response.incomplete", "a")
        assert end["response"]["id"] == "long"
        assert (await anext(events))["response"]["id"] == "next"  # the lane goes on
        await server.requests[0].gone.wait()
        await transport.send(ResponseCancel(response_id="long"))  # late: no effect
        assert (await anext(events))["type"] == "response.completed"


async def test_nothing_is_warmed_up_over_http() -> None:
    async with talking(says("x")) as (transport, server):
        request = create("a")
        request.generate = False
        with pytest.raises(AssertionError):
            await transport.send(request)
        assert server.requests == []


async def test_a_response_cannot_be_steered() -> None:
    async with talking(says("x")) as (transport, _):
        said = InputMessage(role="user", content="and milk")
        await transport.send(ResponseSteer(previous_response_id="r", input=[said]))
        failed = decode_server_event(await anext(transport.messages()))
    assert isinstance(failed, SteerFailed)
    assert failed.error.code == "steering_not_supported"
    assert failed.steer.input == [{"type": "message", "role": "user", "content": "and milk"}]


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


async def test_too_many_requests_say_when_to_come_back() -> None:
    body = {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down."}}
    headers = {"retry-after": "2", "retry-after-ms": "1500", "x-request-id": "abc"}
    refusal = Refusal(429, json.dumps(body), headers)
    async with talking(once(refusal)) as (transport, _):
        await transport.send(create("a"))
        error = decode_server_event(await anext(transport.messages()))
    assert isinstance(error, ErrorEvent)
    assert (error.status, error.stream_id) == (429, "a")
    assert (error.body.code, error.body.message) == ("rate_limit_exceeded", "Slow down.")
    assert error.headers == {"retry-after": "2", "retry-after-ms": "1500"}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("", None, "HTTP 503 Service Unavailable"),
        ("<html>busy</html>", None, "HTTP 503 Service Unavailable"),
        ('{"error": "busy"}', None, "busy"),
        ('{"error": {"code": 7, "message": "busy"}}', "7", "busy"),
        ('{"code": "busy", "message": "later"}', "busy", "later"),
        ('{"error": {"code": null, "message": ["odd"]}}', None, "HTTP 503 Service Unavailable"),
        ("[1]", None, "HTTP 503 Service Unavailable"),
        ('{"error": "bu', None, "HTTP 503 Service Unavailable"),
        ("[" * 5000, None, "HTTP 503 Service Unavailable"),
    ],
)
async def test_a_refusal_in_any_shape_is_an_error(body: str, code: str, message: str) -> None:
    async with talking(once(Refusal(503, body))) as (transport, _):
        await transport.send(create("a"))
        error = decode_server_event(await anext(transport.messages()))
    assert isinstance(error, ErrorEvent)
    assert (error.status, error.body.code) == (503, code)
    assert error.body.message.startswith(message)


@pytest.mark.parametrize(
    "parts",
    [
        [text_events("r")[0], BrokenStreamError],
        [text_events("r")[0]],
        [sse(text_events("r")[0]), b'data: {"type":"response.comp'],
        [b"<html>\n\n</html>"],
        [],
    ],
    ids=["broken", "ended early", "cut in an event", "no stream", "nothing"],
)
async def test_a_stream_without_its_last_event_is_a_lost_connection(parts: list[Any]) -> None:
    broken = once(*parts)
    sound = says("fine")

    async def answer(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        which = sound if len(server.requests) > 1 else broken
        async for part in which(request):
            yield part

    async with talking(answer) as (transport, server):
        await transport.send(create("a"))
        *_, error = await until_ends(transport)
        assert (error["type"], error["stream_id"]) == ("error", "a")
        assert error["error"]["code"] == "connection_lost"
        assert server.url.rpartition("/")[0] in error["error"]["message"]
        await transport.send(create("a"))  # the transport lives on
        assert (await until_ends(transport))[-1]["type"] == "response.completed"


async def test_nobody_there_is_a_lost_connection() -> None:
    async with sse_server(says()) as server:
        url = server.url
    transport = await open_http(endpoint(url, ""))
    await transport.send(create("a"))
    [error] = await until_ends(transport)
    assert error["error"]["code"] == "connection_lost"
    await transport.close()


async def test_an_error_without_a_type_is_an_error() -> None:
    envelope = b'data: {"error":{"type":"api_error","message":"not found"}}\n\n'
    async with talking(once(envelope)) as (transport, _):
        await transport.send(create("a"))
        error = decode_server_event(await anext(transport.messages()))
    assert isinstance(error, ErrorEvent)
    assert (error.stream_id, error.body.message) == ("a", "not found")


async def test_what_is_no_event_is_handed_on_as_it_is() -> None:
    odd = b'data: what?\n\ndata: {}\n\ndata: {"type":"x"}\n\n'
    deep = b'{"error":' + b"[" * 5000
    async with talking(once(odd, b"data: " + deep + b"\n\n", *text_events("r"))) as (transport, _):
        await transport.send(create("a"))
        messages = transport.messages()
        assert await anext(messages) == b"what?"
        assert json.loads(await anext(messages)) == {"stream_id": "a"}
        assert json.loads(await anext(messages)) == {"stream_id": "a", "type": "x"}
        assert await anext(messages) == deep


async def test_an_end_that_cannot_be_read_is_told_as_a_loss() -> None:
    unreadable = b'data: {"type":"response.completed","response":{"id":"r","output":7}}\n\n'
    async with talking(once(unreadable)) as (transport, _):
        await transport.send(create("a"))
        [error] = await until_ends(transport)
    assert error["error"]["code"] == "connection_lost"
    assert "no event" in error["error"]["message"]


async def test_a_slow_reader_slows_the_server_and_loses_nothing() -> None:
    count, sent = 3000, 0

    async def answer(_: Request) -> AsyncIterator[Event | bytes | Refusal]:
        nonlocal sent
        for event in text_events("r", *(f"{number}" + "x" * 16_000 for number in range(count))):
            sent += 1
            yield event

    async with talking(answer) as (transport, _):
        await transport.send(create("a"))
        before = -1
        while sent > before or not sent:  # until the server stands still
            before = sent
            await asyncio.sleep(0.2)
        assert sent < count
        await transport.send(create("b"))
        events = await until_ends(transport, 2)
    for lane in "ab":
        deltas = [e["delta"].rstrip("x") for e in events if e["stream_id"] == lane and "delta" in e]
        assert deltas == [str(number) for number in range(count)]


async def test_closing_ends_all() -> None:
    async def answer(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
        yield text_events("r")[0]
        await request.gone.wait()

    async with talking(answer) as (transport, server):
        await transport.send(create("a"))
        await transport.send(create("a"))
        assert (await anext(arriving(transport)))["type"] == "response.created"
        await transport.close()
        assert [message async for message in transport.messages()] == []
        await server.requests[0].gone.wait()
        assert len(server.requests) == 1
        with pytest.raises(AgentError, match="is closed"):
            await transport.send(create("a"))


async def test_the_key_is_in_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with talking(once(Refusal(401, "no")), key="k-secret") as (transport, server):
        await transport.send(create("a"))
        [error] = await until_ends(transport)
    assert server.requests[0].headers["authorization"] == "Bearer k-secret"
    assert "k-secret" not in caplog.text + json.dumps(error)


# ── which transport ──────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def raw_server(*replies: bytes) -> AsyncIterator[str]:
    """Answers each connection with the next of the replies, the last one for ever."""
    waiting = list(replies)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(waiting.pop(0) if len(waiting) > 1 else waiting[0])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    server.close()


def status(line: str) -> bytes:
    return f"HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    "get",
    [
        {"/v1/responses": 426, "/v1/models": 200},
        {"/v1/responses": 405, "/v1/models": 404},
        {"/v1/responses": 404, "/v1/models": 401},
        {"/v1/responses": 400, "/v1/models": 503},
    ],
)
async def test_http_where_the_server_takes_no_websocket(get: dict[str, int]) -> None:
    async with sse_server(says("Hi"), get) as server:
        transport, reason = await open_transport(endpoint(server.url, ""), "auto")
        assert isinstance(transport, HttpTransport)
        assert f"answers HTTP {get['/v1/responses']} instead of a WebSocket" in reason
        await transport.send(create("a"))
        assert (await until_ends(transport))[1]["delta"] == "Hi"
        await transport.close()


@pytest.mark.parametrize("reply", [b"", b"220 mail ESMTP\r\n"], ids=["dropped", "garbled"])
async def test_http_where_something_between_spoils_the_upgrade(reply: bytes) -> None:
    async with raw_server(reply, status("200 OK")) as url:
        transport, reason = await open_transport(endpoint(url, ""), "auto")
    assert isinstance(transport, HttpTransport)
    assert "does not speak WebSocket" in reason
    await transport.close()


async def test_http_where_the_upgrade_is_left_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OPEN_SECONDS", 0.3)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"Upgrade" not in head:
            writer.write(status("401 Unauthorized"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    transport, reason = await open_transport(endpoint(url, ""), "auto")
    assert isinstance(transport, HttpTransport)
    assert "did not answer" in reason
    await transport.close()
    server.close()


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (status("401 Unauthorized"), "refuses the key (set OPENAI_API_KEY"),
        (status("403 Forbidden"), "refuses the key (set OPENAI_API_KEY"),
        (status("404 Not Found"), "answers HTTP 404 instead of a WebSocket (check the path"),
        (status("502 Bad Gateway"), "answers HTTP 502 instead of a WebSocket (check the path"),
        (b"220 mail.example.org ESMTP\r\n", "does not speak WebSocket"),
        (b"", "does not speak WebSocket"),
    ],
    ids=["401", "403", "404", "502", "garbage", "silence"],
)
async def test_no_fallback_to_what_is_no_server(reply: bytes, named: str) -> None:
    async with raw_server(reply) as url:
        with pytest.raises(AgentError) as raised:
            await open_transport(endpoint(url, ""), "auto")
    assert named in str(raised.value)
    assert url in str(raised.value)


@pytest.mark.parametrize("status", [429, 503])
async def test_no_fallback_where_the_server_is_only_busy(status: int) -> None:
    """It takes WebSockets a moment later, and the fallback is for the whole session."""
    async with sse_server(says("Hi"), {"/v1/responses": status, "/v1/models": 200}) as server:
        with pytest.raises(AgentError, match=f"is busy .HTTP {status}"):
            await open_transport(endpoint(server.url, ""), "auto")


async def test_no_fallback_where_nobody_listens() -> None:
    async with raw_server(b"") as url:
        pass
    with pytest.raises(AgentError, match=f"no server answers at {url}"):
        await open_transport(endpoint(url, ""), "auto")


async def test_what_is_asked_for_by_name_is_not_replaced() -> None:
    get = {"/v1/responses": 426, "/v1/models": 200}
    async with sse_server(says("Hi"), get) as server:
        with pytest.raises(AgentError, match="426"):
            await open_transport(endpoint(server.url, ""), "websocket")
        transport, reason = await open_transport(endpoint(server.url, ""), "http")
        assert isinstance(transport, HttpTransport)
        assert (reason, server.connections) == ("", 1)
        await transport.close()


async def test_a_websocket_where_there_is_one() -> None:
    async def stay(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serve(stay, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport, reason = await open_transport(endpoint(f"127.0.0.1:{port}", ""), "auto")
        assert isinstance(transport, WebSocketTransport)
        assert (transport.remembers, reason) == (True, "")
        await transport.close()


@pytest.mark.parametrize("proxy", ["http://proxy:port", "ftp://proxy", "socks5://127.0.0.1:9"])
async def test_a_useless_proxy_is_named(proxy: str, unproxied: Callable[..., None]) -> None:
    unproxied(HTTPS_PROXY=proxy.replace("proxy", "hidden"))
    with pytest.raises(AgentError, match="HTTPS_PROXY") as raised:
        await open_http(endpoint("https://agent.invalid/v1", "k"))
    assert "hidden" not in str(raised.value)


@pytest.fixture
def unproxied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the environment's proxies, and only those."""

    def choose(**proxies: str) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WSS_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in proxies.items():
            monkeypatch.setenv(name, value)

    return choose
