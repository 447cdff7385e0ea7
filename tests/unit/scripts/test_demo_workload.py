"""The chain that all ways ask for."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace

from scripts.demo.workload import FULL, SMALL, TINY, call_output, request
from voice.server.script import load_script


def test_it_has_the_size_that_it_is_said_to_have() -> None:
    size = FULL.describe()
    assert size["steps"] == 24
    assert size["tools"] == len(FULL.tools()) == 12
    assert 900 <= size["instruction_tokens"] <= 1300
    assert 170 <= size["output_tokens"] <= 240
    assert TINY.describe()["instruction_tokens"] < SMALL.describe()["instruction_tokens"] < 200


def test_outputs_are_json_and_differ_from_step_to_step() -> None:
    outputs = [FULL.output(step) for step in range(FULL.steps)]
    assert len(set(outputs)) == FULL.steps
    assert all(len(json.loads(output)["records"]) == FULL.records for output in outputs)


def test_the_script_makes_the_calls_that_the_requests_demand(tmp_path) -> None:
    path = tmp_path / "calls.toml"
    path.write_text(FULL.script())
    replies = load_script(path).reply
    for step, reply in enumerate(replies):
        demanded = request(FULL, "m", "Run 1", step, [])["tool_choice"]
        assert demanded == {"type": "function", "name": reply.call}
    assert len(replies) == FULL.steps
    assert tomllib.loads(FULL.script())["reply"][0]["arguments"] == {"page": "next"}


def test_a_tool_can_be_called_in_one_way_only() -> None:
    for tool in FULL.tools():
        (name,) = tool["parameters"]["required"]
        assert len(tool["parameters"]["properties"][name]["enum"]) == 1


def test_another_label_changes_the_very_first_words() -> None:
    one, other = FULL.instructions("Run 1"), FULL.instructions("3 of Run 1")
    assert one[0] != other[0]
    assert len(one) - len("Run 1") == len(other) - len("3 of Run 1")


def test_an_output_answers_its_call() -> None:
    item = call_output({"call_id": "c7"}, replace(TINY, records=0).output(0))
    assert item["call_id"] == "c7"
    assert json.loads(item["output"])["records"] == []
