"""What is left out of a long conversation, what is kept, and what a connection says of it."""

from __future__ import annotations

from typing import Any, TypeGuard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.server.protocol_client import DONE, TOOL, Client, code, types
from voice.server.backend import (
    Call,
    CallOutput,
    Compacted,
    Finished,
    Item,
    Message,
    Reasoning,
    ReasoningDelta,
    TextDelta,
    ToolCall,
)
from voice.server.compaction import (
    SUMMARY,
    SUMMARY_REQUEST,
    asked,
    expanded,
    planned,
    sealed,
    since_compaction,
    unsealed,
)
from voice.server.refusals import Refused
from voice.server.requests import check_outputs

THRESHOLD = 1000
TRIGGER = {"type": "compaction_trigger"}
LONG: dict[str, Any] = {
    "context_management": [{"type": "compaction", "compact_threshold": THRESHOLD}]
}
OVER, UNDER = Finished(THRESHOLD + 1, 0, 0), Finished(THRESHOLD, 0, 0)


def user(text: str) -> Message:
    return Message("user", text)


def said(text: str) -> Message:
    return Message("assistant", text)


def is_user(item: Item) -> TypeGuard[Message]:
    return isinstance(item, Message) and item.role == "user"


def long(name: str) -> str:
    """Some 300 tokens."""
    return f"{name} " + "word " * 240


TALK: tuple[Item, ...] = (user(long("one")), said(long("two")), user("three"), said("four"))
PART = st.sampled_from(
    ["user", "assistant", "system", "call", "call", "output", "output", "thought", "compaction"]
)

# ── what is kept ─────────────────────────────────────────────────────────────────────────────


def test_the_last_turns_that_fit_are_kept_as_they_are() -> None:
    made = asked((*TALK, user("five"), said("six")))
    assert made.older == TALK[:2]
    assert made.kept == (*TALK[2:], user("five"), said("six"))


def test_the_last_words_are_kept_whatever_their_length() -> None:
    pieces = (user(long("five")), user(" and six"))
    made = asked((*TALK, *pieces))
    assert made.kept == pieces
    assert made.older == TALK


def test_in_a_long_turn_the_last_calls_are_kept_and_the_words_they_serve() -> None:
    calls = [
        part
        for n in range(9)
        for part in (Reasoning({}), Call(f"c{n}", "look", "{}"), CallOutput(f"c{n}", long("x")))
    ]
    made = asked((user("Look"), *calls))
    assert made.kept == (user("Look"), *(part for part in calls[-6:] if part != Reasoning({})))
    assert made.older == (user("Look"), *calls[:-6])


def test_calls_without_an_output_yet_are_kept() -> None:
    waiting = Call("c", "look", "{}")
    made = asked((*TALK, user("Look"), said(long("so")), waiting, said(long("hm"))))
    assert made.kept == (user("Look"), waiting, said(long("hm")))


