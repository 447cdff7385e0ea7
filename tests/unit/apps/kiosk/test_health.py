"""How the kiosk is, from the trace alone, in simulated time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from voice.apps.kiosk.health import TURNS, Health, quantile, without_secrets
from voice.trace import TraceEvent

LATENCY = {
    "endpoint": 0.5,
    "transcribe": 0.05,
    "first_token": 0.2,
    "first_audio": 0.15,
    "voice_to_voice": 0.9,
}


class Kiosk:
    """Health, and the trace that feeds it."""

    def __init__(self, keep_words: bool = False) -> None:
        self.now = 100.0
        self.health = Health(lambda: self.now, keep_words)

    def does(self, event: str, turn: int = 0, **fields: Any) -> None:
        self.now += 1
        self.health(TraceEvent(self.now, turn, event, fields))

    def begins(self) -> None:
        self.does("listening")
        self.does("kiosk.ready")

    def breaks(self, fault: str) -> None:
        self.does("fault.began", fault=fault, problem=f"no {fault}", cure="mend it")

    def answers(self, turn: int, seconds: float = 0.9, **fields: Any) -> None:
        latency = {**LATENCY, "voice_to_voice": seconds}
        self.does("turn.completed", turn, latency=latency, **fields)


def test_a_kiosk_that_loads_is_healthy_and_not_ready() -> None:
    kiosk = Kiosk()
    assert not kiosk.health.ready
    assert kiosk.health.verdict == "ok"
    assert [reason.fault for reason in kiosk.health.reasons] == ["loading"]


def test_one_that_listens_has_nothing_to_tell() -> None:
    kiosk = Kiosk()
    kiosk.begins()
    assert kiosk.health.ready
    assert kiosk.health.reasons == []


def test_a_fault_is_told_with_its_cure_and_age_until_it_ends() -> None:
    kiosk = Kiosk()
    kiosk.begins()
    kiosk.breaks("microphone")
    kiosk.now += 9
    [reason] = kiosk.health.reasons
    assert (reason.problem, reason.cure, reason.seconds) == ("no microphone", "mend it", 9)
    assert kiosk.health.verdict == "faulty"
    kiosk.does("fault.ended", fault="microphone", seconds=10.0)
    kiosk.begins()
    assert kiosk.health.verdict == "ok"
    assert kiosk.health.count("faults") == 1


def test_while_the_local_model_answers_a_lost_network_is_bridged() -> None:
    kiosk = Kiosk()
    kiosk.begins()
    kiosk.breaks("network")
    assert kiosk.health.verdict == "faulty"
    kiosk.does("agent.degraded", to="local")
    assert kiosk.health.verdict == "degraded"
    assert kiosk.health.report().answered_by == "local"
    kiosk.breaks("speaker")
    assert kiosk.health.verdict == "faulty"
    kiosk.does("fault.ended", fault="speaker", seconds=1.0)
    kiosk.does("fault.ended", fault="network", seconds=5.0)
    kiosk.does("agent.restored")
    assert kiosk.health.verdict == "ok"


def test_it_is_not_ready_any_more_when_it_is_about_to_end() -> None:
    kiosk = Kiosk()
    kiosk.begins()
    kiosk.does("kiosk.stopping")
    assert not kiosk.health.ready
    assert [reason.fault for reason in kiosk.health.reasons] == ["stopping"]


def test_the_state_has_an_age() -> None:
    kiosk = Kiosk()
    kiosk.begins()
    kiosk.does("visit.began", by="speech")
    kiosk.does("speech.started", 1)
    kiosk.does("transcript.partial", 1, text="Hello")
    kiosk.now += 4
    report = kiosk.health.report()
    assert (report.state, report.state_seconds, report.uptime_seconds) == ("listening", 5, 9)


def test_the_last_turns_are_remembered_with_their_latencies() -> None:
    kiosk = Kiosk()
    for turn in range(1, TURNS + 6):
        kiosk.answers(turn, turn / 10)
    report = kiosk.health.report()
    waits = [turn.latency["voice_to_voice"] for turn in report.turns]
    assert waits == [turn / 10 for turn in range(6, TURNS + 6)]
    assert report.median_seconds == 2.5
    assert report.p95_seconds == 4.3
    assert report.counts["turns"] == TURNS + 5


def test_a_turn_tells_that_it_was_interrupted_or_failed() -> None:
    kiosk = Kiosk()
    kiosk.does("bargein", 1)
    kiosk.answers(1, interrupted=True)
    kiosk.does("answer.failed", 2, reason="the server is busy")
    kiosk.answers(2)
    kiosk.answers(3)
    turns = kiosk.health.report().turns
    assert [turn.interrupted for turn in turns] == [True, False, False]
    assert [turn.failed for turn in turns] == ["", "the server is busy", ""]
    assert kiosk.health.count("bargeins") == kiosk.health.count("failed_answers") == 1


def test_no_words_are_kept_unless_they_may_be() -> None:
    kiosk = Kiosk()
    kiosk.answers(1, user_text="My secret", heard_text="I see")
    assert b"secret" not in msgspec.json.encode(kiosk.health.report())


@pytest.mark.parametrize(
    "end", [("visit.ended", {"reason": "goodbye"}), ("conversation.begun", {"forgotten": True})]
)
def test_words_that_may_be_kept_are_forgotten_with_the_visit(
    end: tuple[str, dict[str, Any]],
) -> None:
    kiosk = Kiosk(keep_words=True)
    kiosk.answers(1, user_text="My secret", heard_text="I see")
    [turn] = kiosk.health.report().turns
    assert (turn.user_text, turn.assistant_text) == ("My secret", "I see")
    event, fields = end
    kiosk.does(event, **fields)
    assert b"secret" not in msgspec.json.encode(kiosk.health.report())
    assert len(kiosk.health.report().turns) == 1


def test_the_connection_is_told_without_secrets() -> None:
    kiosk = Kiosk()
    url = "wss://me:word@example.org:8443/v1/responses?api_key=k"
    kiosk.does("connection.opened", url=url, transport="websocket")
    connection = kiosk.health.report().connection
    assert connection
    assert (connection.url, connection.transport) == (
        "wss://example.org:8443/v1/responses",
        "websocket",
    )
    kiosk.does("connection.lost", reason="reset")
    assert (connection.up, connection.at, connection.reason) == (False, kiosk.now, "reset")
    kiosk.does("connection.recovered", seconds=1.0)
    assert (connection.up, connection.at, connection.reason) == (True, kiosk.now, "")


def test_a_connection_that_is_replaced_in_time_goes_on() -> None:
    kiosk = Kiosk()
    for url in ("ws://here/v1", "ws://here/v1", "ws://there/v1"):
        kiosk.does("connection.opened", url=url, transport="websocket")
    connection = kiosk.health.report().connection
    assert connection
    assert (connection.url, connection.at) == ("ws://there/v1", kiosk.now)
    kiosk.does("connection.opened", url="ws://there/v1", transport="websocket")
    assert kiosk.health.report().connection == connection


def test_devices_are_told_by_the_trace() -> None:
    kiosk = Kiosk()
    kiosk.does("devices.opened", input="USB", output="Built-in")
    kiosk.does("duplex.chosen", half=False, reason="the echo is cancelled")
    assert kiosk.health.report().devices == {
        "input": "USB",
        "output": "Built-in",
        "echo": "the echo is cancelled",
    }


def test_counts_have_few_kinds() -> None:
    kiosk = Kiosk()
    for fault in ("stalled:vad", "stalled:gate", "microphone"):
        kiosk.breaks(fault)
    kiosk.does("visit.began", by="button")
    kiosk.does("visit.began", by="button")
    assert kiosk.health.counts["faults", "stalled"] == 2
    assert kiosk.health.counts["visits", "button"] == 2


def test_only_what_a_report_shows_is_a_revision() -> None:
    kiosk = Kiosk()
    kiosk.begins()
    before = kiosk.health.revision
    kiosk.does("transcript.partial", 1, text="Hel")
    assert kiosk.health.revision == before
    kiosk.does("visit.began", by="speech")
    assert kiosk.health.revision == before + 1


@pytest.mark.parametrize(
    ("values", "median", "p95"),
    [([], None, None), ([2.0], 2.0, 2.0), ([1.0, 2.0, 3.0, 4.0], 2.0, 4.0)],
)
def test_quantiles_are_values_that_were_measured(
    values: list[float], median: float | None, p95: float | None
) -> None:
    assert (quantile(values, 0.5), quantile(values, 0.95)) == (median, p95)


def test_a_url_without_secrets() -> None:
    assert without_secrets("ws://127.0.0.1:9/v1") == "ws://127.0.0.1:9/v1"
    assert without_secrets("https://a@b:c@host/p?q=1#f") == "https://host/p"
