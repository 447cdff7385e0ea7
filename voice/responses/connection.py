"""The socket that carries the events, and how its failures read to a person."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import truststore
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)

from voice.errors import AgentError, UsageError

_OPEN_SECONDS = 10.0
_LARGEST_MESSAGE = 16 * 2**20
"""Bytes: `response.completed` repeats the whole answer and its tools."""

_SECURE = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the Responses API is served; `url` is that of the WebSocket."""

    url: str
    key: str = ""

    @property
    def loopback(self) -> bool:
        """Whether nothing leaves this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def endpoint(base_url: str, key: str) -> Endpoint:
    """The endpoint below a base URL such as `https://host/v1`. Raises `UsageError`."""
    parts = urlsplit(base_url if "://" in base_url else f"ws://{base_url}")
    if parts.scheme not in _SECURE or not parts.hostname:
        raise UsageError(
            f"--agent {base_url!r} is not an address",
            "give `local`, or a URL such as https://api.openai.com/v1 or ws://127.0.0.1:8787/v1",
        )
    path = parts.path.rstrip("/") or "/v1"
    if not path.endswith("/responses"):
        path += "/responses"
    found = Endpoint(urlunsplit((_SECURE[parts.scheme], parts.netloc, path, parts.query, "")), key)
    if not found.loopback and not key:
        raise UsageError(
            f"no key for {parts.hostname}", "set OPENAI_API_KEY to that server's API key"
        )
    if not found.loopback and found.url.startswith("ws://"):
        raise UsageError(
            f"{base_url} would carry your key and your words in the clear",
            "use https:// or wss:// beyond this machine",
        )
    return found


class Transport(Protocol):
    """Carries text messages both ways until it is lost."""

    async def send(self, message: str) -> None:
        """Hand a message over. Raises `AgentError` when the connection is lost."""

    def messages(self) -> AsyncIterator[str]:
        """Everything that arrives; ends when the connection is lost."""

    async def close(self) -> None:
        """End the connection."""


class WebSocketTransport:
    """One WebSocket."""

    def __init__(self, socket: ClientConnection, url: str) -> None:
        self._socket = socket
        self._url = url

    async def send(self, message: str) -> None:
        """Hand a message over. Raises `AgentError` when the connection is lost."""
        try:
            await self._socket.send(message)
        except ConnectionClosed as error:
            raise AgentError(f"the connection to {self._url} is lost: {error}") from error

    async def messages(self) -> AsyncIterator[str]:
        """Everything that arrives; ends when the connection is lost."""
        try:
            async for message in self._socket:
                yield message if isinstance(message, str) else message.decode(errors="replace")
        except ConnectionClosed:
            return

    async def close(self) -> None:
        """End the connection."""
        await self._socket.close()


async def open_websocket(to: Endpoint) -> WebSocketTransport:
    """Connect. Raises `AgentError`, whose message names the address and the cure.

    Compression is off: events are small and latency matters more than bytes.
    """
    secure = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if to.url.startswith("wss") else None
    try:
        socket = await connect(
            to.url,
            ssl=secure,
            proxy=None if to.loopback else True,
            additional_headers={"Authorization": f"Bearer {to.key}"} if to.key else None,
            compression=None,
            open_timeout=_OPEN_SECONDS,
            max_size=_LARGEST_MESSAGE,
            max_queue=None,  # the reader never pauses, so that pings are answered at all times
        )
    except InvalidURI as error:
        raise UsageError(f"{to.url} is not an address", "check --agent") from error
    except InvalidStatus as error:
        raise _refused(to.url, error.response.status_code) from error
    except ssl.SSLError as error:
        raise AgentError(
            f"no secure connection to {to.url}: {error.reason}",
            "check the address and the machine's clock and certificates",
        ) from error
    except (InvalidMessage, InvalidHandshake) as error:
        raise AgentError(
            f"{to.url} does not speak WebSocket: {error}",
            "check the address and port given with --agent",
        ) from error
    except TimeoutError as error:
        raise AgentError(
            f"{to.url} did not answer within {_OPEN_SECONDS:.0f} s",
            "check the address, the network and the server",
        ) from error
    except (OSError, WebSocketException) as error:
        raise AgentError(
            f"no server answers at {to.url}",
            "start one with `voice serve`, or check --agent and the network",
        ) from error
    return WebSocketTransport(socket, to.url)


def _refused(url: str, status: int) -> AgentError:
    if status in (401, 403):
        return AgentError(f"{url} refuses the key", "set OPENAI_API_KEY to that server's API key")
    return AgentError(
        f"{url} answers HTTP {status} instead of a WebSocket",
        "check the path (the base URL usually ends in /v1) and that WebSocket mode is served",
    )