def test_the_users_own_words_are_kept_as_far_as_they_are_short() -> None:
    chat = [part for n in range(9) for part in (user(f"I am {n}"), said(long("so")))]
    made = asked((user(long("one") * 3), said("oh"), *chat, user("Well?")))
    assert made.said == tuple(f"I am {n}" for n in range(9 - len(made.kept) // 2))
    made.summary = "A count."
    again = asked((made.result, *chat, user("And?")))
    assert again.said[: len(made.said)] == made.said, "and they outlive the next summary"
    told = expanded((made.result,))[0]
    assert told == user(
        f"{SUMMARY}A count.\n\nWhat I had said myself:\n"
        + "\n".join(f"- {text}" for text in made.said)
    )


def test_instructions_are_kept_wherever_they_are() -> None:
    made = asked((Message("system", "Rhyme."), *TALK, Message("developer", "Now."), user("five")))
    assert made.kept == (
        Message("system", "Rhyme."),
        *TALK[2:],
        Message("developer", "Now."),
        user("five"),
    )


def test_a_summary_is_told_as_words_of_the_user_and_summarized_again() -> None:
    once = Compacted("They counted.", TALK[2:])
    history = (*TALK, once, user(long("five")), said("six"), user("seven"))
    told = expanded(history)
    assert told[0] == user(SUMMARY + "They counted.")
    assert [item.role for item in told if isinstance(item, Message)] == [
        "user", "assistant", "user", "assistant", "user", "assistant", "user"
    ]  # fmt: skip
    again = asked(history)
    assert again.older == told[:-1]
    assert again.kept == (user("seven"),)


def test_where_nothing_can_be_left_out_all_is_kept() -> None:
    assert asked((user("one"),)).older == ()
    assert asked((user("one"),)).result == Compacted("", (user("one"),))
    once = Compacted("They counted.", (user("one"),))
    assert asked((once,)).result == once
    assert planned((user(long("one") * 9),), THRESHOLD) is None


def test_what_is_short_is_not_even_counted() -> None:
    assert planned(TALK[:2], THRESHOLD) is None, "only instructions and tools could be so long"
    assert planned((*TALK, *TALK), THRESHOLD)


@given(st.lists(PART, max_size=40), st.integers(1, 4000))
def test_calls_stay_with_their_outputs_and_nothing_is_lost(parts: list[str], size: int) -> None:
    history: list[Item] = []
    open_calls: list[str] = []
    for n, part in enumerate(parts):
        match part:
            case "call":
                history.append(Call(f"c{n}", "look", "x" * (size % (n + 1))))
                open_calls.append(f"c{n}")
            case "output" if open_calls:
                history.append(CallOutput(open_calls.pop(0), "y" * (size % 97)))
            case "thought":
                history.append(Reasoning({}))
            case "compaction":
                history.append(Compacted("So far.", ()))
                open_calls.clear()
            case "user" | "assistant" | "system":
                history.append(Message(part, f"{n} " + "w" * (size % 301)))
    made = asked(tuple(history))
    told = expanded(tuple(history))
    now = [item for item in told[2 * bool(made.summary) :] if item != Reasoning({})]
    assert all(item in (*made.older, *made.kept) for item in now)
    check_outputs(made.kept)
    pairs = {item.call_id: item for item in now if isinstance(item, CallOutput)}
    last = max((n for n, item in enumerate(now) if is_user(item)), default=0)
    for n, item in enumerate(now):
        if isinstance(item, Call) and item in made.kept and item.call_id in pairs:
            assert pairs[item.call_id] in made.kept
        if isinstance(item, Call) and item.call_id not in pairs and n >= last:
            assert item in made.kept, "its output may come yet"
    if now and is_user(now[last]) and not now[last].text.startswith(SUMMARY):
        assert now[last] in made.kept


# ── the seal ─────────────────────────────────────────────────────────────────────────────────


@given(
    st.text(),
    st.lists(
        st.builds(Message, st.sampled_from(["user", "assistant", "system"]), st.text())
        | st.builds(Call, st.text(), st.text(), st.text())
        | st.builds(CallOutput, st.text(), st.text())
    ),
    st.lists(st.text()),
)
def test_what_is_sealed_comes_back_as_it_was(
    summary: str, kept: list[Item], own: list[str]
) -> None:
    whole = Compacted(summary, tuple(kept), tuple(own))
    assert unsealed(sealed(whole), "x") == whole


@pytest.mark.parametrize("content", ["", "gAAAAABpM0Yj", "voice-1.", "voice-2.0.0"])
def test_the_seal_of_another_server_is_refused(content: str) -> None:
    with pytest.raises(Refused, match=r"input\[0\]\.x was made by another server") as refused:
        unsealed(content, "input[0].x")
    assert refused.value.body.code == "invalid_encrypted_content"


def test_a_seal_that_was_changed_is_refused() -> None:
    content = sealed(Compacted("Call me Tom.", ()))
    for n in range(len(content)):
        changed = content[:n] + ("A" if content[n] != "A" else "B") + content[n + 1 :]
        with pytest.raises(Refused):
            unsealed(changed, "x")


@pytest.mark.parametrize(
    "rows", [[], [1], ["s", "t"], ["s", ["message", "root", "t"]], ["s", ["call", 1, "n", "a"]]]
)
def test_a_forged_seal_makes_no_item_that_could_not_be_sent(
    rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voice.server.compaction._rows", lambda _: rows[1:])
    with pytest.raises(Refused, match="does not know"):
        unsealed(sealed(Compacted(rows[0] if rows else 0, ())), "x")


# ── on a connection ──────────────────────────────────────────────────────────────────────────


def grown(client: Client, **fields: Any) -> str:
    """Two turns of some 600 tokens each."""
    first = client.turn(long("one"), long("two"), **fields)
    return client.turn(long("three"), long("four"), previous_response_id=first, **fields)


def test_a_conversation_over_the_threshold_is_compacted_before_the_answer() -> None:
    client = Client()
    parent = grown(client)
    assert types(client.create("five", previous_response_id=parent, **LONG)) == [
        "response.created",
        "response.in_progress",
    ]
    assert not client.starts[-1].generate, "it is counted"
    assert client.produce(OVER) == []
    summary = client.starts[-1]
    assert summary.generate
    assert summary.prompt.items[-1] == user(SUMMARY_REQUEST)
    assert user("five") not in summary.prompt.items
    assert (summary.prompt.tool_choice, summary.prompt.max_output_tokens) == ("none", 128)
    new = client.produce(ReasoningDelta("Hm."), TextDelta(" "), TextDelta("They "))
    assert types(new) == ["response.output_item.added"]
    new = client.produce(TextDelta("counted."), ToolCall("get_time", "{}"), DONE)
    assert types(new) == ["response.output_item.done"]
    assert client.starts[-1].prompt.items[0] == user(SUMMARY + "They counted.")
    assert client.starts[-1].prompt.items[-1] == user("five")
    new = client.produce(TextDelta("Six."), DONE)
    response = new[-1]["response"]
    assert [(item["type"], n) for n, item in enumerate(response["output"])] == [
        ("compaction", 0),
        ("message", 1),
    ]
    assert {event["output_index"] for event in new[:-1]} == {1}
    assert response["usage"]["input_tokens"] == DONE.input_tokens, "of the answer alone"
    numbers = [event["sequence_number"] for event in client.events]
    assert numbers[-len(set(numbers)) :] == list(range(max(numbers) + 1))


def test_the_chain_goes_on_from_what_was_compacted() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), **LONG)
    client.produce(OVER, TextDelta("They counted."), DONE, TextDelta("Six."), DONE)
    client.create("seven", previous_response_id=client.starts[-1].response_id)
    told = client.starts[-1].prompt.items
    assert told[0] == user(SUMMARY + "They counted.")
    assert told[2:] == (user("five"), said("Six."), user("seven"))


def test_a_client_may_go_on_with_the_items_alone() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), **LONG)
    new = client.produce(OVER, TextDelta("They counted."), DONE, TextDelta("Six."), DONE)
    compaction = new[-1]["response"]["output"][0]
    client.create(
        [{"role": "user", "content": "lost"}, compaction, {"role": "user", "content": "7"}]
    )
    told = client.starts[-1].prompt.items
    assert told == (*expanded((unsealed(compaction["encrypted_content"], ""),)), user("7"))
    assert user("five") in told


