"""Faults: what the protocol machine lets go wrong, and what stays right."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.protocol_client import DONE, TOOL, Client, code, types
from voice.responses.events import decode_server_event
from voice.server.backend import Fault, FaultKind, Item, TextDelta, ToolCall
from voice.server.signals import Close, FallSilent, Reset

KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
ENDS = {"drop": Reset, "close": Close, "half-open": FallSilent, "expire": Close}


class Plan:
    """Faults in order, one a request; then none."""

    def __init__(self, *faults: Fault | None, forget: bool = False, ignore: bool = False) -> None:
        self.ignores_cancel = ignore
        self.asked: list[tuple[Item, ...]] = []
        self._faults = list(faults)
        self._forget = forget

    def forgets(self, new_items: tuple[Item, ...]) -> bool:
        self.asked.append(new_items)
        return self._forget

    def choose(self, items: tuple[Item, ...]) -> Fault | None:
        return self._faults.pop(0) if self._faults else None


def client_with(kind: FaultKind, **fields: Any) -> Client:
    return Client(faults=Plan(Fault(kind, **fields)))


@pytest.mark.parametrize(("kind", "end"), ENDS.items())
def test_a_connection_that_goes_wrong_says_nothing_more(kind: FaultKind, end: type) -> None:
    client = client_with(kind, after=3)
    client.create(stream_id="a")
    client.create(stream_id="b")
    events = client.produce(TextDelta("Hi"), response=client.starts[0].response_id)
    sent = [event for event in events if event.get("sequence_number")]
    assert types(sent) == ["response.output_item.added"]
    assert [type(last) for last in client.ends] == [end]
    assert set(client.stops) == {start.response_id for start in client.starts}
    assert client.create() == client.produce(DONE) == client.cancel() == []
    assert client.machine.deadline() is None


def test_an_expired_connection_says_so_first() -> None:
    client = client_with("expire")
    events = client.create(stream_id="a")
    assert types(events) == ["response.created", "error"]
    assert code(events[1:]) == "websocket_connection_limit_reached"
    assert client.starts == []


def test_before_the_first_event_there_is_none() -> None:
    client = client_with("drop", after=0)
    assert client.create() == []
    assert client.ends == [Reset()]


def test_a_connection_that_goes_wrong_starts_nothing_that_waits_for_the_store() -> None:
    other = Client()
    parent = other.turn(store=True)
    client = Client(other.store, faults=Plan(Fault("drop", after=0)))
    client.prompt = False
    for lane in "ab":
        client.create(stream_id=lane, previous_response_id=parent)
    assert client.answer() == client.starts == []
    assert client.ends == [Reset()]


def test_a_stalled_response_is_silent_and_keeps_its_lane_while_others_go_on() -> None:
    client = client_with("stall", after=5)
    client.create(stream_id="a")
    stalled = client.starts[-1].response_id
    events = client.produce(TextDelta("Well,"), TextDelta(" then"), DONE)
    assert types(events)[-1] == "response.output_text.delta"
    assert client.stops == [stalled]
    assert client.cancel() == client.steer() == client.fail() == []
    assert client.create(stream_id="a") == []
    client.turn(stream_id="b")


def test_garbage_comes_in_between_and_the_answer_is_whole() -> None:
    client = client_with("garbage", after=4)
    client.create(stream_id="a")
    events = client.produce(TextDelta("Hi."), DONE)
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "Hi."
    assert [event["sequence_number"] for event in events] == list(range(2, 9))
    assert len(client.texts) == 6
    for text in client.texts:
        try:
            assert decode_server_event(text) is None
        except msgspec.DecodeError:
            continue
    assert {json.loads(text).get("stream_id") for text in client.texts[4:]} == {"a"}
    client.turn(stream_id="a", previous_response_id=client.starts[-1].response_id)


def test_an_error_has_its_status_its_code_and_its_header() -> None:
    client = client_with(
        "error", status=429, code="rate_limit_exceeded", retry_after_seconds=1.5, after=0
    )
    events = client.create(stream_id="a")
    assert code(events) == "rate_limit_exceeded"
    assert (events[0]["status"], events[0]["stream_id"]) == (429, "a")
    assert events[0]["headers"] == {"retry-after": "1.5"}
    client.turn(stream_id="a")


@pytest.mark.parametrize("kind", ["error", "fail"])
def test_a_response_that_is_broken_off_frees_its_lane_and_evicts_its_parent(
    kind: FaultKind,
) -> None:
    client = Client(faults=Plan(None, Fault(kind, after=5)))
    parent = client.turn(stream_id="a")
    client.create(stream_id="a", previous_response_id=parent)
    broken = client.starts[-1].response_id
    events = client.produce(TextDelta("Well,"), TextDelta(" then"), DONE)
    assert types(events)[3:] == ["error" if kind == "error" else "response.failed"]
    if kind == "fail":
        assert events[-1]["sequence_number"] == 5
        assert events[-1]["response"]["error"]["code"] == "server_error"
    assert client.stops == [broken]
    events = client.create(stream_id="a", previous_response_id=parent)
    assert code(events) == "previous_response_not_found"
    client.turn(stream_id="a")


def test_words_that_steer_a_response_that_is_broken_off_come_back() -> None:
    client = client_with("fail", after=7)
    client.create(tools=[TOOL])
    client.produce(ToolCall("get_time", "{}"))
    events = client.steer()
    assert types(events) == [
        "response.steer.accepted",
        "response.failed",
        "response.steer.failed",
    ]


@pytest.mark.parametrize("kind", ["stall", "fail", "error", "drop"])
def test_a_response_that_goes_wrong_while_it_is_steered_has_no_successor(kind: FaultKind) -> None:
    for after in range(5, 11):
        client = client_with(kind, after=after)
        client.create()
        client.produce(TextDelta("Well,"))
        events = client.steer()
        succeeded = "response.created" in types(events)
        assert succeeded == (after == 10 and kind != "drop")


def test_all_is_forgotten_before_a_request_is_looked_at() -> None:
    client = Client(faults=Plan(forget=True))
    parent, stored = client.turn(stream_id="a"), client.turn(stream_id="b", store=True)
    other = Client(client.store)
    kept = other.turn(store=True)
    for lost in (parent, stored):
        events = client.create("Go on", previous_response_id=lost, stream_id="c")
        assert code(events) == "previous_response_not_found"
    other.turn(previous_response_id=kept)  # only this connection has forgotten
    client.turn("Hello. Go on", stream_id="c")


def test_a_request_that_continues_nothing_is_not_asked_about() -> None:
    plan = Plan(forget=True)
    Client(faults=plan).turn()
    assert plan.asked == []


def test_cancels_can_be_ignored() -> None:
    client = Client(faults=Plan(ignore=True))
    client.create()
    assert client.cancel() == []
    assert client.stops == []
    assert types(client.produce(TextDelta("on"), DONE))[-1] == "response.completed"


def test_what_only_prepares_does_not_go_wrong() -> None:
    client = client_with("drop")
    client.create(generate=False)
    assert types(client.produce(DONE)) == ["response.completed"]
    assert client.ends == []


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(0, 14),
    st.lists(st.sampled_from([TextDelta("x"), ToolCall("f", "{}")]), max_size=3),
)
def test_a_response_goes_wrong_after_as_many_events_as_it_says_or_ends_well(
    kind: FaultKind, after: int, pieces: list[Any]
) -> None:
    wrong, well = client_with(kind, after=after), Client()
    for client in (wrong, well):
        client.create()
        for piece in [*pieces, DONE]:
            if client.starts:
                client.produce(piece)
    own = [event for event in wrong.events if event["type"] != "error"]
    assert [event["sequence_number"] for event in own] == list(range(len(own)))
    whole = types(well.events)
    if kind == "garbage":
        assert types(own) == whole
        assert bool(wrong.texts) == (after <= len(whole))
    else:
        ended = kind == "fail" and after < len(whole)
        assert types(own)[: len(own) - ended] == whole[:after]
    if kind in ENDS:
        assert len(wrong.ends) == (after <= len(whole))
