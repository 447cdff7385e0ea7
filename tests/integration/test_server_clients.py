"""The local server and clients that others wrote: programs of their own, in their own environment.

Each program in `tests/clients` holds its talks once and prints what it saw; the tests look at that.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import recording_proxy, script_server

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "clients"
ENVIRONMENT = ROOT / ".venv-clients"

LIMIT_SECONDS = 60.0
"""How long a program may take; it takes some seconds."""

Seen = dict[str, Any]


def watch(program: str, *arguments: str) -> Seen:
    """Run a program of `tests/clients` to its end, and return what it saw."""
    interpreter = ENVIRONMENT / "bin" / ("node" if program.endswith(".mjs") else "python")
    if not interpreter.exists():
        pytest.fail(f"{interpreter} is not there: run scripts/setup --test")
    env = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    done = subprocess.run(
        [str(interpreter), str(PROGRAMS / program), *arguments],
        env={**env, "NO_PROXY": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: Seen = json.loads(done.stdout)
    return seen


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of `voice serve`, which plays the clients' script at an even pace."""
    script = str(PROGRAMS / "script.toml")
    store = str(tmp_path_factory.mktemp("store") / "responses.sqlite")
    with script_server("--script", script, "--tokens-per-second", "100", "--store", store) as url:
        assert url, "the server did not start"
        yield url


@pytest.fixture(scope="module")
def python_sdk(url: str) -> Seen:
    return watch("python_sdk.py", url)


@pytest.fixture(scope="module")
def python_http(url: str) -> Seen:
    return watch("python_http.py", url)


@pytest.fixture(scope="module")
def node_sdk(url: str) -> Seen:
    folder = ENVIRONMENT / "node"
    if not (folder / ".installed").exists():
        pytest.skip("the Node SDK is not installed: scripts/setup --test could not fetch it")
    return watch("node/node_sdk.mjs", url, str(folder))


@pytest.fixture(scope="module")
def agents_sdk(url: str) -> Seen:
    """What the program saw, and as `requests` what it sent."""
    with recording_proxy(url) as proxy:
        return {**watch("agents_sdk.py", proxy.url), "requests": proxy.requests}


@pytest.fixture(scope="module")
def pipecat(url: str) -> Seen:
    """What the program saw, and as `requests` what it sent."""
    with recording_proxy(url) as proxy:
        return {**watch("pipecat_talk.py", proxy.url), "requests": proxy.requests}


@pytest.fixture(scope="module", params=["python_sdk", "node_sdk"])
def sdk(request: pytest.FixtureRequest) -> Seen:
    """Each of the official SDKs; their programs hold the same talks."""
    seen: Seen = request.getfixturevalue(request.param)
    return seen


def texts(answers: list[Seen]) -> list[str]:
    """The texts of answers, each of which came in pieces that make the whole."""
    assert all("".join(answer["deltas"]) == answer["text"] for answer in answers)
    return [answer["text"] for answer in answers]


def request_with(requests: list[Seen], words: str, n: int = 0) -> Seen:
    """The n-th request with these words in its input."""
    return [request for request in requests if words in json.dumps(request.get("input"))][n]


# ── the official SDKs ────────────────────────────────────────────────────────────────────────


def test_the_sdk_hears_a_turn_in_pieces(sdk: Seen) -> None:
    assert sdk["turn"]["deltas"] == ["Hello", " there."]
    assert texts([sdk["turn"]]) == ["Hello there."]
    assert sdk["turn"]["status"] == "completed"


def test_the_sdk_holds_a_chain(sdk: Seen) -> None:
    chain = sdk["chain"]
    assert texts(chain) == ["One.", "Two.", "Three."]
    assert [turn["parent"] for turn in chain] == [None, chain[0]["id"], chain[1]["id"]]


def test_the_sdk_calls_a_tool(sdk: Seen) -> None:
    asked, answer = sdk["tool"]
    [call] = asked["calls"]
    assert call["name"] == "set_timer"
    assert json.loads(call["arguments"]) == {"minutes": 5}
    assert texts(sdk["tool"]) == ["Let me see.", "Your timer is set."]
    assert answer["parent"] == asked["id"]


