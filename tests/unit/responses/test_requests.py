"""What a request holds."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.support.agent_bench import TOOLS, assistant, user
from voice.responses.conversation import Node
from voice.responses.events import JsonObject, encode
from voice.responses.lanes import Exchange, Head, Purpose
from voice.responses.options import AgentOptions
from voice.responses.requests import Features, Requests

SETTLED = Node().child([user("hello"), assistant("Hi.")])
ASKED = SETTLED.child([user("what time is it")])


def body(
    purpose: Purpose = "answer",
    parent: Head | None = None,
    features: Features = Features(),  # noqa: B008 - frozen
    tools: list[JsonObject] = TOOLS,
    **options: Any,
) -> dict[str, Any]:
    """The request for `ASKED`, as it is sent."""
    requests = Requests("m", AgentOptions(**options), features, lambda: tools)
    exchange = Exchange(purpose, 1, ASKED, "voice-3", parent)
    made: dict[str, Any] = msgspec.json.decode(encode(requests.make(exchange)))
    return made


def test_a_request_without_a_parent_holds_everything() -> None:
    assert body(instructions="Be brief.") == {
        "type": "response.create",
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": "hello"},
            {"type": "message", "role": "assistant", "content": "Hi."},
            {"type": "message", "role": "user", "content": "what time is it"},
        ],
        "instructions": "Be brief.",
        "previous_response_id": None,
        "tools": TOOLS,
        "store": False,
        "stream_id": "voice-3",
    }


def test_a_request_with_a_parent_holds_what_is_new() -> None:
    made = body(parent=Head(SETTLED, "r1", "voice-1"), instructions="Be brief.")
    assert made["previous_response_id"] == "r1"
    assert [item["content"] for item in made["input"]] == ["what time is it"]
    assert made["instructions"] == "Be brief.", "they are not inherited"
    assert made["tools"] == TOOLS, "nor are they"


@pytest.mark.parametrize("purpose", ["prime", "draft"])
def test_input_that_is_only_to_be_read_says_so(purpose: Purpose) -> None:
    assert body(purpose)["generate"] is False


def test_without_tools_none_are_named() -> None:
    assert "tools" not in body(tools=[])


def test_the_server_may_keep_responses_where_that_is_wanted() -> None:
    assert body(store=True)["store"] is True


def test_a_server_that_can_make_conversations_short_is_told_when() -> None:
    compacts = Features(compaction=True)
    made = body(features=compacts, context_tokens=8)
    assert made["context_management"] == [{"type": "compaction", "compact_threshold": 8}]
    assert "context_management" not in body(features=compacts, context_tokens=500), "far from it"
    assert "context_management" not in body(features=compacts, context_tokens=0)
    assert "context_management" not in body(context_tokens=500)


def test_tools_are_looked_up_for_each_request() -> None:
    offered: list[JsonObject] = []
    requests = Requests("m", AgentOptions(), Features(), lambda: list(offered))
    exchange = Exchange("answer", 1, ASKED, "voice-3")
    before = encode(requests.make(exchange))
    offered += TOOLS
    assert "look" not in before
    assert "look" in encode(requests.make(exchange))
