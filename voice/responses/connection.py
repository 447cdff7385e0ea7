"""The seam that carries the events, the WebSocket behind it, and how its failures read."""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit, urlunsplit

import truststore
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)

from voice.addresses import is_loopback
from voice.errors import AgentError, RefusedError, UsageError
from voice.responses.events import ClientEvent, encode

OPEN_SECONDS: Final = 10.0
"""How long connecting may take, with name, proxy, TLS and handshake together."""

CLOSE_SECONDS: Final = 2.0
"""How long a closing handshake may take; a server that has stalled does not hold us up longer."""

PING_SECONDS: Final = 10.0
"""Between keepalive pings: far below the 60 s after which nginx, unconfigured, ends what idles."""

PONG_SECONDS: Final = 10.0
"""How long a ping may be unanswered. With `CLOSE_SECONDS`, a death is noticed within 22 s."""

LARGEST_EVENT_BYTES: Final = 16 * 2**20
"""`response.completed` repeats the whole answer and its tools; what is larger is no event."""

_KEY_STATUSES = (401, 403)
_BUSY_STATUSES = (429, 503)

_SECURE = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

# The library writes the handshake's headers, and so the key, into its debug log.
_wire_log = logging.getLogger(f"{__name__}.wire")
_wire_log.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the Responses API is served; `url` is that of the WebSocket."""

    url: str
    key: str = field(default="", repr=False)
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable that a wrong key came from, for the error that says so."""

    @property
    def loopback(self) -> bool:
        """Whether nothing leaves this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def headers(self) -> dict[str, str]:
        """What proves who we are; none without a key."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def endpoint(base_url: str, key: str, key_variable: str = "OPENAI_API_KEY") -> Endpoint:
    """The endpoint below a base URL such as `https://host/v1`. Raises `UsageError`."""
    scheme, netloc, path, query = _parts(base_url)
    path = path.rstrip("/") or "/v1"
    if not path.endswith("/responses"):
        path += "/responses"
    url = urlunsplit((_SECURE[scheme], netloc, path, query, ""))
    found = Endpoint(url, _sendable(key, key_variable), key_variable)
    if not found.loopback and not found.key:
        host = urlsplit(url).hostname
        raise UsageError(f"no key for {host}", f"set {key_variable} to that server's API key")
    if not found.loopback and found.url.startswith("ws://"):
        raise UsageError(
            f"{base_url} would carry your key and your words in the clear",
            "use https:// or wss:// beyond this machine",
        )
    return found


def _parts(base_url: str) -> tuple[str, str, str, str]:
    """Scheme, host with port, path and query."""
    text = base_url.strip()
    wrong = UsageError(
        f"--agent {base_url!r} is not an address",
        "give `local`, `openai`, `azure` or `xai`, or a URL such as ws://127.0.0.1:8787/v1",
    )
    try:
        parts = urlsplit(text if "://" in text else f"ws://{text}")
        host = (parts.hostname or "").encode("idna")
        _ = parts.port
    except ValueError:  # an odd port, half an IPv6 address, or a label that no name may have
        raise wrong from None
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"--agent has a user or a password in its address of {parts.hostname}",
            "leave it out, and put the key into the environment",
        )
    if parts.scheme not in _SECURE or not host:
        raise wrong
    return parts.scheme, parts.netloc, parts.path, parts.query


def _sendable(key: str, key_variable: str) -> str:
    """The key without the line break that a file leaves at its end. Raises `UsageError`."""
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"{key_variable} holds characters that no key has", "copy the key into it anew"
        )
    return key


class Transport(Protocol):
    """Carries events both ways until it is lost."""

    @property
    def remembers(self) -> bool:
        """Whether the server keeps the latest response of each lane for this connection."""

    async def send(self, event: ClientEvent) -> None:
        """Hand an event over. Raises `AgentError` when the connection is lost."""

    def messages(self) -> AsyncIterator[str | bytes]:
        """Everything that arrives; ends when the connection is lost."""

    async def close(self) -> None:
        """End the connection."""


class WebSocketTransport:
    """One WebSocket."""

    def __init__(self, socket: ClientConnection, url: str) -> None:
        self._socket = socket
        self._url = url

    @property
    def remembers(self) -> bool:
        """WebSocket mode keeps the latest response of each lane."""
        return True

    async def send(self, event: ClientEvent) -> None:
        """Hand an event over. Raises `AgentError` when the connection is lost."""
        try:
            await self._socket.send(encode(event))
        except ConnectionClosed as error:
            raise AgentError(
                f"the connection to {self._url} is lost: {error}",
                "it is opened anew with the next request",
            ) from error

    async def messages(self) -> AsyncIterator[bytes]:
        """Everything that arrives, as UTF-8; ends when the connection is lost, however it was.

        Text is not decoded here: the JSON decoder takes bytes, and a broken character costs one
        event instead of the connection.
        """
        with contextlib.suppress(ConnectionClosed):
            while True:
                yield await self._socket.recv(decode=False)

    async def close(self) -> None:
        """End the connection, within `CLOSE_SECONDS`."""
        await self._socket.close()


