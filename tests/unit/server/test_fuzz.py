"""A small part of what `scripts/fuzz.py machine` does, and whether it would notice."""

from __future__ import annotations

import gc
import json
import weakref
from collections import Counter

import pytest

from tests.support.fuzzing import machine
from tests.support.fuzzing.machine import Step, World
from tests.support.fuzzing.oracle import Broken, Ledger, Observer
from voice.responses.events import Created, Response, encode
from voice.server.lanes import Lanes
from voice.server.protocol import Connection


def test_malformed_and_reordered_messages_do_no_harm() -> None:
    counts: Counter[str] = Counter()
    for episode in range(8):
        counts += machine.play(machine.steps(f"tests:{episode}")).ledger.counts
    for happened in (
        "response.completed",
        "response.failed",
        "cancelled",
        "steered",
        "response.steer.accepted",
        "response.steer.failed",
        "error invalid_json",
        "error previous_response_not_found",
        "error websocket_stream_limit_reached",
    ):
        assert counts[happened] > 0, happened


def test_an_episode_follows_from_its_seed_and_can_be_written() -> None:
    episode = list(machine.steps("again", 50))
    assert list(machine.steps("again", 50)) == episode
    assert machine.read(machine.written(episode)) == episode
    assert machine.play(episode).ledger.counts == machine.play(episode).ledger.counts


# ── would it notice? ─────────────────────────────────────────────────────────────────────────


def _failure(monkeypatch: pytest.MonkeyPatch, name: str, wrong: object, of: type) -> str:
    monkeypatch.setattr(of, name, wrong)
    for episode in range(30):
        if found := machine.failure(machine.steps(f"tests:{episode}")):
            return str(found)
    return ""


def test_a_history_of_another_connection_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    shared: dict[str, object] = {}
    settle, history = Connection._settle, Connection._history

    def settling(self: Connection, running: object) -> object:
        actions = settle(self, running)  # type: ignore[arg-type]
        shared[running.writer.id] = running.kept.settled.history  # type: ignore[attr-defined]
        return actions

    def of_anybody(self: Connection, response_id: str | None) -> object:
        return shared.get(response_id or "", history(self, response_id))

    monkeypatch.setattr(Connection, "_settle", settling)
    problem = _failure(monkeypatch, "_history", of_anybody, Connection)
    assert "continues what is gone, or another's" in problem


def test_a_lane_that_is_not_in_order_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def last_first(self: Lanes) -> object:
        for request in reversed(self._queue):
            if not self.of(request).busy:
                self._queue.remove(request)
                return request
        return None

    assert "not in order" in _failure(monkeypatch, "next", last_first, Lanes)


def test_a_request_that_is_forgotten_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice.server.lanes.IN_FLIGHT_LIMIT", 0)
    problem = str(machine.failure(machine.steps("tests:0")))
    assert "unanswered" in problem


def test_a_crash_is_noticed_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = Connection._cancel

    def crash(self: Connection, response_id: str) -> object:
        return cancel(self, response_id) if response_id else 1 / 0

    monkeypatch.setattr(Connection, "_cancel", crash)
    episode = [
        *machine.steps("small", 60),
        Step("open", 0),
        Step("say", 0, text='{"type": "response.cancel", "response_id": ""}'),
    ]
    shortest = machine.minimal(episode)
    assert len(shortest) == 2
    assert isinstance(machine.failure(shortest), ZeroDivisionError)


@pytest.mark.parametrize(
    "message",
    [
        "x",
        '{"type": "response.create", "stream_id": 7}',
        '{"type": "response.create", "input": 7}',
        '{"type": "response.create", "input": [{"type": "x"}]}',
        '{"type": "response.create", "previous_response_id": "resp_none"}',
    ],
)
def test_a_refusal_does_not_keep_its_connection(message: str) -> None:
    """An exception that its own frame knows by name stays until the garbage is collected."""
    world = World()
    world.take(Step("open", 0))
    world.take(Step("say", 0, text=message))
    connection = weakref.ref(world.sides[0].machine)
    gc.disable()
    try:
        world.take(Step("close", 0))
        assert connection() is None
    finally:
        gc.enable()


def test_connections_that_stay_in_memory_are_noticed() -> None:
    world = World()
    world.take(Step("open", 0))
    kept = world.sides[0].machine
    with pytest.raises(Broken, match="remembered"):
        world.finish()
    assert kept


def test_a_mark_of_another_client_is_noticed() -> None:
    ledger = Ledger()
    observer = Observer(1, ledger)
    observer.sent(json.dumps({"type": "response.create", "input": "mark-1-1;"}))
    response = Response(id="resp_1", instructions="mark-2-1;", store=False)
    with pytest.raises(Broken, match="knows what it cannot know"):
        observer.got(encode(Created(response=response)))
