"""The kiosk's health as Prometheus reads it, computed when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from voice.apps.kiosk.health import Health, Report
from voice.apps.kiosk.waits import PARTS

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_COUNTERS: Final = {
    "turns": ("Turns that were completed.", ""),
    "bargeins": ("Answers that a visitor interrupted.", ""),
    "failed_answers": ("Turns without a whole answer.", ""),
    "faults": ("Faults that began.", "fault"),
    "visits": ("Visits, by what began them.", "by"),
    "visits_ended": ("Visits that have ended, by why.", "reason"),
    "wake_words": ("Wake words that were heard.", ""),
    "connections_lost": ("Connections to the server that were lost.", ""),
    "degradations": ("Times that another had to answer.", ""),
    "reloads": ("Configurations that were read anew.", ""),
    "refused_reloads": ("Configurations that could not be used.", ""),
}
"""What each count of `Health` is, and the label that tells its kinds apart."""

_PARTS: Final = {
    "endpoint": "From the last word of a visitor to the decision that the turn is over.",
    "transcribe": "From then to the final words.",
    "first_token": "From the request to the first token.",
    "first_audio": "From the first token to the first sound.",
    "voice_to_voice": "From the last word of a visitor to the first sound of the answer.",
}


class Metrics:
    """A registry of its own, whose values are the health's."""

    def __init__(self, health: Health) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(health))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of it now."""
        return generate_latest(self._registry)


class _Collector(Collector):
    def __init__(self, health: Health) -> None:
        self._health = health

    def describe(self) -> list[HistogramMetricFamily]:
        """Nothing: names are known only when they are collected."""
        return []

    def collect(
        self,
    ) -> Iterator[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]:
        """All families."""
        yield from _gauges(self._health.report())
        for what, (text, label) in _COUNTERS.items():
            yield _counter(self._health, what, text, label)
        for part in PARTS:
            name = f"voice_{part.removeprefix('voice_')}_seconds"
            waits = self._health.waits
            family = HistogramMetricFamily(name, _PARTS[part])
            buckets = [
                ("+Inf" if bound == float("inf") else str(bound), number)
                for bound, number in waits.buckets(part)
            ]
            family.add_metric([], buckets, waits.seconds[part])
            yield family


def _gauges(report: Report) -> Iterator[GaugeMetricFamily]:
    connected = report.connection is not None and report.connection.up
    for name, text, value in (
        ("ready", "Whether a visitor would be heard.", report.ready),
        ("healthy", "Whether nothing is out of order that is not bridged.", _healthy(report)),
        ("degraded", "Whether another answers than is configured.", bool(report.answered_by)),
        ("connected", "Whether there is a connection to the server.", connected),
        ("uptime_seconds", "Since the kiosk began.", report.uptime_seconds),
    ):
        yield GaugeMetricFamily(f"voice_kiosk_{name}", text, value=float(value))
    state = GaugeMetricFamily("voice_kiosk_state", "1 for what goes on.", labels=["state"])
    state.add_metric([report.state], 1)
    yield state
    text = "For how long there has been each reason not to be ready or healthy."
    reasons = GaugeMetricFamily("voice_kiosk_reason_seconds", text, labels=["reason"])
    for reason in report.reasons:
        reasons.add_metric([reason.fault], reason.seconds)
    yield reasons


def _healthy(report: Report) -> bool:
    return report.verdict != "faulty"


def _counter(health: Health, what: str, text: str, label: str) -> CounterMetricFamily:
    name = f"voice_{what}"
    if not label:
        return CounterMetricFamily(name, text, value=health.count(what))
    family = CounterMetricFamily(name, text, labels=[label])
    for (counted, kind), number in sorted(health.counts.items()):
        if counted == what:
            family.add_metric([kind], number)
    return family
