"""Compaction over real sockets: the official SDK, our own agent, and a server that starts anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import CompactedResponse

from tests.support.chat_server import DONE, Json, Refusal, Request, chat_server, saying, usage
from tests.support.recording_backend import recorded
from tests.support.serving import Endless, sdk, serving
from tests.support.talk import talking
from voice.responses.requests import Features
from voice.server.compaction import SUMMARY, SUMMARY_REQUEST
from voice.server.limits import Limits
from voice.server.script import Reply, ScriptBackend
from voice.server.store import ResponseStore
from voice.server.upstream import Upstream, UpstreamBackend

LONG = "many words " * 300
"""The script's tokens are words: two of these are over the smallest threshold."""

COMPACTS: Any = [{"type": "compaction", "compact_threshold": 1000}]
COMPACTING = Features(ahead=True, steering=True, compaction=True, cancel=True)
REPLIES = [
    Reply(match=SUMMARY_REQUEST, text="Tom likes tea."),
    Reply(match="lamp", call="lamp", arguments={"on": True}),
    Reply(match="lamp", text="It is on."),
    Reply(text="I see."),
]


@pytest.fixture
async def address() -> AsyncIterator[str]:
    async with serving(ScriptBackend(REPLIES)) as address:
        yield address


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


# ── POST /v1/responses/compact ───────────────────────────────────────────────────────────────


async def test_the_sdk_compacts_a_window_and_goes_on_from_it(address: str) -> None:
    responses = sdk(address).responses
    window: Any = [user(LONG), {"role": "assistant", "content": LONG}, user("Well?")]
    compacted = await responses.compact(model="script", input=window)
    assert compacted.object == "response.compaction"
    said: list[Any] = list(compacted.output)
    assert [(item.type, getattr(item, "role", None)) for item in said] == [
        ("message", "user"),
        ("message", "user"),
        ("compaction", None),
    ]
    assert [item.content[0].text for item in said[:2]] == [LONG, "Well?"]
    assert compacted.usage.input_tokens > 1200, "the words that were summarized"
    again = [item.to_dict(warnings=False) for item in said]  # the types know no words of the user
    answer = await responses.create(model="script", input=[*again, user("So?")])
    assert answer.output_text == "I see."
    assert answer.usage
    assert answer.usage.input_tokens < 100


async def test_all_but_the_words_of_the_user_is_as_the_types_have_it(address: str) -> None:
    """They have no user's message in `output`, but say that it begins with all of them."""
    window = [user(LONG), {"role": "assistant", "content": LONG}, user("Well?")]
    async with httpx.AsyncClient(base_url=f"http://{address}/v1/responses") as client:
        answer = await client.post("/compact", json={"model": "script", "input": window})
    body = answer.json()
    assert [item["role"] for item in body["output"][:-1]] == ["user", "user"]
    CompactedResponse.model_validate({**body, "output": body["output"][-1:]}, strict=True)


async def test_a_stored_chain_is_compacted_by_its_id(address: str) -> None:
    responses = sdk(address).responses
    first = await responses.create(model="script", input=LONG)
    second = await responses.create(model="script", input=LONG, previous_response_id=first.id)
    compacted = await responses.compact(
        model="script", previous_response_id=second.id, input="And then?"
    )
    said: list[Any] = list(compacted.output)
    assert [item.content[0].text for item in said[:-1]] == [LONG, LONG, "And then?"]
    with pytest.raises(openai.NotFoundError):
        await responses.retrieve(compacted.id)