def test_the_sdk_runs_two_lanes_at_once_and_a_fork_goes_its_own_way(sdk: Seen) -> None:
    lanes = sdk["lanes"]
    assert lanes["ended"] == ["a", "b"]  # a was asked while b spoke, and did not wait for it
    assert lanes["texts"]["a"] == "Two."
    assert lanes["texts"]["b"].startswith("One could go on")
    assert lanes["texts"]["b"].endswith("slow.")
    assert texts(lanes["after"]) == ["Three.", "Two."]  # b has not heard the second count in a


def test_the_sdk_prepares_a_turn(sdk: Seen) -> None:
    ready, answer = sdk["prepared"]
    assert (ready["text"], ready["deltas"], ready["status"]) == ("", [], "completed")
    assert answer["parent"] == ready["id"]
    assert texts([answer]) == ["One."]


def test_the_sdk_steers_a_running_response(sdk: Seen) -> None:
    steered = sdk["steered"]
    assert steered["reason"] == "steered"
    assert steered["answer"]["parent"] == steered["id"]
    assert texts([steered["answer"]]) == ["Hello there."]


def test_the_sdk_shows_an_unknown_parent_as_its_own_error_and_goes_on(sdk: Seen) -> None:
    error = sdk["unknown_parent"]["error"]
    assert error["class"] in ("ResponseWsError", "WebSocketError")
    assert error["code"] == "previous_response_not_found"
    assert error["param"] == "previous_response_id"
    assert error["status"] == 400
    assert "resp_unknown" in error["message"]
    assert texts([sdk["unknown_parent"]["answer"]]) == ["Hello there."]


