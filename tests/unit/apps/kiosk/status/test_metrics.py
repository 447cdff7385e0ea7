"""What Prometheus reads, parsed as Prometheus does."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from voice.apps.kiosk.health import Health
from voice.apps.kiosk.status.metrics import Metrics
from voice.trace import TraceEvent


def told(health: Health) -> dict[tuple[str, str], float]:
    """Each sample by its name and the value of its label."""
    text = Metrics(health).text().decode()
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def happens(health: Health, event: str, **fields: Any) -> None:
    health(TraceEvent(10.0, 1, event, fields))


def test_counters_are_there_before_anything_happens() -> None:
    samples = told(Health(lambda: 5.0))
    assert samples["voice_turns_total", ""] == 0
    assert samples["voice_to_voice_seconds_count", ""] == 0
    assert samples["voice_kiosk_ready", ""] == 0
    assert samples["voice_kiosk_healthy", ""] == 1
    assert samples["voice_kiosk_state", "loading"] == 1
    assert samples["process_resident_memory_bytes", ""] > 0


def test_what_happens_is_counted_by_its_kind() -> None:
    health = Health(lambda: 12.0)
    happens(health, "visit.began", by="wake-word")
    happens(health, "visit.ended", reason="goodbye")
    happens(health, "fault.began", fault="microphone", problem="gone", cure="")
    happens(health, "bargein")
    samples = told(health)
    assert samples["voice_visits_total", "wake-word"] == 1
    assert samples["voice_visits_ended_total", "goodbye"] == 1
    assert samples["voice_faults_total", "microphone"] == 1
    assert samples["voice_bargeins_total", ""] == 1
    assert samples["voice_kiosk_reason_seconds", "microphone"] == 2
    assert samples["voice_kiosk_healthy", ""] == 0


def test_each_part_of_the_latency_is_a_histogram() -> None:
    health = Health(lambda: 12.0)
    latency = {"endpoint": 0.4, "transcribe": None, "voice_to_voice": 0.9}
    happens(health, "turn.completed", latency=latency)
    samples = told(health)
    assert samples["voice_endpoint_seconds_bucket", "0.3"] == 0
    assert samples["voice_endpoint_seconds_bucket", "0.45"] == 1
    assert samples["voice_endpoint_seconds_bucket", "+Inf"] == 1
    assert samples["voice_to_voice_seconds_sum", ""] == 0.9
    assert samples["voice_transcribe_seconds_count", ""] == 0


def test_registries_are_apart() -> None:
    one, other = Health(lambda: 1.0), Health(lambda: 1.0)
    happens(one, "bargein")
    assert told(one)["voice_bargeins_total", ""] == 1
    assert told(other)["voice_bargeins_total", ""] == 0