async def open_websocket(to: Endpoint) -> WebSocketTransport:
    """Connect, beyond this machine through the proxy that the environment names.

    Raises `AgentError`, whose message names the address and the cure.

    Compression is off. On loopback, 20,000 delta events of 225 bytes (words of prose, random
    padding as vendors add it) took 229 bytes and 6.4 µs of our CPU each without it, 29 bytes and
    9.6 µs with it. Even 100 events a second are only 23 kB/s, so nothing is gained by it.
    """
    try:
        socket = await connect(
            to.url,
            ssl=secure_context() if to.url.startswith("wss") else None,
            proxy=None if to.loopback else True,
            additional_headers=to.headers,
            compression=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            max_size=LARGEST_EVENT_BYTES,
            max_queue=None,  # the reader never pauses, so that pings are answered at all times
            logger=_wire_log,
        )
    except (OSError, WebSocketException, ImportError, ValueError) as error:
        raise _failure(to, error) from error
    return WebSocketTransport(socket, to.url)


def secure_context() -> ssl.SSLContext:
    """TLS with the certificates that the operating system trusts, and those of `SSL_CERT_FILE`."""
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def refuses_websockets(error: AgentError) -> bool:
    """Whether something was reached that takes no WebSocket; HTTP may still get through.

    Nothing that listens, an unknown name, failed TLS, a refused key and a busy server are no such
    cases.
    """
    match error.__cause__:
        case InvalidStatus(response=response):
            return response.status_code not in (*_KEY_STATUSES, *_BUSY_STATUSES)
        case InvalidHandshake() | TimeoutError() | ConnectionResetError():
            return True
        case _:
            return False


def _failure(to: Endpoint, error: Exception) -> AgentError | UsageError:
    """What went wrong while connecting, in words."""
    match error:
        case InvalidURI():
            return UsageError(f"{to.url} is not an address", "check --agent")
        case InvalidStatus(response=response):
            return _refused(to, response.status_code)
        case ssl.SSLError():  # before ValueError, which a refused certificate also is
            return AgentError(
                f"no secure connection to {to.url}: {_tls_problem(error)}",
                "check the address and the machine's clock and certificates",
            )
        case InvalidProxy() | ImportError() | ValueError():
            return bad_proxy()
        case _:
            return AgentError(*_unreached(to.url, error))


def _unreached(url: str, error: Exception) -> tuple[str, str]:
    """The problem and its cure."""
    match error:
        case ProxyError():
            problem = f"the proxy does not let us through to {url}: {error}"
            return problem, "check HTTPS_PROXY, or name the host in NO_PROXY"
        case InvalidHandshake():
            problem = f"{url} does not speak WebSocket: {error}"
            return problem, "check the address and port given with --agent"
        case ConnectionResetError():
            problem = f"{url} broke off the connection"
            return problem, "check the address, and whether TLS is spoken there (https, or http)"
        case TimeoutError():
            problem = f"{url} did not answer within {OPEN_SECONDS:.0f} s"
            return problem, "check the address, the network and the server"
        case _:
            problem = f"no server answers at {url}"
            return problem, "start one with `voice serve`, or check --agent and the network"


def bad_proxy() -> AgentError:
    """The environment names a proxy that cannot be used. Its address may hold a password."""
    return AgentError(
        "HTTPS_PROXY (or ALL_PROXY) names no proxy that can be used",
        "give it as http://host:port, or name the host in NO_PROXY",
    )


def _tls_problem(error: ssl.SSLError) -> str:
    """What the verification found, or else what the TLS library calls it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.reason or str(error)


def _refused(to: Endpoint, status: int) -> AgentError:
    """The server answered the handshake with an HTTP status of its own."""
    if status in _KEY_STATUSES:
        return RefusedError(
            f"{to.url} refuses the key", f"set {to.key_variable} to that server's API key"
        )
    if status in _BUSY_STATUSES:
        return AgentError(f"{to.url} is busy (HTTP {status})", "try again in a moment")
    return AgentError(
        f"{to.url} answers HTTP {status} instead of a WebSocket",
        "check the path (the base URL usually ends in /v1) and that WebSocket mode is served",
    )
