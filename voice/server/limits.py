"""What the server takes from its clients, and how long it waits for them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from voice.errors import UsageError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what clients can cost. Raises `UsageError` where one is not more than 0."""

    message_bytes: int = 4 << 20
    """The largest message or body; a long conversation is some tens of kilobytes."""
    connections: int = 500
    """TCP connections; each may have 16 responses in flight."""
    responses: int = 2000
    """Responses in flight over all connections; the backend has its own, much smaller, bound."""
    outbox_messages: int = 256
    """What waits for a slow reader before its generations and its requests pause."""
    stalled_reader_seconds: float = 30.0
    """A reader that takes nothing for this long, while something waits for it, is dropped."""
    request_seconds: float = 30.0
    """A request that has not arrived as a whole by then is given up; so is a handshake."""
    idle_seconds: float = 60.0
    """How long an HTTP connection is kept for a next request."""
    close_seconds: float = 2.0
    """How long a closing handshake may take; a client that stalls holds us up no longer."""
    heartbeat_seconds: float = 15.0
    """A stream of server-sent events that is silent for this long gets a comment."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            if not getattr(self, limit.name) > 0:
                raise UsageError(f"the limit {limit.name} must be more than 0", "raise it")


HEAD_BYTES: Final = 32 << 10
"""The longest head of an HTTP request; ordinary ones have less than 1 kB."""