async def test_a_short_window_costs_nothing(address: str) -> None:
    compacted = await sdk(address).responses.compact(model="script", input="Hello")
    assert compacted.output[-1].type == "compaction"
    assert compacted.usage.total_tokens == 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": 3}, "input"),
        ({"input": {"type": "message"}}, "input"),
        ({"input": [{"type": "image"}]}, "input[0]"),
        ({"input": [[[]]]}, "input[0]"),
        ({"previous_response_id": "resp_unknown"}, "previous_response_id"),
        (
            {"input": [{"type": "compaction", "encrypted_content": "gAAAAABpM0Yj"}]},
            "input[0].encrypted_content",
        ),
    ],
)
async def test_what_cannot_be_compacted_is_refused_by_its_name(
    address: str, body: dict[str, Any], param: str
) -> None:
    async with httpx.AsyncClient(base_url=f"http://{address}/v1/responses") as client:
        answer = await client.post("/compact", json={"model": "script", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_who_goes_away_ends_the_summary() -> None:
    backend = Endless()
    async with serving(backend) as address:
        window: Any = [user(LONG), {"role": "assistant", "content": LONG}, user("Well?")]
        with pytest.raises(openai.APITimeoutError):
            await sdk(address).responses.compact(model="script", input=window, timeout=0.5)
        await backend.stopped.wait()


# ── in a response ────────────────────────────────────────────────────────────────────────────


async def test_the_sdk_streams_a_compaction_and_the_answer(address: str) -> None:
    window: Any = [user(LONG), {"role": "assistant", "content": LONG}, user("Well?")]
    async with sdk(address).responses.stream(
        model="script", input=window, context_management=COMPACTS
    ) as stream:
        events = [event async for event in stream]
    items: list[Any] = [event for event in events if event.type == "response.output_item.done"]
    assert [event.item.type for event in items] == ["compaction", "message"]
    assert [event.sequence_number for event in events if hasattr(event, "sequence_number")]
    answer = events[-1].response  # type: ignore[union-attr]
    assert answer.output_text == "I see."
    chained = await sdk(address).responses.create(
        model="script", input="So?", previous_response_id=answer.id
    )
    assert chained.usage
    assert chained.usage.input_tokens < 100, "what is stored goes on from the compaction"


async def test_over_the_limit_of_responses_a_compaction_still_comes_to_its_answer() -> None:
    async with serving(ScriptBackend(REPLIES), limits=Limits(responses=1)) as address:
        window: Any = [user(LONG), {"role": "assistant", "content": LONG}, user("Well?")]
        answer = await sdk(address).responses.create(
            model="script", input=window, context_management=COMPACTS
        )
    assert answer.output_text == "I see."


async def test_a_compaction_outlives_the_server_that_made_it(tmp_path: Path) -> None:
    window: Any = [user(LONG), {"role": "assistant", "content": LONG}, user("Well?")]
    store = await ResponseStore.open(tmp_path / "responses.sqlite")
    async with serving(ScriptBackend(REPLIES), store=store) as address:
        responses = sdk(address).responses
        made = await responses.create(model="script", input=window, context_management=COMPACTS)
    items = [item.model_dump() for item in made.output]
    store = await ResponseStore.open(tmp_path / "responses.sqlite")
    async with serving(ScriptBackend(), store=store) as address:
        responses = sdk(address).responses
        told: Any = [*items, user("So?")]
        sent = await responses.create(model="script", input=told)
        chained = await responses.create(model="script", input="So?", previous_response_id=made.id)
        assert sent.usage
        assert chained.usage
        assert chained.usage.input_tokens == sent.usage.input_tokens < 100
        listed = (await responses.input_items.list(chained.id, order="asc")).data
        assert [item.type for item in listed] == [*["message"] * 3, "compaction", *["message"] * 2]


async def test_another_server_counts_summarizes_and_is_told_turns_that_alternate() -> None:
    async def answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
        wants_summary = request.body["messages"][-1]["content"] == SUMMARY_REQUEST
        for part in saying("Tom likes tea." if wants_summary else "I see.")[:-1]:
            yield part
        yield usage(1001 if request.body.get("max_tokens") == 1 else 9, 0, 2)
        yield DONE

    window: Any = [user(LONG), {"role": "assistant", "content": LONG}, user("Well?")]
    async with chat_server(answer) as upstream:
        backend = await UpstreamBackend.open(Upstream(upstream.url, "m"))
        async with serving(backend) as address:
            made = await sdk(address).responses.create(
                model="m", input=window, context_management=COMPACTS, instructions="Be kind."
            )
        await backend.close()
    assert [item.type for item in made.output] == ["compaction", "message"]
    last = upstream.requests[-1].body["messages"]
    assert [message["role"] for message in last] == ["system", "user", "assistant", "user"]
    assert last[1]["content"] == f"{SUMMARY}Tom likes tea."


# ── our own agent ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("store", [False, True])
async def test_a_conversation_goes_on_through_compactions(store: bool) -> None:
    async with (
        recorded(ScriptBackend(REPLIES)) as (url, server),
        talking(url, COMPACTING, context_tokens=1000, store=store) as talk,
    ):
        for n in range(3):
            assert await talk.ask(f"Tell me {n}: {LONG}") == "I see."
        assert await talk.ask("Light the lamp") == "It is on."
        assert talk.failures == []
        assert any(line[0] == "compaction" for line in talk.settled)
    asked = [prompt[-1][1] for prompt in server.prompts]
    assert SUMMARY_REQUEST in asked
    last = server.prompts[-1]
    assert last[0] == ("user", f"{SUMMARY}Tom likes tea.")
    assert last[-2:] == [("call", 'lamp{"on": true}'), ("output", "lamp is on")]


async def test_an_answer_after_a_compaction_can_be_interrupted() -> None:
    replies = [REPLIES[0], Reply(match="sing", text="la " * 400), Reply(text="I see.")]
    backend = ScriptBackend(replies, tokens_per_second=400)
    async with (
        recorded(backend) as (url, server),
        talking(url, COMPACTING, context_tokens=1000) as talk,
    ):
        for n in range(2):
            await talk.ask(f"Tell me {n}: {LONG}")
        talk.begin("Now sing")
        heard = await talk.interrupt(3)
        assert await talk.ask("Enough") == "I see."
    last = server.prompts[-1]
    assert last[0] == ("user", f"{SUMMARY}Tom likes tea.")
    assert last[-3:] == [("user", "Now sing"), ("assistant", heard), ("user", "Enough")]


async def test_a_new_connection_is_told_the_compaction() -> None:
    async with (
        recorded(ScriptBackend(REPLIES), connection_seconds=1.0) as (url, server),
        talking(url, COMPACTING, context_tokens=1000) as talk,
    ):
        for n in range(3):
            await talk.ask(f"Tell me {n}: {LONG}")
        lost = len(talk.noted("connection.lost"))
        await talk.until(lambda: len(talk.noted("connection.lost")) > lost)
        assert await talk.ask("Well?") == "I see."
    assert server.prompts[-1][0] == ("user", f"{SUMMARY}Tom likes tea.")
    assert server.prompts[-1][-1] == ("user", "Well?")
