"""The WebSocket adapter over real sockets: keys, TLS, proxies, and connections that are lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha1
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from voice.errors import AgentError, UsageError
from voice.responses import connection
from voice.responses.connection import Endpoint, endpoint, open_websocket
from voice.responses.events import InputMessage, ResponseCancel, ResponseCreate
from voice.responses.http import HttpTransport
from voice.responses.transports import open_transport

Handler = Callable[[ServerConnection], Awaitable[None]]
Choose = Callable[..., None]


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A WebSocket server on loopback; yields its port."""
    async with asyncio.timeout(20), serve(handler, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


async def greet(socket: ServerConnection) -> None:
    await socket.send('{"type":"hello"}')
    await socket.wait_closed()


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Sets the environment's proxies, and only those."""

    def choose(**chosen: str) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WSS_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in chosen.items():
            monkeypatch.setenv(name, value)

    choose()
    return choose


# ── addresses and keys ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/responses"),
        ("wss://host/openai/v1/", "wss://host/openai/v1/responses"),
        ("https://host/v1/responses?api-version=1", "wss://host/v1/responses?api-version=1"),
        ("http://127.0.0.1:8787", "ws://127.0.0.1:8787/v1/responses"),
        ("localhost:8787", "ws://localhost:8787/v1/responses"),
        (" ws://[::1]:8787/v1 ", "ws://[::1]:8787/v1/responses"),
    ],
)
def test_a_base_url_becomes_the_websockets(base_url: str, url: str) -> None:
    assert endpoint(base_url, "k").url == url


@pytest.mark.parametrize(
    ("base_url", "named"),
    [
        ("ftp://host/v1", "is not an address"),
        ("https://", "is not an address"),
        ("https://host:port/v1", "is not an address"),
        ("https://host:99999/v1", "is not an address"),
        ("http://[::1/v1", "is not an address"),
        (f"https://{'x' * 64}.example/v1", "is not an address"),
        ("http://host/v1", "in the clear"),
    ],
)
def test_what_is_no_address_is_said(base_url: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        endpoint(base_url, "k")


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match=r"agent\.example") as raised:
        endpoint("https://me:hunter2@agent.example/v1", "k")
    assert "hunter2" not in str(raised.value)


def test_a_key_is_trimmed_shown_nowhere_and_asked_for_by_name() -> None:
    found = endpoint("https://agent.example/v1", " k-secret\n", "AGENT_KEY")
    assert found.key == "k-secret"
    assert "k-secret" not in repr(found) + str(found)
    with pytest.raises(UsageError, match="set AGENT_KEY"):
        endpoint("https://agent.example/v1", "", "AGENT_KEY")
    with pytest.raises(UsageError, match="AGENT_KEY") as raised:
        endpoint("https://agent.example/v1", "k-secret\r\nx: y", "AGENT_KEY")
    assert "k-secret" not in str(raised.value)


async def test_the_key_is_in_the_handshake_and_in_no_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []

    async def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        shown.append(socket.request.headers["Authorization"])
        await socket.wait_closed()

    # The server runs in this process too, and would log the headers that it is sent.
    logging.getLogger("websockets.server").setLevel(logging.INFO)
    async with serving(handler) as port:
        transport = await open_websocket(endpoint(f"127.0.0.1:{port}", "k-secret"))
        await transport.close()
    assert shown == ["Bearer k-secret"]
    assert "k-secret" not in caplog.text


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_names_its_variable(status: int) -> None:
    async with asyncio.timeout(20):
        async with serve(
            greet, "127.0.0.1", 0, process_request=lambda socket, _: socket.respond(status, "no")
        ) as server:
            port = server.sockets[0].getsockname()[1]
            to = endpoint(f"127.0.0.1:{port}", "k-wrong", "XAI_API_KEY")
            with pytest.raises(AgentError, match="set XAI_API_KEY") as raised:
                await open_websocket(to)
    assert "k-wrong" not in str(raised.value)


# ── events ───────────────────────────────────────────────────────────────────────────────────


