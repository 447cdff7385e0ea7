"""The protocol machine: order of events, lanes, caches, limits and refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.protocol_client import DONE, TOOL, Client, code, types
from voice.server.backend import Call, CallOutput, Finished, Message, TextDelta, ToolCall
from voice.server.lanes import ResponseStore
from voice.server.protocol import CONNECTION_SECONDS, IN_FLIGHT_LIMIT, LANE_LIMIT, QUEUE_LIMIT
from voice.server.signals import Close, MessageReceived

# ── sequences ────────────────────────────────────────────────────────────────────────────────


def test_a_text_turn_has_the_published_sequence() -> None:
    client = Client()
    client.create(stream_id="a")
    client.produce(TextDelta("Hel"), TextDelta("lo."), DONE)

    assert types(client.events) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in client.events] == list(range(10))
    assert {event["stream_id"] for event in client.events} == {"a"}
    final = client.events[-1]["response"]
    assert final["output"][0]["content"][0]["text"] == "Hello."
    assert final["status"] == "completed"
    assert final["created_at"] == 1001.0
    assert final["usage"]["input_tokens_details"] == {"cached_tokens": 3, "cache_write_tokens": 0}
    item_ids = {event["item_id"] for event in client.events if "item_id" in event}
    assert item_ids == {final["output"][0]["id"]}


def test_a_call_has_the_published_sequence_and_a_call_id_of_its_own() -> None:
    client = Client()
    client.create(tools=[TOOL])
    client.produce(ToolCall("get_time", "{}"), ToolCall("get_time", "{}"), DONE)

    assert types(client.events[2:6]) == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    added = client.events[2]["item"]
    assert (added["name"], added["arguments"], added["status"]) == ("get_time", "", "in_progress")
    first, second = client.events[-1]["response"]["output"]
    assert first["call_id"] == added["call_id"] != second["call_id"]
    assert "stream_id" not in client.events[2]


def test_text_before_a_call_is_closed_first() -> None:
    client = Client()
    client.create()
    events = client.produce(TextDelta("Let me see."), ToolCall("get_time", "{}"), DONE)
    assert types(events).index("response.output_text.done") < types(events).index(
        "response.function_call_arguments.delta"
    )
    assert [item["type"] for item in events[-1]["response"]["output"]] == [
        "message",
        "function_call",
    ]


def test_every_response_object_has_all_the_keys_of_the_schema() -> None:
    keys = [
        "id",
        "object",
        "created_at",
        "completed_at",
        "status",
        "incomplete_details",
        "model",
        "previous_response_id",
        "instructions",
        "output",
        "error",
        "tools",
        "tool_choice",
        "truncation",
        "parallel_tool_calls",
        "text",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "top_logprobs",
        "temperature",
        "reasoning",
        "usage",
        "max_output_tokens",
        "max_tool_calls",
        "store",
        "background",
        "service_tier",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
    ]
    client = Client()
    client.turn(tools=[TOOL], instructions="Be kind.", temperature=0.5)
    for event in client.events:
        if "response" in event:
            assert set(keys) <= set(event["response"])
    assert client.events[0]["response"]["instructions"] == "Be kind."


def test_generate_false_ends_without_output_and_can_be_continued() -> None:
    client = Client()
    client.create("What is", generate=False)
    assert not client.starts[-1].generate
    events = client.produce(Finished(5, 0, 0))
    assert types(events) == ["response.completed"]
    assert events[0]["response"]["output"] == []
    client.create("the time?", previous_response_id=client.starts[-1].response_id)
    assert client.starts[-1].prompt.items == (
        Message("user", "What is"),
        Message("user", "the time?"),
    )


def test_the_limit_of_tokens_ends_with_incomplete() -> None:
    client = Client()
    client.create(max_output_tokens=2)
    events = client.produce(TextDelta("Once upon"), Finished(1, 0, 2, reached_limit=True))
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"


# ── lineage ──────────────────────────────────────────────────────────────────────────────────


def test_a_chain_renders_the_whole_conversation_but_not_the_instructions() -> None:
    client = Client()
    first = client.turn("Hello", "Hi.", instructions="Be kind.")
    client.create("And you?", previous_response_id=first)
    prompt = client.starts[-1].prompt
    assert prompt.items == (
        Message("user", "Hello"),
        Message("assistant", "Hi."),
        Message("user", "And you?"),
    )
    assert prompt.instructions == ""


def test_a_lane_keeps_only_its_latest_response() -> None:
    client = Client()
    first = client.turn()
    client.turn(previous_response_id=first)
    assert code(client.create(previous_response_id=first)) == "previous_response_not_found"
    assert client.events[-1]["status"] == 400


def test_a_stored_response_stays_for_every_connection() -> None:
    client = Client()
    first = client.turn(store=True)
    client.turn(previous_response_id=first)
    other = Client(client.store)
    other.create("More", previous_response_id=first)
    assert len(other.starts) == 1


def test_the_store_forgets_the_oldest() -> None:
    client = Client(ResponseStore(limit=2))
    first = client.turn(store=True)
    for _ in range(2):
        client.turn(store=True)
    assert first not in client.store
    assert len(client.store) == 2


def test_a_fork_finds_its_parent_in_another_lane_and_leaves_it_there() -> None:
    client = Client()
    parent = client.turn(stream_id="a")
    client.turn("One way", stream_id="b", previous_response_id=parent)
    client.turn("Another", stream_id="c", previous_response_id=parent)
    assert client.starts[-1].prompt.items[-1] == Message("user", "Another")
    assert Message("user", "One way") not in client.starts[-1].prompt.items


def test_a_failed_continuation_evicts_its_parent_only_in_its_own_lane() -> None:
    client = Client()
    parent = client.turn(stream_id="a")
    client.create(stream_id="b", previous_response_id=parent)
    client.fail()
    assert client.events[-1]["type"] == "response.failed"
    client.create(stream_id="a", previous_response_id=parent)
    client.fail()
    events = client.create(stream_id="c", previous_response_id=parent)
    assert code(events) == "previous_response_not_found"


@pytest.mark.parametrize(
    "fields",
    [
        {"said": [{"type": "function_call_output", "call_id": "call_no", "output": "x"}]},
        {"temperature": "hot"},
        {"said": [{"role": "robot", "content": "beep"}]},
    ],
)
def test_a_refused_continuation_evicts_its_parent_too(fields: dict[str, Any]) -> None:
    client = Client()
    parent = client.turn()
    events = client.create(previous_response_id=parent, **fields)
    assert types(events) == ["error"]
    assert code(client.create(previous_response_id=parent)) == "previous_response_not_found"


def test_an_output_belongs_to_a_call_of_the_conversation() -> None:
    client = Client()
    client.create(tools=[TOOL])
    client.produce(ToolCall("get_time", "{}"), DONE)
    call_id = client.events[-1]["response"]["output"][0]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "noon"}
    client.create([output], previous_response_id=client.starts[-1].response_id)
    assert client.starts[-1].prompt.items[1:] == (
        Call(call_id, "get_time", "{}"),
        CallOutput(call_id, "noon"),
    )


# ── lanes ────────────────────────────────────────────────────────────────────────────────────


def test_a_lane_is_first_in_first_out_and_lanes_run_side_by_side() -> None:
    client = Client()
    client.create("1", stream_id="a")
    client.create("2", stream_id="a")
    client.create("3", stream_id="b")
    heard = [start.prompt.items[-1] for start in client.starts]
    assert heard == [Message("user", "1"), Message("user", "3")]
    client.produce(DONE, response=client.starts[0].response_id)
    assert client.starts[-1].prompt.items[-1] == Message("user", "2")


def test_at_most_sixteen_are_in_flight_and_the_rest_waits_in_order() -> None:
    client = Client()
    for n in range(IN_FLIGHT_LIMIT + 2):
        client.create(str(n), stream_id=f"lane{n}")
    assert len(client.starts) == IN_FLIGHT_LIMIT
    client.produce(DONE, response=client.starts[3].response_id)
    assert len(client.starts) == IN_FLIGHT_LIMIT + 1
    assert client.starts[-1].prompt.items[-1] == Message("user", str(IN_FLIGHT_LIMIT))


def test_lane_names_are_limited_and_the_unnamed_lane_does_not_count() -> None:
    client = Client()
    client.turn()
    for n in range(LANE_LIMIT):
        client.turn(stream_id=f"lane{n}")
    events = client.create(stream_id="one.too.many")
    assert code(events) == "websocket_stream_limit_reached"
    assert events[0]["stream_id"] == "one.too.many"
    client.turn(stream_id="lane0")


def test_the_queue_is_bounded() -> None:
    client = Client()
    for _ in range(QUEUE_LIMIT + 1):
        client.create()
    events = client.create()
    assert events[0]["status"] == 429


@pytest.mark.parametrize("name", ["", "ä", "a b", "x" * 257, 5, ["a"]])
def test_a_bad_lane_name_is_refused(name: Any) -> None:
    events = Client().create(stream_id=name)
    assert code(events) == "invalid_stream_id"
    assert "stream_id" not in events[0]


# ── cancelling ───────────────────────────────────────────────────────────────────────────────


def test_a_cancel_stops_the_work_and_frees_the_lane() -> None:
    client = Client()
    parent = client.turn()
    client.create("Tell me all", previous_response_id=parent)
    client.produce(TextDelta("Once"))
    client.create("Stop", previous_response_id=parent)
    cancelled = client.starts[-1].response_id
    events = client.send({"type": "response.cancel", "response_id": cancelled})
    assert client.stops == [cancelled]
    assert "response.incomplete" in types(events)
    assert client.starts[-1].prompt.items[-1] == Message("user", "Stop")
    assert client.produce(TextDelta("late"), DONE, response=cancelled) == []


@pytest.mark.parametrize("response_id", ["resp_unknown", 5, None])
def test_an_unknown_cancel_gets_no_answer(response_id: Any) -> None:
    assert Client().send({"type": "response.cancel", "response_id": response_id}) == []


def test_a_late_cancel_gets_no_answer() -> None:
    client = Client()
    done = client.turn()
    assert client.send({"type": "response.cancel", "response_id": done}) == []
    client.create(previous_response_id=done)
    assert len(client.starts) == 2


# ── the connection's time ────────────────────────────────────────────────────────────────────


def test_a_connection_lasts_an_hour_and_then_says_so() -> None:
    client = Client(opened_seconds=10.0)
    client.create(stream_id="a")
    client.create("And this", stream_id="a")
    assert client.machine.deadline() == 10.0 + CONNECTION_SECONDS == 3610.0
    assert client.wait(3609.9) == []
    events = client.wait(3610.0)
    assert code(events) == "websocket_connection_limit_reached"
    assert (events[0]["status"], events[0]["error"]["type"]) == (400, "invalid_request_error")
    assert "stream_id" not in events[0]
    assert "60 minutes" in events[0]["error"]["message"]
    assert client.stops == [client.starts[0].response_id]
    assert client.ends == [Close(1000, "the connection's time is over")]


def test_nothing_is_done_for_a_connection_whose_time_is_over() -> None:
    client = Client(connection_seconds=5.0)
    client.create()
    client.wait(5.0)
    assert client.machine.deadline() is None
    assert client.wait(6.0) == client.create() == client.produce(DONE) == client.fail() == []


# ── any input ────────────────────────────────────────────────────────────────────────────────

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "model",
            "input",
            "instructions",
            "previous_response_id",
            "generate",
            "store",
            "tools",
            "tool_choice",
            "stream_id",
            "temperature",
            "max_output_tokens",
            "truncation",
            "stop",
            "text",
            "reasoning",
            "metadata",
            "stream",
        ]
    ),
    JSON
    | st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["message", "function_call", "function", "reasoning"]),
                "role": st.sampled_from(["user", "assistant", "robot"]),
                "content": JSON,
                "call_id": JSON,
                "name": JSON,
                "parameters": JSON,
            },
        )
    ),
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["response.create", "response.steer"]),
    st.lists(st.text() | st.binary() | JSON.map(json.dumps) | FIELDS, max_size=5),
)
def test_no_message_crashes_it_and_each_is_answered_by_at_most_a_refusal(
    kind: str, messages: list[Any]
) -> None:
    client = Client()
    for message in messages:
        event = {"type": kind, **message} if isinstance(message, dict) else None
        text = json.dumps(event) if event else message
        events = client.machine.receive(MessageReceived(text), 1.0)
        kinds = [type(action).__name__ for action in events]
        assert kinds in (["Send"], ["Send", "Send", "Start"], [])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_the_order_lanes_never_overlap_and_sequences_have_no_gaps(
    data: st.DataObject,
) -> None:
    client = Client()
    running: dict[str, str] = {}
    for _ in range(data.draw(st.integers(1, 40))):
        before = len(client.starts)
        if running and data.draw(st.booleans()):
            response = data.draw(st.sampled_from(sorted(running)))
            del running[response]
            if data.draw(st.booleans()):
                client.produce(TextDelta("x"), DONE, response=response)
            else:
                client.send({"type": "response.cancel", "response_id": response})
        else:
            client.create("Hi", stream_id=data.draw(st.sampled_from("abc")))
        for start in client.starts[before:]:
            lane = next(
                event["stream_id"]
                for event in client.events
                if event.get("response", {}).get("id") == start.response_id
            )
            assert lane not in running.values()
            running[start.response_id] = lane
    numbers: dict[str, list[int]] = {}
    owner: dict[str, str] = {}
    for event in client.events:
        if "response" in event:
            owner[event["stream_id"]] = event["response"]["id"]
        numbers.setdefault(owner[event["stream_id"]], []).append(event["sequence_number"])
    for sequence in numbers.values():
        assert sequence == list(range(len(sequence)))
