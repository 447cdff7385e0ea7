"""What went over the connections of a conversation, to be given back later.

One JSON object a line: `{"at": seconds, "link": n, "sent": text}` or `"received"`, the text being
the message itself. Keys travel in headers, and are in none of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from msgspec import Struct

from voice.clock import Clock
from voice.responses.connection import Transport
from voice.responses.events import ClientEvent, encode


class Message(Struct, omit_defaults=True):
    """A message on connection `link`, at `at` seconds of the session's clock."""

    at: float
    link: int
    sent: str = ""
    received: str = ""


class RecordedTransport:
    """A transport; `keep` takes each message that goes over it."""

    def __init__(
        self, transport: Transport, link: int, clock: Clock, keep: Callable[[Message], None]
    ) -> None:
        self._transport = transport
        self._link = link
        self._clock = clock
        self._keep = keep

    @property
    def remembers(self) -> bool:
        """Whether the server keeps the latest response of each lane for this connection."""
        return self._transport.remembers

    async def send(self, event: ClientEvent) -> None:
        """Hand an event over. Raises `AgentError` when the connection is lost."""
        self._keep(Message(self._clock.now(), self._link, sent=encode(event)))
        await self._transport.send(event)

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Everything that arrives; ends when the connection is lost."""
        async for message in self._transport.messages():
            text = message if isinstance(message, str) else message.decode(errors="replace")
            self._keep(Message(self._clock.now(), self._link, received=text))
            yield message

    async def close(self) -> None:
        """End the connection."""
        await self._transport.close()
