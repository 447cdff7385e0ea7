"""How soon a response that nobody wants any more makes way: cancelled, or abandoned by its client.

The model has two slots. Both write, one is cancelled, and at the same moment a question comes on
another lane; the same question while one slot is free anyway tells how much of that is stopping.
"""

from __future__ import annotations

import socket
import statistics
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from websockets.sync.client import ClientConnection, connect

from scripts.benchmarks.figures import kept, quantile, rounded
from scripts.benchmarks.responses_turns import sentence
from scripts.benchmarks.server_reader import ServerGauges
from scripts.benchmarks.server_talk import question

_NO_LINGERING: Final = struct.pack("ii", 1, 0)
"""`struct linger` of a socket whose end is a reset."""

_SECONDS: Final = 120.0
"""What is silent for longer hangs."""

_WORD: Final = "response.output_text.delta"
_ENDS: Final = ("response.completed", "response.incomplete")

_STORY_TOKENS: Final = 400
_READING_SECONDS: Final = 0.5
_QUIET_SECONDS: Final = 1.5
"""Long enough for whatever the model had begun when it was stopped."""


@dataclass(frozen=True, slots=True)
class _Stopped:
    """Seconds until the slot was free, and CPU (of all cores) that was used up after the client."""

    seconds: float
    cpu_seconds: float


def measure_stop(url: str, key: str, repeats: int, long_words: int) -> dict[str, Any]:
    """Cancelled and abandoned responses, each `repeats` times.

    A question of `long_words` words is one that is still being read when it is abandoned.
    """
    gauges = ServerGauges(url, key)
    numbers = range(1, repeats + 1)
    with _lanes(url, key) as lanes:
        _first_word_beside_another(lanes, 0)  # warms up
        beside = [_first_word_beside_another(lanes, n) for n in numbers]
        after = [_first_word_after_cancel(lanes, n) for n in numbers]
    writing = [_stop_writing(url, key, gauges, n) for n in numbers]
    reading = [_stop_reading(url, key, gauges, sentence(long_words, n)) for n in numbers]
    return {
        **_stop_figures("writing", writing),
        **_stop_figures("reading", reading),
        "cancel_to_first_token_ms_p50": _ms(statistics.median(after)),
        "cancel_to_first_token_ms_p95": _ms(quantile(after, 0.95)),
        "first_token_ms_beside_another_p50": _ms(statistics.median(beside)),
        "stop_repeats": repeats,
        "samples": {
            **_stop_samples("writing", writing),
            **_stop_samples("reading", reading),
            "cancel_to_first_token_ms": kept(after, 1e3),
            "first_token_ms_beside_another": kept(beside, 1e3),
        },
    }


def _first_word_beside_another(lanes: _Lanes, number: int) -> float:
    """Seconds to the first word of an answer while another is written, and a slot is free."""
    lanes.ask("one", _story(number))
    lanes.until_words("one")
    asked_at = time.monotonic()
    lanes.ask("question", question(number), tokens=4)
    lanes.until_words("question")
    first_at = time.monotonic()
    lanes.cancel("one")
    lanes.until_ends("one", "question")
    return first_at - asked_at


def _first_word_after_cancel(lanes: _Lanes, number: int) -> float:
    """Seconds to it from the moment at which one of two others is cancelled."""
    lanes.ask("one", _story(number))
    lanes.ask("two", _story(number + 1))
    lanes.until_words("one", "two")
    asked_at = time.monotonic()
    lanes.cancel("two")
    lanes.ask("question", question(number), tokens=4)
    lanes.until_words("question")
    first_at = time.monotonic()
    lanes.cancel("one")
    lanes.until_ends("one", "two", "question")
    return first_at - asked_at


def _stop_figures(doing: str, stopped: Sequence[_Stopped]) -> dict[str, float | None]:
    seconds = [one.seconds for one in stopped]
    return {
        f"stop_ms_{doing}_p50": _ms(statistics.median(seconds)),
        f"stop_ms_{doing}_max": _ms(max(seconds)),
        f"stop_cpu_ms_{doing}_p50": _ms(statistics.median(one.cpu_seconds for one in stopped)),
    }


def _stop_samples(doing: str, stopped: Sequence[_Stopped]) -> dict[str, list[float]]:
    return {
        f"stop_ms_{doing}": kept([one.seconds for one in stopped], 1e3),
        f"stop_cpu_ms_{doing}": kept([one.cpu_seconds for one in stopped], 1e3),
    }


def _stop_writing(url: str, key: str, gauges: ServerGauges, number: int) -> _Stopped:
    """The client goes in the middle of an answer."""
    with _lanes(url, key) as lanes:
        lanes.ask("one", _story(number))
        lanes.until_words("one")
        return _stopped(lanes, gauges)


def _stop_reading(url: str, key: str, gauges: ServerGauges, text: str) -> _Stopped:
    """The client goes while the model still reads the question."""
    with _lanes(url, key) as lanes:
        lanes.ask("one", text)
        time.sleep(_READING_SECONDS)
        assert gauges.running, "it was read too soon"
        return _stopped(lanes, gauges)


def _stopped(lanes: _Lanes, gauges: ServerGauges) -> _Stopped:
    cpu = gauges.cpu_seconds
    gone_at = lanes.reset()
    seconds = gauges.until_idle() - gone_at
    time.sleep(_QUIET_SECONDS)
    return _Stopped(seconds, gauges.cpu_seconds - cpu)


class _Lanes:
    """A connection with several responses at the same time."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids: dict[str, str] = {}
        self._seen: dict[str, set[str]] = {}

    def ask(self, lane: str, text: str, tokens: int = _STORY_TOKENS) -> None:
        """Let something be written in a lane."""
        self._seen[lane] = set()
        fields = {"model": "local", "input": text, "max_output_tokens": tokens, "store": False}
        self._send({"type": "response.create", "stream_id": lane, **fields})

    def cancel(self, lane: str) -> None:
        """Give up what is written there."""
        self._send({"type": "response.cancel", "response_id": self._ids[lane]})

    def until_words(self, *lanes: str) -> None:
        """Wait until each of them has some."""
        while not all(_WORD in self._seen[lane] for lane in lanes):
            self._receive()

    def until_ends(self, *lanes: str) -> None:
        """Wait until nothing more comes in them."""
        while not all(self._seen[lane] & set(_ENDS) for lane in lanes):
            self._receive()

    def reset(self) -> float:
        """End the connection without a goodbye; returns when (monotonic seconds)."""
        self._connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self._connection.socket.close()
        return time.monotonic()

    def _send(self, message: dict[str, Any]) -> None:
        self._connection.send(msgspec.json.encode(message), text=True)

    def _receive(self) -> None:
        event = msgspec.json.decode(self._connection.recv(_SECONDS, decode=False))
        if event["type"] in ("error", "response.failed"):
            raise RuntimeError(f"the server refused: {event}")
        lane = event["stream_id"]
        self._seen[lane].add(event["type"])
        if event["type"] == "response.created":
            self._ids[lane] = event["response"]["id"]


@contextmanager
def _lanes(url: str, key: str) -> Iterator[_Lanes]:
    headers = {"Authorization": f"Bearer {key}"}
    with connect(
        f"{url}/responses", additional_headers=headers, compression=None, proxy=None
    ) as connection:
        yield _Lanes(connection)


def _story(number: int) -> str:
    return f"Tell me a very long story that has at least ten parts, about {sentence(6, number)}"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else rounded(seconds * 1e3, 1)
