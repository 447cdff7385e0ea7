"""What cures an error, and how long to wait before the next try."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

from voice.responses.events import ErrorBody, ErrorEvent, Failed, JsonObject, ServerEvent

CONNECTION_LOST = "connection_lost"
"""Our own error code, beside the server's: the connection ended while a response ran."""


class Cure(enum.Enum):
    """What makes the same request succeed."""

    NONE = enum.auto()
    """Nothing that we could do: the request itself is refused."""

    RESEND = enum.auto()
    """Continue from something else: the server has forgotten the parent."""

    RECONNECT = enum.auto()
    """Another connection: this one is over, or has reached one of its limits."""

    WAIT = enum.auto()
    """Time: the server is overloaded, or failed by chance."""

    SHORTEN = enum.auto()
    """Fewer words: the conversation does not fit into the model's context."""


_CURES = {
    "previous_response_not_found": Cure.RESEND,
    "websocket_connection_limit_reached": Cure.RECONNECT,
    "websocket_stream_limit_reached": Cure.RECONNECT,
    CONNECTION_LOST: Cure.RECONNECT,
    "context_length_exceeded": Cure.SHORTEN,
    "rate_limit_exceeded": Cure.WAIT,
    "server_error": Cure.WAIT,
    "insufficient_quota": Cure.NONE,  # comes with status 429, and no waiting helps
}
_TRANSIENT_STATUSES = {408, 409, 425, 429}


def cure(error: ErrorBody, status: int | None = None) -> Cure:
    """What helps against an error; codes win over the HTTP-like status."""
    if isinstance(error.code, int):
        status = status or error.code
    elif error.code in _CURES:
        return _CURES[error.code]
    if status is not None and (status in _TRANSIENT_STATUSES or status >= 500):
        return Cure.WAIT
    return Cure.NONE


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a response ended without a result, and what helps."""

    reason: str
    cure: Cure
    retry_after_seconds: float | None = None
    """How long the server asks us to wait, if it does."""


def failure(event: ServerEvent) -> Failure | None:
    """The failure that an event tells of, if it does."""
    if isinstance(event, ErrorEvent):
        error, status = event.body, event.status
    elif isinstance(event, Failed):
        error, status = event.response.error or ErrorBody(message="the response failed"), None
    else:
        return None
    reason = error.message or str(error.code or "no reason given")
    return Failure(reason, cure(error, status), retry_after_seconds(event))


def retry_after_seconds(event: ServerEvent) -> float | None:
    """How long the server asks us to wait (`retry-after-ms` and `retry-after` in seconds)."""
    if not isinstance(event, ErrorEvent):
        return None
    given: JsonObject = {}
    for headers in (event.headers, event.body.headers):  # beside the error, or in it
        if isinstance(headers, dict):
            given |= {name.lower(): value for name, value in headers.items()}
    for name, unit_seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(given[name]) * unit_seconds
        except (KeyError, TypeError, ValueError):
            continue
        if isfinite(seconds):
            return max(0.0, seconds)
    return None


class Backoff:
    """Waiting times that double, with full jitter.

    Jitter keeps clients that lost the same server from coming back all at once ("Exponential
    Backoff And Jitter", AWS Architecture Blog, 2015). `random` returns numbers from 0 to 1.
    """

    def __init__(
        self, random: Callable[[], float], first_seconds: float = 0.5, most_seconds: float = 30.0
    ) -> None:
        self._random = random
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self.attempts = 0

    def next_seconds(self) -> float:
        """How long to wait before the next try."""
        limit = min(self._most_seconds, self._first_seconds * 2.0 ** min(self.attempts, 16))
        self.attempts += 1
        return limit * self._random()

    def reset(self) -> None:
        """A try succeeded."""
        self.attempts = 0
