"""What the server counts of itself, for Prometheus. Each endpoint has a registry of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from voice.server.backend import Finished

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_FIRST_TOKEN_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 15.0, 60.0)


class Metrics:
    """The counters; how many connections and responses there are is asked when it is told."""

    def __init__(
        self,
        connections: Callable[[], int],
        running: Callable[[], int],
        unanswered: Callable[[], int],
    ) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        for name, text, value in (
            ("voice_connections", "Open TCP connections.", connections),
            ("voice_responses_running", "Responses in flight.", running),
            (
                "voice_responses_unanswered",
                "Responses in flight that wait for their first token: the backend's queue.",
                unanswered,
            ),
        ):
            Gauge(name, text, registry=registry).set_function(value)
        self._requests = Counter(
            "voice_requests_total",
            "Requests for a response, by how they ended.",
            ["transport", "outcome"],
            registry=registry,
        )
        events = Counter(
            "voice_events_sent_total", "Streamed events.", ["transport"], registry=registry
        )
        self._events = {name: events.labels(name) for name in ("websocket", "http")}
        self._tokens = Counter(
            "voice_tokens_total",
            "The backend's tokens; cached ones are among the input's.",
            ["kind"],
            registry=registry,
        )
        self._first_token = Histogram(
            "voice_first_token_seconds",
            "From the start of a response to its first token.",
            buckets=_FIRST_TOKEN_SECONDS,
            registry=registry,
        )
        self._http = Counter(
            "voice_http_requests_total", "HTTP requests, by status.", ["status"], registry=registry
        )
        self._refused = Counter(
            "voice_refused_total",
            "Requests and handshakes that were not let in.",
            ["reason"],
            registry=registry,
        )
        self._dropped = Counter(
            "voice_slow_readers_dropped_total",
            "Clients that were dropped because they did not read.",
            registry=registry,
        )

    def ended(self, transport: str, outcome: str) -> None:
        """A request for a response has its answer, or nobody waits for it."""
        self._requests.labels(transport, outcome).inc()

    def sent(self, transport: str, events: int) -> None:
        """So many events were sent."""
        self._events[transport].inc(events)

    def began(self, seconds: float) -> None:
        """The first token of a response is there."""
        self._first_token.observe(seconds)

    def counted(self, finished: Finished) -> None:
        """The tokens of an answer, or of the preparation of one."""
        self._tokens.labels("input").inc(finished.input_tokens)
        self._tokens.labels("cached").inc(finished.cached_tokens)
        self._tokens.labels("output").inc(finished.output_tokens)

    def answered(self, status: int) -> None:
        """An HTTP request was answered."""
        self._http.labels(str(status)).inc()

    def refused(self, reason: str) -> None:
        """Somebody was not let in."""
        self._refused.labels(reason).inc()

    def dropped(self) -> None:
        """A slow reader was dropped."""
        self._dropped.inc()

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self._registry)