def test_the_python_sdk_knows_the_order_of_a_turn(python_sdk: Seen) -> None:
    assert python_sdk["turn"]["kinds"] == [
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


def test_the_python_sdk_steers_a_response_that_waits_for_its_tool(python_sdk: Seen) -> None:
    steered = python_sdk["steered_late"]
    [output] = steered["outputs"]
    assert (output["type"], output["name"]) == ("function_call_output", "set_timer")
    assert texts([steered["answer"]]) == ["Hello there."]
    assert steered["code"] == "response_already_completed"


def test_the_python_sdk_hears_of_a_failure_and_goes_on(python_sdk: Seen) -> None:
    failed, answer = python_sdk["broken"]
    assert failed["status"] == "failed"
    assert texts([answer]) == ["Hello there."]


def test_the_python_sdk_raises_an_error_that_nobody_handles(python_sdk: Seen) -> None:
    assert "previous_response_not_found" in python_sdk["unhandled_error"]


def test_every_event_is_what_the_published_types_say(python_sdk: Seen) -> None:
    assert python_sdk["complaints"] == []


# ── the official Python SDK over HTTP ────────────────────────────────────────────────────────


def test_the_python_sdk_creates_fetches_lists_and_deletes(python_http: Seen) -> None:
    chain = python_http["chain"]
    assert chain["texts"] == ["One.", "Two."]
    assert chain["parents"] == [None, chain["ids"][0]]
    assert chain["fetched"] == [chain["ids"][1], "Two."]
    assert chain["newest_first"] == ["And count on", "One.", "Count"]
    assert chain["oldest_first"] == ["Count", "One.", "And count on"]
    assert chain["deleted"]["class"] == "NotFoundError"


def test_the_python_sdk_calls_a_tool_over_http(python_http: Seen) -> None:
    tool = python_http["tool"]
    assert (tool["name"], json.loads(tool["arguments"])) == ("set_timer", {"minutes": 5})
    assert tool["text"] == "Your timer is set."


def test_the_python_sdk_streams_over_http(python_http: Seen, python_sdk: Seen) -> None:
    streamed = python_http["streamed"]
    assert streamed["kinds"] == python_sdk["turn"]["kinds"]
    assert streamed["deltas"] == ["Hello", " there."]
    assert streamed["text"] == "Hello there."
    assert python_http["complaints"] == []


def test_a_chain_changes_its_transport(python_http: Seen) -> None:
    assert python_http["other_transport"]["texts"] == ["One.", "Two.", "Three."]


def test_the_python_sdk_raises_what_http_refuses(python_http: Seen) -> None:
    refusals = python_http["refusals"]
    assert refusals["unknown_parent"] == {
        "class": "BadRequestError",
        "code": "previous_response_not_found",
        "param": "previous_response_id",
    }
    assert refusals["not_stored"]["class"] == "NotFoundError"
    assert refusals["bad_value"]["class"] == "BadRequestError"
    assert refusals["bad_value"]["param"] == "temperature"


def test_the_python_sdk_lists_the_models(python_http: Seen) -> None:
    assert python_http["models"] == ["script"]


# ── the Agents SDK ───────────────────────────────────────────────────────────────────────────


def test_the_agents_sdk_holds_a_chain(agents_sdk: Seen) -> None:
    assert texts([agents_sdk["turn"]]) == ["Hello there."]
    assert texts(agents_sdk["chain"]) == ["One.", "Two.", "Three."]
    second = request_with(agents_sdk["requests"], "Count", 1)
    assert second["previous_response_id"] == agents_sdk["chain"][0]["id"]
    assert len(second["input"]) == 1
    assert second["store"] is False


def test_the_agents_sdk_runs_a_tool(agents_sdk: Seen) -> None:
    tool = agents_sdk["tool"]
    assert tool["timers"] == [5]
    assert "".join(tool["deltas"]) == "Let me see.Your timer is set."
    assert tool["text"] == "Your timer is set."
    answered = request_with(agents_sdk["requests"], "function_call_output")
    assert [item["type"] for item in answered["input"]] == ["function_call_output"]
    assert answered["previous_response_id"]


def test_the_agents_sdk_forks_to_a_second_lane(agents_sdk: Seen) -> None:
    assert texts(agents_sdk["lanes"]) == ["One.", "Two.", "Two.", "Three."]
    requests = [request for request in agents_sdk["requests"] if "stream_id" in request]
    assert [request["stream_id"] for request in requests] == ["a", "b", "a", "b"]


def test_the_agents_sdk_raises_an_unknown_parent_and_goes_on(agents_sdk: Seen) -> None:
    seen = agents_sdk["unknown_parent"]
    assert seen["error"] == {
        "class": "ResponsesWebSocketError",
        "code": "previous_response_not_found",
    }
    assert texts([seen["answer"]]) == ["Hello there."]


# ── a voice framework ────────────────────────────────────────────────────────────────────────


def test_pipecat_holds_a_chain(pipecat: Seen) -> None:
    assert texts([pipecat["turn"], *pipecat["chain"]]) == ["Hello there.", "One.", "Two."]
    first, *others = [request_with(pipecat["requests"], words) for words in ("Hello", "Count")]
    assert "previous_response_id" not in first
    assert all(other["previous_response_id"] and len(other["input"]) == 1 for other in others)


def test_pipecat_runs_a_tool(pipecat: Seen) -> None:
    tool = pipecat["tool"]
    assert tool["timers"] == [5]
    assert (tool["asked"], tool["text"]) == ("Let me see.", "Your timer is set.")
    assert "".join(tool["deltas"]) == "Let me see.Your timer is set."
    answered = request_with(pipecat["requests"], "function_call_output")
    assert [item["type"] for item in answered["input"]] == ["function_call_output"]


def test_pipecat_interrupts_an_answer_and_goes_on(pipecat: Seen) -> None:
    assert pipecat["interrupted"]["cut"]["text"].startswith("One")
    assert not pipecat["interrupted"]["cut"]["text"].endswith("slow.")
    assert texts([pipecat["interrupted"]["answer"]]) == ["Hello there."]
    assert sum(request["type"] == "response.cancel" for request in pipecat["requests"]) == 1


def test_pipecat_recovers_from_an_error_that_evicted_what_it_continued(pipecat: Seen) -> None:
    assert "wants this answer to fail" in pipecat["failure"]["error"]
    assert texts([pipecat["failure"]["answer"]]) == ["Three."]
    refused, whole = [request_with(pipecat["requests"], "Count", n) for n in (2, 3)]
    assert refused["previous_response_id"]
    assert "previous_response_id" not in whole
    assert len(whole["input"]) > len(refused["input"])


def test_pipecat_goes_on_in_another_lane(pipecat: Seen) -> None:
    assert texts([pipecat["lane"]]) == ["Four."]
    assert pipecat["requests"][-1]["stream_id"] == "b"
    assert pipecat["requests"][-1]["previous_response_id"]
