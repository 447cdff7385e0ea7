"""The protocol machine: order of events, lanes, caches, limits and refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.protocol_client import DONE, TOOL, Client, code, types
from voice.responses.events import SERVER_EVENTS
from voice.server.backend import (
    Call,
    CallOutput,
    Finished,
    Message,
    Reasoning,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)
from voice.server.lanes import IN_FLIGHT_LIMIT, LANE_LIMIT, QUEUE_LIMIT
from voice.server.protocol import CONNECTION_SECONDS
from voice.server.signals import BackendFailed, Close, Keep, MessageReceived, PieceProduced, Send

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


# ── the store ────────────────────────────────────────────────────────────────────────────────


def stored_elsewhere() -> tuple[Client, str]:
    """A connection whose store takes its time, and a response that another one has stored."""
    other = Client()
    response = other.turn(store=True)
    client = Client(other.store)
    client.prompt = False
    return client, response


def test_a_request_waits_for_the_store_and_its_lane_waits_with_it() -> None:
    client, parent = stored_elsewhere()
    assert client.create("1", stream_id="a", previous_response_id=parent) == []
    assert client.fetches == [parent]
    assert client.create("2", stream_id="a") == []
    client.create("3", stream_id="b")
    assert [start.prompt.items[-1] for start in client.starts] == [Message("user", "3")]
    assert types(client.answer()) == ["response.created", "response.in_progress"]
    assert client.starts[-1].prompt.items == (
        Message("user", "Hello"),
        Message("assistant", "Hi."),
        Message("user", "1"),
    )
    client.produce(DONE)
    assert client.starts[-1].prompt.items == (Message("user", "2"),)


def test_two_lanes_that_continue_one_response_ask_for_it_once() -> None:
    client, parent = stored_elsewhere()
    for lane in "ab":
        client.create(stream_id=lane, previous_response_id=parent)
    assert client.fetches == [parent]
    lanes = {event["stream_id"] for event in client.answer()}
    assert lanes == {"a", "b"}
    assert len(client.starts) == 2
    client.create(stream_id="c", previous_response_id=parent)
    assert client.fetches == [parent]  # nothing of it was kept for later


def test_a_response_that_is_not_stored_is_not_found_and_the_lane_goes_on() -> None:
    client, _ = stored_elsewhere()
    latest = client.turn(stream_id="a")
    client.create(stream_id="a", previous_response_id="resp_unknown")
    client.create("Then", stream_id="a", previous_response_id=latest)
    events = client.answer()
    assert code(events[:1]) == "previous_response_not_found"
    assert events[0]["stream_id"] == "a"
    assert types(events[1:]) == ["response.created", "response.in_progress"]
    assert client.starts[-1].prompt.items[-1] == Message("user", "Then")


def test_what_the_store_says_after_the_end_counts_no_more() -> None:
    client, parent = stored_elsewhere()
    client.create(previous_response_id=parent)
    client.wait(CONNECTION_SECONDS)
    assert client.answer() == client.starts == []


def test_a_response_that_ends_while_the_store_is_asked_for_it_is_found() -> None:
    client, _ = stored_elsewhere()
    client.create(stream_id="a")
    parent = client.starts[-1].response_id
    client.create("Go on", stream_id="b", previous_response_id=parent)
    assert client.fetches == [parent]
    client.produce(TextDelta("Hi."), DONE)
    client.answer()
    assert client.starts[-1].prompt.items[1:] == (
        Message("assistant", "Hi."),
        Message("user", "Go on"),
    )


def test_who_waits_for_the_store_is_in_flight() -> None:
    client, parent = stored_elsewhere()
    for n in range(IN_FLIGHT_LIMIT):
        client.create(stream_id=f"lane{n}", previous_response_id=parent)
    client.create(stream_id="late")
    assert client.starts == []
    client.answer()
    assert len(client.starts) == IN_FLIGHT_LIMIT
    client.produce(DONE)
    assert len(client.starts) == IN_FLIGHT_LIMIT + 1


def test_a_deleted_response_cannot_be_continued_not_even_from_memory() -> None:
    client = Client()
    parent = client.turn(store=True)
    client.create("And?", previous_response_id=parent)  # what is under way goes on
    client.delete(parent)
    child = client.starts[-1].response_id
    client.produce(DONE)
    events = client.create(previous_response_id=parent, stream_id="b")
    assert code(events) == "previous_response_not_found"
    client.turn(previous_response_id=child)


def test_words_that_wait_for_a_response_that_is_deleted_come_back() -> None:
    client = Client()
    client.create(tools=[TOOL], store=True)
    client.produce(ToolCall("get_time", "{}"), DONE)
    client.steer()
    events = client.delete(client.starts[-1].response_id)
    assert types(events) == ["response.steer.failed"]


def test_a_response_is_kept_before_its_end_is_said_where_it_may_be() -> None:
    def kept(store: bool | None, *pieces: Any) -> list[str]:
        client = Client()
        client.create(store=store)
        response = client.starts[-1].response_id
        actions = client.machine.receive(PieceProduced(response, TextDelta("Hi.")), 1.0)
        for piece in pieces:
            actions += client.machine.receive(piece(response), 1.0)
        names = [type(action).__name__ for action in actions]
        assert "Keep" not in names or isinstance(actions[-1], Send)
        return names

    def done(response: str) -> PieceProduced:
        return PieceProduced(response, DONE)

    def failed(response: str) -> BackendFailed:
        return BackendFailed(response, "server_error", "out of luck")

    assert kept(True, done).count("Keep") == kept(None, done).count("Keep") == 1
    assert "Keep" not in kept(False, done)
    assert "Keep" not in kept(True, failed)


def test_what_is_kept_tells_what_the_parent_left_from_what_came_new() -> None:
    client = Client()
    parent = client.turn("Hello", "Hi.", store=True)
    client.create("And?", previous_response_id=parent, store=True)
    response = client.starts[-1].response_id
    client.machine.receive(PieceProduced(response, TextDelta("Yes.")), 1.0)
    actions = client.machine.receive(PieceProduced(response, DONE), 1.0)
    (kept,) = [action.kept for action in actions if isinstance(action, Keep)]
    assert kept.before == (Message("user", "Hello"), Message("assistant", "Hi."))
    assert kept.given == (Message("user", "And?"),)
    assert kept.written == (Message("assistant", "Yes."),)
    assert (kept.response.status, kept.response.previous_response_id) == ("completed", parent)


# ── thoughts ─────────────────────────────────────────────────────────────────────────────────


def test_thoughts_come_as_an_item_of_their_own_and_stay_in_the_conversation() -> None:
    client = Client()
    client.create(stream_id="a")
    events = client.produce(
        ReasoningDelta("Let me"), ReasoningDelta(" see."), TextDelta("Noon."), DONE
    )
    assert types(events) == [
        "response.output_item.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.get("output_index") for event in events[:-1]] == [0] * 5 + [1] * 6
    assert events[3]["text"] == "Let me see."
    thoughts, message = events[-1]["response"]["output"]
    assert thoughts == events[4]["item"]
    assert thoughts["content"] == [{"type": "reasoning_text", "text": "Let me see."}]
    assert (thoughts["status"], events[0]["item"]["status"]) == ("completed", "in_progress")
    assert message["content"][0]["text"] == "Noon."
    client.create("And?", stream_id="a", previous_response_id=client.starts[-1].response_id)
    assert Reasoning(thoughts) in client.starts[-1].prompt.items


def test_thoughts_alone_are_no_answer_and_those_that_are_cut_are_incomplete() -> None:
    client = Client()
    client.create()
    events = client.produce(ReasoningDelta("Hm."), DONE)
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["reasoning", "message"]
    client.create()
    client.produce(ReasoningDelta("Hm."))
    events = client.cancel()
    (thoughts,) = events[-1]["response"]["output"]
    assert thoughts["status"] == "incomplete"


def test_thoughts_after_words_close_the_words_first() -> None:
    client = Client()
    client.create(tools=[TOOL])
    events = client.produce(
        TextDelta("Well,"), ReasoningDelta("Hm."), ToolCall("get_time", "{}"), DONE
    )
    kinds = [item["type"] for item in events[-1]["response"]["output"]]
    assert kinds == ["message", "reasoning", "function_call"]
    added = [e["output_index"] for e in events if e["type"] == "response.output_item.added"]
    done = [e["output_index"] for e in events if e["type"] == "response.output_item.done"]
    assert added == done == [0, 1, 2]


# ── what is in force ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"tool_choice": "auto", "truncation": "auto", "parallel_tool_calls": True}),
        ({"truncation": "disabled"}, {"truncation": "disabled"}),
        ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ({"tool_choice": {"type": "web_search_preview"}}, {"tool_choice": "auto"}),
        (
            {"tool_choice": {"name": "get_time"}},
            {"tool_choice": {"type": "function", "name": "get_time"}},
        ),
        (
            {"text": {"verbosity": "low"}},
            {"text": {"format": {"type": "text"}, "verbosity": "low"}},
        ),
        ({"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}),
    ],
)
def test_a_response_says_what_is_in_force(given: Any, expected: dict[str, Any]) -> None:
    response = Client().create(tools=[TOOL], **given)[0]["response"]
    assert {key: response[key] for key in expected} == expected


def test_what_was_not_counted_is_not_claimed() -> None:
    client = Client()
    client.create()
    assert client.produce(TextDelta("Hi."), Finished(0, 0, 0))[-1]["response"]["usage"] is None
    client.create()
    assert client.fail()[-1]["response"]["usage"] is None
    client.create()
    assert client.cancel()[-1]["response"]["usage"] is None
    client.create()
    usage = client.produce(ReasoningDelta("Hm."), Finished(9, 4, 5, reasoning_tokens=3))
    assert usage[-1]["response"]["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 14,
    }


def test_every_kind_of_event_that_is_defined_is_sent_and_official() -> None:
    client = Client()
    response = client.turn(tools=[TOOL], text={"format": JSON_FORMAT}, metadata={"a": "b"})
    client.create(tools=[TOOL], tool_choice=ALLOWED, previous_response_id=response)
    client.produce(ReasoningDelta("Hm."), ToolCall("get_time", "{}"), DONE)
    client.steer()
    client.create("Never mind")
    client.fail()
    client.steer("resp_unknown")
    client.create(temperature="hot")
    client.create()
    client.cancel()
    hello: dict[str, Any] = {"role": "user", "content": "Hello"}
    client.create([hello, hello | {"role": "assistant"}, hello, {"type": "compaction_trigger"}])
    client.produce(TextDelta("A greeting."), DONE)
    assert {event["type"] for event in client.events} == set(SERVER_EVENTS)  # each was validated


JSON_FORMAT = {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}
ALLOWED = {
    "type": "allowed_tools",
    "mode": "required",
    "tools": [{"type": "function", "name": "get_time"}],
}

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
