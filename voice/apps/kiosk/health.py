"""How the kiosk is, followed from the trace: what operators and their monitors are told. Pure.

Ages are in seconds until now, so nothing here depends on what the wall clock is set to.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from voice.apps.kiosk.state import Fault, KioskState
from voice.apps.kiosk.waits import Waits
from voice.trace import TraceEvent

TURNS: Final = 40
"""Turns that are remembered: as many bars as a plot on a small screen can show."""

_BRIDGED: Final = frozenset({"network", "server"})
"""Faults that nobody notices while the local model answers."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the kiosk is not as it should be, and what cures it."""

    fault: str
    problem: str
    cure: str
    seconds: float


@dataclass(slots=True)
class Turn:
    """One exchange; `latency` in seconds by part, None where a mark is missing."""

    at: float
    latency: dict[str, float | None] = field(default_factory=dict)
    interrupted: bool = False
    failed: str = ""
    """Why there was no whole answer."""

    user_text: str = ""
    assistant_text: str = ""
    """Empty unless words may be kept."""


@dataclass(slots=True)
class Connection:
    """To whom the kiosk talks; `at` is when that became so."""

    url: str
    transport: str
    at: float
    up: bool = True
    reason: str = ""

    def same(self, other: Connection) -> bool:
        """Whether the other replaces it without a gap, as before the server ends one."""
        return (self.url, self.transport) == (other.url, other.transport)


@dataclass(frozen=True, slots=True)
class Report:
    """All of it at one moment: `at`, in the trace's seconds, as are the times in its parts."""

    at: float
    state: str
    state_seconds: float
    uptime_seconds: float
    verdict: Literal["ok", "degraded", "faulty"]
    ready: bool
    reasons: list[Reason]
    answered_by: str
    """"" as configured; else who stands in."""

    connection: Connection | None
    devices: dict[str, str]
    turns: list[Turn]
    median_seconds: float | None
    p95_seconds: float | None
    counts: dict[str, int]