async def test_events_go_out_as_text_and_come_in_as_bytes() -> None:
    async def echo(socket: ServerConnection) -> None:
        async for message in socket:
            assert isinstance(message, str)
            await socket.send(message)
            await socket.send(message.encode())  # some servers send binary frames

    said = InputMessage(role="user", content="größer → 🎙")
    async with serving(echo) as port:
        transport = await open_websocket(endpoint(f"127.0.0.1:{port}", ""))
        assert transport.remembers
        await transport.send(ResponseCreate(model="m", input=[said], stream_id="a"))
        messages = transport.messages()
        for _ in range(2):
            message = await anext(messages)
            assert isinstance(message, bytes)
            event = json.loads(message)
            assert (event["type"], event["stream_id"]) == ("response.create", "a")
            assert event["input"][0]["content"] == "größer → 🎙"
        await transport.close()
        assert [message async for message in messages] == []


async def test_a_broken_character_costs_one_event() -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.send(b'{"type":"\xff"}', text=True)
        await greet(socket)

    async with serving(handler) as port:
        transport = await open_websocket(endpoint(f"127.0.0.1:{port}", ""))
        messages = transport.messages()
        assert await anext(messages) == b'{"type":"\xff"}'
        assert await anext(messages) == b'{"type":"hello"}'
        await transport.close()


# ── lost connections ─────────────────────────────────────────────────────────────────────────


async def _close_frame(socket: ServerConnection) -> None:
    await socket.close(1011, "overloaded")


async def _no_close_frame(socket: ServerConnection) -> None:
    socket.transport.write_eof()
    socket.transport.abort()


async def _nonsense(socket: ServerConnection) -> None:
    socket.transport.write(b"\xff" * 50)
    await asyncio.sleep(0.1)


@pytest.mark.parametrize("end", [_close_frame, _no_close_frame, _nonsense])
async def test_however_a_server_ends_the_messages_just_end(end: Handler) -> None:
    async def handler(socket: ServerConnection) -> None:
        await socket.send('{"type":"hello"}')
        await asyncio.sleep(0.05)
        await end(socket)

    async with serving(handler) as port:
        transport = await open_websocket(endpoint(f"127.0.0.1:{port}", ""))
        assert [message async for message in transport.messages()] == [b'{"type":"hello"}']
        with pytest.raises(AgentError, match=f"127.0.0.1:{port}/v1/responses is lost"):
            await transport.send(ResponseCancel(response_id="r"))
        await transport.close()


@asynccontextmanager
async def dead_after_the_handshake() -> AsyncIterator[int]:
    """A server that shakes hands and then neither reads nor writes; yields its port."""
    release = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        magic = key.partition(": ")[2] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = b64encode(sha1(magic.encode()).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        await release.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    release.set()
    server.close()


async def test_a_dead_connection_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PING_SECONDS", 0.1)
    monkeypatch.setattr(connection, "PONG_SECONDS", 0.1)
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.1)
    async with asyncio.timeout(5), dead_after_the_handshake() as port:
        transport = await open_websocket(endpoint(f"127.0.0.1:{port}", ""))
        assert [message async for message in transport.messages()] == []


async def test_a_dead_server_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.1)
    async with asyncio.timeout(2), dead_after_the_handshake() as port:
        transport = await open_websocket(endpoint(f"127.0.0.1:{port}", ""))
        await transport.close()


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────

HOST = "agent.invalid"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A throw-away certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    names = f"subjectAltName=DNS:localhost,DNS:{HOST},IP:0.0.0.0"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-addext", names,
            "-keyout", "key.pem", "-out", "cert.pem",
        ],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """The server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate counts as the operating system's own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


@pytest.mark.usefixtures("trusted")
async def test_events_over_tls(tls: ssl.SSLContext) -> None:
    async with serving(greet, tls) as port:
        transport = await open_websocket(endpoint(f"https://localhost:{port}/v1", "k"))
        assert await anext(transport.messages()) == b'{"type":"hello"}'
        await transport.close()


async def test_a_self_signed_certificate_is_refused(tls: ssl.SSLContext) -> None:
    async with serving(greet, tls) as port:
        to = endpoint(f"wss://localhost:{port}/v1", "k")
        with pytest.raises(AgentError, match=r"self-signed certificate.*certificates") as raised:
            await open_transport(to, "auto")
    assert f"wss://localhost:{port}/v1/responses" in str(raised.value)


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_for_another_name_is_refused(tls: ssl.SSLContext) -> None:
    async with serving(greet, tls) as port:
        with pytest.raises(AgentError, match=r"no secure connection.*127\.0\.0\.1"):
            await open_websocket(endpoint(f"wss://127.0.0.1:{port}/v1", "k"))


async def test_tls_to_a_server_without_it_fails() -> None:
    async with serving(greet) as port:
        with pytest.raises(AgentError, match="broke off the connection"):
            await open_transport(endpoint(f"wss://127.0.0.1:{port}/v1", "k"), "auto")


# ── proxies ──────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def proxying(port: int, refuse: int = 0) -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that leads every CONNECT to `port`; the first `refuse` ones it refuses.

    Yields its address and what it was asked for.
    """
    asked: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.partition(" HTTP")[0])
        if len(asked) <= refuse:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        tasks.extend(asyncio.create_task(pipe(*ends)) for ends in ((reader, back), (there, writer)))

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()