def test_a_stored_response_keeps_what_was_compacted() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), store=True, **LONG)
    client.produce(OVER, TextDelta("They counted."), DONE, TextDelta("Six."), DONE)
    kept = client.kept[-1]
    assert kept.settled.history == (
        Compacted("They counted.", (user("five"),)),
        said("Six."),
    )
    other = Client(store=client.store)
    other.create("seven", previous_response_id=kept.response.id)
    assert other.starts[-1].prompt.items[0] == user(SUMMARY + "They counted.")


def test_a_conversation_that_is_not_so_long_is_answered() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), **LONG)
    client.produce(UNDER)
    assert client.starts[-1].generate
    assert len(client.starts[-1].prompt.items) == 5
    assert types(client.produce(TextDelta("Six."), DONE))[-1] == "response.completed"


def test_a_backend_that_does_not_count_is_helped_out() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), **LONG)
    client.produce(Finished(0, 0, 0))
    assert client.starts[-1].prompt.items[-1] == user(SUMMARY_REQUEST)


def test_without_a_summary_the_answer_comes_all_the_same() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), **LONG)
    client.produce(OVER, TextDelta("\n"), DONE)
    assert client.starts[-1].prompt.items[-1] == user("five")
    assert len(client.starts[-1].prompt.items) == 5
    assert types(client.produce(TextDelta("Six."), DONE))[-1] == "response.completed"


