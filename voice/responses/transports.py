"""Which transport carries the events: the WebSocket, or HTTP where that does not get through."""

from __future__ import annotations

from typing import Literal

from voice.errors import AgentError
from voice.responses.connection import Endpoint, Transport, open_websocket, refuses_websockets
from voice.responses.http import open_http

TransportKind = Literal["auto", "websocket", "http"]


async def open_transport(to: Endpoint, kind: TransportKind) -> tuple[Transport, str]:
    """A transport, and why it is HTTP although a WebSocket was to be had ("" if it is not).

    `auto` tries the WebSocket first, and falls back where a server or a proxy was reached that
    takes none and where a cheap request shows that HTTP is answered there. Raises `AgentError` as
    the WebSocket does for all else: a server that is none, or that refuses the key.
    """
    if kind == "http":
        return await open_http(to), ""
    try:
        return await open_websocket(to), ""
    except AgentError as error:
        if kind == "websocket" or not refuses_websockets(error):
            raise
        fallback = await open_http(to)
        answers = False
        try:
            if answers := await fallback.answers():
                return fallback, error.problem
        finally:
            if not answers:
                await fallback.close()
        raise