class Health:
    """A sink of the trace. `now` is the trace's clock."""

    def __init__(self, now: Callable[[], float], keep_words: bool = False) -> None:
        self.revision = 0
        """Higher after each event that a report may show."""

        self.counts: Counter[tuple[str, str]] = Counter()
        """How often something happened: by what, and of which kind ("" where there are none)."""

        self.waits = Waits()
        self._now = now
        self._keep_words = keep_words
        self._state = KioskState()
        self._began = self._state_at = now()
        self._answered_by = ""
        self._connection: Connection | None = None
        self._devices: dict[str, str] = {}
        self._turns: deque[Turn] = deque(maxlen=TURNS)
        self._failed: dict[int, str] = {}

    def __call__(self, event: TraceEvent) -> None:
        """Take in one event."""
        before = self._state.word
        self._state.receive(event)
        if self._state.word != before:
            self._state_at = event.at
        known = [
            self._count(event),
            self._follow_turn(event),
            self._follow_connection(event),
            self._follow_rest(event),
        ]
        if any(known) or self._state.word != before:
            self.revision += 1

    # ── what is told ─────────────────────────────────────────────────────────────────────

    @property
    def ready(self) -> bool:
        """Whether a visitor would be heard."""
        return self._state.ready

    @property
    def verdict(self) -> Literal["ok", "degraded", "faulty"]:
        """Whether somebody should come; `degraded`: something is out of order, and bridged."""
        faults = self._state.faults
        bridged = _BRIDGED if self._answered_by else frozenset[str]()
        if faults.keys() - bridged:
            return "faulty"
        return "degraded" if faults or self._answered_by else "ok"

    @property
    def reasons(self) -> list[Reason]:
        """The faults of now, and why nobody would be heard where that is no fault."""
        now = self._now()
        reasons = [_reason(fault, now) for fault in self._state.faults.values()]
        if self._state.stopping:
            reasons.append(Reason("stopping", "the kiosk is about to end", "", 0.0))
        elif not self._state.ready and not reasons:
            loading = "models and devices are being opened"
            cure = "wait; if it takes longer than a minute, the log says why"
            reasons.append(Reason("loading", loading, cure, now - self._state_at))
        return reasons

    def report(self) -> Report:
        """All of it now."""
        now = self._now()
        waits = sorted(_known(turn.latency.get("voice_to_voice") for turn in self._turns))
        return Report(
            at=now,
            state=self._state.word,
            state_seconds=now - self._state_at,
            uptime_seconds=now - self._began,
            verdict=self.verdict,
            ready=self.ready,
            reasons=self.reasons,
            answered_by=self._answered_by,
            connection=self._connection,
            devices=dict(self._devices),
            turns=list(self._turns),
            median_seconds=quantile(waits, 0.5),
            p95_seconds=quantile(waits, 0.95),
            counts={what: self.count(what) for what, _ in sorted(self.counts)},
        )

    def count(self, what: str) -> int:
        """How often that happened, of all kinds."""
        return sum(number for (counted, _), number in self.counts.items() if counted == what)

    # ── what happens ─────────────────────────────────────────────────────────────────────

    def _count(self, event: TraceEvent) -> bool:
        what, kind = _COUNTED.get(event.event, ("", ""))
        if what:
            self.counts[what, _kind(event.fields[kind]) if kind else ""] += 1
        return bool(what)

    def _follow_turn(self, event: TraceEvent) -> bool:
        match event.event:
            case "answer.failed":
                self._failed[event.turn] = event.fields["reason"]
            case "turn.completed":
                self._complete(event)
            case "conversation.begun" | "visit.ended":
                self._forget_words()
            case _:
                return False
        return True

    def _complete(self, event: TraceEvent) -> None:
        fields = event.fields
        turn = Turn(
            event.at,
            dict(fields["latency"]),
            bool(fields.get("interrupted")),
            self._failed.pop(event.turn, ""),
        )
        if self._keep_words:
            turn.user_text = fields.get("user_text", "")
            turn.assistant_text = fields.get("heard_text", "")
        self._turns.append(turn)
        self._failed.clear()
        self.waits.add(turn.latency)

    def _forget_words(self) -> None:
        """What one visitor said is not shown while another is there."""
        for turn in self._turns:
            turn.user_text = turn.assistant_text = ""

    def _follow_connection(self, event: TraceEvent) -> bool:
        fields, connection = event.fields, self._connection
        match event.event:
            case "connection.opened":
                opened = Connection(without_secrets(fields["url"]), fields["transport"], event.at)
                if not (connection and connection.up and connection.same(opened)):
                    self._connection = opened
            case "connection.lost" if connection:
                connection.up, connection.at, connection.reason = False, event.at, fields["reason"]
            case "connection.recovered" if connection:
                connection.up, connection.at, connection.reason = True, event.at, ""
            case _:
                return False
        return True

    def _follow_rest(self, event: TraceEvent) -> bool:
        match event.event:
            case "devices.opened":
                self._devices |= {name: str(event.fields[name]) for name in ("input", "output")}
            case "duplex.chosen":
                self._devices["echo"] = event.fields["reason"]
            case "agent.degraded":
                self._answered_by = event.fields["to"]
            case "agent.restored":
                self._answered_by = ""
            case "fault.began" | "fault.ended":
                pass
            case _:
                return False
        return True


_COUNTED: Final = {
    "turn.completed": ("turns", ""),
    "bargein": ("bargeins", ""),
    "answer.failed": ("failed_answers", ""),
    "fault.began": ("faults", "fault"),
    "visit.began": ("visits", "by"),
    "visit.ended": ("visits_ended", "reason"),
    "wake.heard": ("wake_words", ""),
    "connection.lost": ("connections_lost", ""),
    "agent.degraded": ("degradations", ""),
    "config.reloaded": ("reloads", ""),
    "config.refused": ("refused_reloads", ""),
}
"""What is counted under which name, and the field that tells its kind."""


def _kind(value: Any) -> str:
    """A kind from a small set: which stage has stalled is for the log."""
    return str(value).partition(":")[0]


def _reason(fault: Fault, now: float) -> Reason:
    return Reason(fault.name, fault.problem, fault.cure, now - fault.at)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def quantile(ordered: list[float], share: float) -> float | None:
    """The smallest value that is not exceeded by that share of them; None of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def without_secrets(url: str) -> str:
    """Scheme, host, port and path: user names, passwords and queries are nobody's business."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