def test_an_empty_answer_after_a_compaction_is_a_message() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), **LONG)
    new = client.produce(OVER, TextDelta("They counted."), DONE, DONE)
    assert [item["type"] for item in new[-1]["response"]["output"]] == ["compaction", "message"]


def test_reading_ahead_compacts_nothing() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), generate=False, **LONG)
    assert types(client.produce(OVER)) == ["response.completed"]


@pytest.mark.parametrize("pieces", [[], [OVER], [OVER, TextDelta("They ")]])
def test_it_can_be_cancelled_and_can_fail_at_any_time(pieces: list[Any]) -> None:
    for end, last in (
        (Client.cancel, "response.incomplete"),
        (Client.fail, "response.failed"),
    ):
        client = Client()
        client.create("five", previous_response_id=grown(client), **LONG)
        client.produce(*pieces)
        ended = end(client)
        assert types(ended) == [last]
        assert ended[0]["response"]["output"] == []
        assert client.produce(TextDelta("late"), DONE) == []


def test_it_cannot_be_steered() -> None:
    client = Client()
    client.create("five", previous_response_id=grown(client), **LONG)
    assert client.steer()[0]["error"]["code"] == "steering_not_supported"


# ── asked for outright ───────────────────────────────────────────────────────────────────────


def test_a_trigger_makes_a_response_of_a_compaction_alone() -> None:
    client = Client()
    client.create([TRIGGER], previous_response_id=grown(client), tools=[TOOL])
    assert client.starts[-1].prompt.items[-1] == user(SUMMARY_REQUEST)
    new = client.produce(TextDelta("They counted."), Finished(9, 0, 2, reached_limit=True))
    assert types(new) == [
        "response.output_item.added",
        "response.compaction.compacting",
        "response.output_item.done",
        "response.completed",
    ]
    assert new[1]["item_id"] == new[2]["item"]["id"]
    response = new[-1]["response"]
    assert [item["type"] for item in response["output"]] == ["compaction"]
    assert response["usage"]["total_tokens"] == 11
    client.create("five", previous_response_id=response["id"])
    assert client.starts[-1].prompt.items[0] == user(SUMMARY + "They counted.")


def test_a_short_conversation_is_compacted_without_the_model() -> None:
    client = Client()
    new = client.create([{"role": "user", "content": "Hello"}, TRIGGER])
    assert client.starts == []
    assert types(new)[-1] == "response.completed"
    content = new[-1]["response"]["output"][0]["encrypted_content"]
    assert unsealed(content, "") == Compacted("", (user("Hello"),))


def test_a_trigger_fails_without_a_summary() -> None:
    client = Client()
    client.create([TRIGGER], previous_response_id=grown(client))
    failed = client.produce(DONE)[-1]
    assert failed["response"]["error"]["message"] == "The model wrote no summary."


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"input": [TRIGGER]}, "missing_required_parameter"),
        ({"input": [TRIGGER, {"role": "user", "content": "x"}]}, "invalid_value"),
        (
            {"input": [{"role": "user", "content": "x"}, TRIGGER], "generate": False},
            "invalid_value",
        ),
        ({"input": [{"type": "compaction"}]}, "missing_required_parameter"),
        (
            {"input": [{"type": "compaction", "encrypted_content": "gAAAA"}]},
            "invalid_encrypted_content",
        ),
        ({"context_management": "yes"}, "invalid_type"),
        ({"context_management": ["yes"]}, "invalid_type"),
        ({"context_management": [{"type": "clear"}]}, "invalid_value"),
        ({"context_management": [{"type": "compaction"}]}, "missing_required_parameter"),
        (
            {"context_management": [{"type": "compaction", "compact_threshold": 999}]},
            "integer_below_min_value",
        ),
        (
            {"context_management": [{"type": "compaction", "compact_threshold": True}]},
            "invalid_type",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(fields: dict[str, Any], expected: str) -> None:
    assert code(Client().create(**fields)) == expected


def test_the_history_begins_with_the_last_compaction() -> None:
    first, last = Compacted("a", ()), Compacted("b", ())
    assert since_compaction((user("1"), first, user("2"), last, user("3"))) == (last, user("3"))
    assert since_compaction(TALK) == TALK
