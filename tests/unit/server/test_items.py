"""Items: what is read of them, what is refused, and how they are written."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from voice.server.backend import Call, CallOutput, Item, Message, Reasoning
from voice.server.items import read_item, read_items, write_item
from voice.server.refusals import Refused

THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "c2VjcmV0",
}


def written(item: Item) -> dict[str, Any]:
    numbers = itertools.count(1)
    return write_item(item, lambda prefix: f"{prefix}_{next(numbers)}")


@pytest.mark.parametrize(
    "item",
    [
        Message("user", "Hi"),
        Message("user", ""),
        Message("system", "Be kind."),
        Message("developer", "Be kind."),
        Message("assistant", "Hello."),
        Call("c", "f", '{"a":1}'),
        CallOutput("c", "noon"),
        Reasoning(THOUGHT),
    ],
)
def test_what_is_written_is_official_and_reads_the_same(item: Item) -> None:
    wire = written(item)
    TypeAdapter(ResponseItem).validate_python(wire)
    assert wire["id"]
    assert read_item(wire, "input[0]") == item


def test_thoughts_are_kept_as_they_came_and_completed_where_they_are_written() -> None:
    (item,) = read_items([{"type": "reasoning", "id": None}])
    assert item == Reasoning({"type": "reasoning", "id": None})
    assert written(item) == {"type": "reasoning", "id": "rs_1", "summary": []}


@pytest.mark.parametrize("item", [{"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}])
def test_a_reference_is_refused_with_what_to_do_instead(item: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"input\[1\] only names an item .* send the item itself"):
        read_items([{"role": "user", "content": "Hi"}, item])


@pytest.mark.parametrize("kind", ["input_image", "input_file", "input_audio"])
def test_what_is_not_text_is_refused_where_it_is(kind: str) -> None:
    content = [{"type": "input_text", "text": "See:"}, {"type": kind, "image_url": "data:,"}]
    with pytest.raises(Refused, match=f'only text is served here, not "{kind}"') as refused:
        read_items([{"role": "user", "content": content}])
    assert refused.value.body.param == "input[0].content[1]"
    with pytest.raises(Refused) as refused:
        read_items([{"type": "function_call_output", "call_id": "c", "output": content}])
    assert refused.value.body.param == "input[0].output[1]"
