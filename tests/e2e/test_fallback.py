"""`voice run` where no WebSocket gets through: the conversation is held over HTTP, and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.in_thread import in_thread
from tests.support.programs import (
    plain_words,
    read_trace,
    run_voice,
    script_server,
    speech_samples,
)
from tests.support.sse_server import (
    Event,
    Refusal,
    Request,
    SseServer,
    sse_server,
    text_events,
)
from voice.audio.frames import SAMPLE_RATE

ANSWER = "The lamp is on, and it is warm in here."


async def _answer(request: Request) -> AsyncIterator[Event | bytes | Refusal]:
    for event in text_events("resp_1", *(f" {word}" for word in ANSWER.split())):
        yield event


def _serving(statuses: dict[str, int]) -> AbstractContextManager[SseServer]:
    """A server over HTTP alone, whose GET requests are answered with these statuses."""
    return in_thread(sse_server(_answer, statuses))


def _run(clip: Path, url: str, folder: Path, *more: str) -> list[dict[str, Any]]:
    trace = folder / "t.jsonl"
    done = run_voice(
        "run", "--fast", "--input", str(clip), "--output", str(folder / "said.wav"),
        "--agent", url, "--trace", str(trace), *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return read_trace(trace)


def _named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def _both(speech: Path, path: Path) -> Path:
    """Two questions in one recording."""
    clips = ("what_time_is_it.flac", "turn_on_the_living_room_lamp.flac")
    first, second = (speech_samples(speech / clip) for clip in clips)
    pause = np.zeros(8 * SAMPLE_RATE, np.int16)
    soundfile.write(path, np.concatenate([first, pause, second]), SAMPLE_RATE)
    return path


@pytest.mark.parametrize("status", [404, 426])
def test_a_conversation_over_http(speech: Path, tmp_path: Path, status: int) -> None:
    with _serving({"/v1/models": 200, "/v1/responses": status}) as server:
        events = _run(_both(speech, tmp_path / "both.wav"), server.url, tmp_path)
    (opened,), (fallback,) = (
        _named(events, "connection.opened"), _named(events, "connection.fallback"),
    )  # fmt: skip
    assert opened["transport"] == "http"
    assert f"HTTP {status}" in fallback["reason"]
    assert _named(events, "connection.lost") == []
    first, second = _named(events, "turn.completed")
    for turn in (first, second):
        assert plain_words(turn["heard_text"]) == plain_words(ANSWER)
        assert turn["latency"]["first_token"] is not None
    asked = [request.body for request in server.requests]
    last = asked[-1]
    for body in asked:
        assert not {"stream_id", "generate", "type", "previous_response_id"} & {
            key for key, value in body.items() if value is not None
        }
        assert (body["stream"], body["store"]) == (True, False)
    assert [item["content"].strip() for item in last["input"]] == [
        first["user_text"], ANSWER, second["user_text"],
    ]  # fmt: skip


def test_a_websocket_that_is_asked_for_is_not_replaced(speech: Path, tmp_path: Path) -> None:
    with _serving({"/v1/models": 200, "/v1/responses": 426}) as server:
        done = run_voice(
            "run", "--fast", "--input", str(speech / "what_time_is_it.flac"),
            "--output", str(tmp_path / "said.wav"), "--agent", server.url,
            env={"VOICE_AGENT_TRANSPORT": "websocket"},
        )  # fmt: skip
    assert done.returncode == 1
    assert "HTTP 426" in done.stderr
    assert done.stderr.count("\n") == 1
    assert server.requests == []


def test_a_conversation_outlives_its_connections(speech: Path, tmp_path: Path) -> None:
    with script_server("--connection-seconds", "0.3") as url:
        events = _run(_both(speech, tmp_path / "both.wav"), url, tmp_path)
    assert _named(events, "connection.lost")
    assert _named(events, "connection.recovered")
    assert _named(events, "answer.failed") == []
    for turn in _named(events, "turn.completed"):
        asked, heard = plain_words(turn["user_text"]), plain_words(turn["heard_text"])
        assert heard[-len(asked) :] == asked, "an echo, perhaps begun twice"
    assert len(_named(events, "turn.completed")) == 2


def test_the_doctor_says_which_way_is_open(tmp_path: Path) -> None:
    with _serving({"/v1/models": 200, "/v1/responses": 426}) as server:
        found = _doctors("server", "--agent", server.url)
        assert found[0].startswith("ok")
        assert "answers over HTTP" in found[0]
        assert "HTTP 426" in found[1]
        chosen = tmp_path / "c.toml"
        chosen.write_text('[agent]\ntransport = "http"\n')
        found = _doctors("server", "--agent", server.url, "--config", str(chosen))
        assert found[0].startswith("ok")
        assert "→" not in found[1], "that was asked for"
    found = _doctors("server", "--agent", server.url)
    assert found[0].startswith("BAD")
    assert "voice serve" in found[1]


def test_the_doctor_knows_servers_by_name() -> None:
    keyless = {"OPENAI_API_KEY": "", "XAI_API_KEY": "", "AZURE_OPENAI_ENDPOINT": ""}
    named = {"openai": "OPENAI_API_KEY", "xai": "XAI_API_KEY", "azure": "AZURE_OPENAI_ENDPOINT"}
    for name, variable in named.items():
        found = _doctors("server", "--agent", name, env=keyless)
        assert found[0].startswith("BAD")
        assert f"set {variable}" in found[1]


def _doctors(subject: str, *arguments: str, env: dict[str, str] | None = None) -> list[str]:
    """What `voice doctor` says of a subject, and the line after it."""
    done = run_voice("doctor", *arguments, env=env)
    assert done.stderr == ""
    said = [*done.stdout.splitlines(), ""]
    at = next(n for n, line in enumerate(said) if line[5:].startswith(subject))
    return said[at : at + 2]
