"""What an event costs the server, how many it relays, and what a connection with a lane costs it.

The script backend writes as fast as it is let, or at a pace. The reader is in this process, the
server in one of its own; CPU and memory are the server's own account of itself.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from scripts.benchmarks.figures import kept, rounded
from scripts.benchmarks.responses_caller import sender
from scripts.benchmarks.server_reader import RawReader, ServerGauges, raw_readers, read_all

EVENTS_AROUND = 8
"""Of a response with text: four before its deltas, and four after them."""

_SENT_DELTAS = 2000
"""Of an answer of the sender."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of so many events."""

    events: int
    cpu_seconds: float
    wall_seconds: float
    reader_cpu_seconds: float


# ── as fast as it goes ───────────────────────────────────────────────────────────────────────


def measure_events(
    url: str, key: str, words: int, repeats: int, answers: int, connections: int
) -> dict[str, Any]:
    """`repeats` times so many answers of `words` words on one connection, and one on many each."""
    ask = partial(_relay, url, key, words)
    ask(1, 1)  # warms up
    one = [ask(1, answers) for _ in range(repeats)]
    many = [ask(connections, 1) for _ in range(repeats)]
    share = words / (words + EVENTS_AROUND)
    reader_rates = _reader_rates(answers)
    return {
        "relayed_events_per_second": _per_second(one),
        "overhead_us_per_event": _cpu_us(one),
        "overhead_us_per_event_wall": _wall_us(one),
        "tokens_per_second_relayed": round(_per_second(one) * share),
        f"tokens_per_second_relayed_{connections}_connections": round(_per_second(many) * share),
        f"overhead_us_per_event_{connections}_connections": _cpu_us(many),
        "relayed_events_per_repeat": one[0].events,
        "reader_core_share": rounded(
            statistics.median(cost.reader_cpu_seconds / cost.wall_seconds for cost in one)
        ),
        "reader_events_per_second_at_most": round(statistics.median(reader_rates)),
        "overhead_us_per_event_of_repeats": [
            rounded(cost.cpu_seconds / cost.events * 1e6, 2) for cost in one
        ],
        "samples": {
            "relayed_events_per_second": kept(_rates(one)),
            "overhead_us_per_event": kept(_cpu(one), 1e6),
            "overhead_us_per_event_wall": kept([1 / rate for rate in _rates(one)], 1e6),
            "tokens_per_second_relayed": kept(_rates(one), share),
            f"tokens_per_second_relayed_{connections}_connections": kept(_rates(many), share),
            f"overhead_us_per_event_{connections}_connections": kept(_cpu(many), 1e6),
            "reader_core_share": kept(
                [cost.reader_cpu_seconds / cost.wall_seconds for cost in one]
            ),
            "reader_events_per_second_at_most": kept(reader_rates),
        },
    }


def _relay(url: str, key: str, words: int, connections: int, answers: int) -> _Cost:
    """Read so many answers on each of so many connections, all of them asked for at once."""
    gauges = ServerGauges(url, key)
    with raw_readers(url, key, connections) as readers:
        cpu, own_cpu, began = gauges.cpu_seconds, time.process_time(), time.monotonic()
        for reader in readers:
            for _ in range(answers):
                reader.ask(input="Go on.", store=False)
        read_all(readers, lambda reader, _: reader.tally.ends == answers)
        wall, own_cpu = time.monotonic() - began, time.process_time() - own_cpu
        cpu = gauges.cpu_seconds - cpu
        events = sum(reader.tally.events for reader in readers)
    assert events == connections * answers * (words + EVENTS_AROUND), "not all of the events came"
    return _Cost(events, cpu, wall, own_cpu)


def _reader_rates(answers: int) -> list[float]:
    """How many events a second the reader reads, of a sender that has encoded them before."""
    rates = []
    with sender() as url, closing(RawReader(url, "")) as reader:
        for _ in range(max(2, answers)):
            began, before = time.monotonic(), reader.tally.events
            reader.ask(input=f"{_SENT_DELTAS} at 0")
            reader.read_answer()
            rates.append((reader.tally.events - before) / (time.monotonic() - began))
    return rates


def _rates(costs: Sequence[_Cost]) -> list[float]:
    """Events a second."""
    return [cost.events / cost.wall_seconds for cost in costs]


def _cpu(costs: Sequence[_Cost]) -> list[float]:
    """Seconds of the server's CPU for an event."""
    return [cost.cpu_seconds / cost.events for cost in costs]


def _per_second(costs: Sequence[_Cost]) -> int:
    return round(statistics.median(_rates(costs)))


def _cpu_us(costs: Sequence[_Cost]) -> float | None:
    return rounded(statistics.median(_cpu(costs)) * 1e6, 2)


def _wall_us(costs: Sequence[_Cost]) -> float | None:
    return rounded(statistics.median(cost.wall_seconds / cost.events for cost in costs) * 1e6, 2)


# ── many at once ─────────────────────────────────────────────────────────────────────────────


def measure_connections(
    url: str, key: str, count: int, words: int, held_seconds: float
) -> dict[str, Any]:
    """`count` connections with a lane each, in which `words` words come at the server's pace.

    The server's memory is read when that has gone on for `held_seconds`.
    """
    gauges = ServerGauges(url, key)
    with raw_readers(url, key, 1) as readers:  # what is needed once is there then
        readers[0].ask(input="Go on.", store=False)
        read_all(readers, lambda _, events: events > 0)
    gauges.until_idle()
    before_mb = gauges.resident_mb
    with raw_readers(url, key, count) as readers:
        open_mb = gauges.resident_mb
        held = _Held(readers, gauges, held_seconds)
        read_all(readers, held.ready)
    assert all(reader.tally.events == words + EVENTS_AROUND for reader in readers)
    return {
        "connections": count,
        "connections_held_seconds": rounded(held.seconds, 1),
        "connections_longest_gap_ms": rounded(held.longest_gap_seconds * 1e3, 1),
        "connections_events": sum(reader.tally.events for reader in readers),
        "connections_core_share": rounded(held.core_share),
        "connection_mb": rounded((held.resident_mb - before_mb) / count, 4),
        "connection_mb_without_lane": rounded((open_mb - before_mb) / count, 4),
        "server_mb": rounded(held.resident_mb, 1),
    }


class _Held:
    """Begins a lane on each connection, and watches that each gets something all the time."""

    def __init__(
        self, readers: Sequence[RawReader], gauges: ServerGauges, held_seconds: float
    ) -> None:
        self.longest_gap_seconds = 0.0
        self.seconds = 0.0
        """Until all lanes had ended."""
        self.resident_mb = 0.0
        self.core_share = 0.0
        """Both while all of them were running."""
        self._gauges = gauges
        self._cpu_before = gauges.cpu_seconds
        for reader in readers:
            reader.ask(input="Go on.", store=False, stream_id="talk")
        self._began = time.monotonic()
        self._held_seconds = held_seconds
        self._last_at = dict.fromkeys(readers, self._began)

    def ready(self, reader: RawReader, _: int) -> bool:
        """Whether the lane of this connection has ended."""
        now = time.monotonic()
        self.seconds = now - self._began
        gap = now - self._last_at[reader]
        self.longest_gap_seconds = max(self.longest_gap_seconds, gap)
        self._last_at[reader] = now
        if not self.resident_mb and self.seconds >= self._held_seconds:
            assert not any(other.tally.ends for other in self._last_at), "some lanes ended before"
            self.resident_mb = self._gauges.resident_mb
            self.core_share = (self._gauges.cpu_seconds - self._cpu_before) / self.seconds
        return reader.tally.ends > 0