@pytest.mark.usefixtures("trusted")
async def test_beyond_this_machine_the_proxy_is_used(tls: ssl.SSLContext, proxies: Choose) -> None:
    async with serving(greet, tls) as port, proxying(port) as (proxy, asked):
        proxies(HTTPS_PROXY=proxy)
        transport = await open_websocket(endpoint(f"https://{HOST}/v1", "k"))
        assert await anext(transport.messages()) == b'{"type":"hello"}'
        await transport.close()
    assert asked == [f"CONNECT {HOST}:443"]


@pytest.mark.usefixtures("trusted")
async def test_no_proxy_is_honoured(tls: ssl.SSLContext, proxies: Choose) -> None:
    """0.0.0.0 leads to this machine, but is no loopback address."""
    async with serving(greet, tls) as port, proxying(port) as (proxy, asked):
        to = endpoint(f"wss://0.0.0.0:{port}/v1", "k")
        proxies(HTTPS_PROXY=proxy)
        await (await open_websocket(to)).close()
        proxies(HTTPS_PROXY=proxy, NO_PROXY="0.0.0.0")
        await (await open_websocket(to)).close()
    assert asked == [f"CONNECT 0.0.0.0:{port}"]


async def test_this_machine_is_reached_without_the_proxy(proxies: Choose) -> None:
    async with serving(greet) as port, proxying(port) as (proxy, asked):
        proxies(HTTPS_PROXY=proxy, HTTP_PROXY=proxy, ALL_PROXY=proxy)
        await (await open_websocket(endpoint(f"127.0.0.1:{port}", ""))).close()
    assert asked == []


@pytest.mark.usefixtures("trusted")
async def test_a_proxy_that_refuses_is_named(tls: ssl.SSLContext, proxies: Choose) -> None:
    async with serving(greet, tls) as port, proxying(port, refuse=99) as (proxy, asked):
        proxies(HTTPS_PROXY=proxy)
        with pytest.raises(AgentError, match=r"the proxy .*403.*NO_PROXY"):
            await open_transport(endpoint(f"https://{HOST}/v1", "k"), "auto")
    assert len(asked) > 1, "HTTP was not tried"


@pytest.mark.usefixtures("trusted")
async def test_http_gets_through_a_proxy_that_refuses_the_websocket(
    tls: ssl.SSLContext, proxies: Choose
) -> None:
    def not_an_upgrade(socket: ServerConnection, _: object) -> object:
        return socket.respond(200, "{}")

    async with asyncio.timeout(20):
        async with serve(
            greet, "127.0.0.1", 0, ssl=tls, process_request=not_an_upgrade, close_timeout=0.1
        ) as server:
            port = server.sockets[0].getsockname()[1]
            async with proxying(port, refuse=1) as (proxy, asked):
                proxies(HTTPS_PROXY=proxy)
                transport, reason = await open_transport(
                    endpoint(f"https://{HOST}/v1", "k"), "auto"
                )
                await transport.close()
    assert isinstance(transport, HttpTransport)
    assert "the proxy does not let us through" in reason
    assert asked == [f"CONNECT {HOST}:443"] * 2


@pytest.mark.parametrize(
    "proxy", ["http://hidden:port", "hidden:3128", "ftp://hidden", "socks5://hidden:9"]
)
async def test_a_useless_proxy_is_named_without_its_address(proxy: str, proxies: Choose) -> None:
    proxies(HTTPS_PROXY=proxy)
    with pytest.raises(AgentError, match="HTTPS_PROXY") as raised:
        await open_websocket(Endpoint(f"wss://{HOST}/v1/responses", "k"))
    assert "hidden" not in str(raised.value)
