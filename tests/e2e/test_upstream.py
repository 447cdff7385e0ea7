"""`voice run` with a server of its own that lets another one write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support.chat_server import ChatServer, Json, Refusal, Request, chat_server, saying
from tests.support.in_thread import in_thread
from tests.support.programs import plain_words, read_trace, run_voice


async def _answer(request: Request) -> AsyncIterator[Json | bytes | Refusal]:
    for part in saying("It is", " noon."):
        yield part


def _serving() -> AbstractContextManager[ChatServer]:
    return in_thread(chat_server(_answer, ["m1"]))


def _chosen(url: str) -> dict[str, str]:
    """What the environment says, which wins over files."""
    return {
        "VOICE_SERVER_BACKEND": "upstream",
        "VOICE_SERVER_UPSTREAM": url,
        "VOICE_UPSTREAM_KEY": "k-9",
    }


def test_our_own_server_asks_the_one_that_is_named(speech: Path, tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    with _serving() as server:
        done = run_voice(
            "run", "--fast", "--agent", "local", "--input", str(speech / "what_time_is_it.flac"),
            "--output", str(tmp_path / "said.wav"), "--trace", str(trace),
            env=_chosen(server.url),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (turn,) = [event for event in read_trace(trace) if event["event"] == "turn.completed"]
    assert plain_words(turn["heard_text"]) == plain_words("It is noon.")
    asked = [request for request in server.requests if request.body.get("max_tokens") != 1]
    assert plain_words(asked[-1].last_words) == plain_words(turn["user_text"])
    assert asked[-1].body["model"] == "m1"
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer k-9"}


@pytest.mark.parametrize(
    ("upstream", "code", "told"),
    [
        ("", 2, "[server] backend is upstream"),
        ("http://127.0.0.1:1/v1", 1, "no server answers at http://127.0.0.1:1/v1"),
    ],
)
def test_a_server_that_cannot_be_asked_is_named(
    speech: Path, tmp_path: Path, upstream: str, code: int, told: str
) -> None:
    done = run_voice(
        "run", "--fast", "--agent", "local", "--input", str(speech / "stop.flac"),
        "--output", str(tmp_path / "said.wav"), env=_chosen(upstream),
    )  # fmt: skip
    assert done.returncode == code
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_doctor_looks_at_it() -> None:
    with _serving() as server:
        found = _doctor(server.url)
        assert found[0].startswith("ok")
        assert "m1" in found[0]
        found = _doctor(server.url, "--model", "m2")
        assert "m2" in found[0]
        assert "it lists m1" in found[1]
    found = _doctor(server.url)
    assert found[0].startswith("BAD")
    assert "start it" in found[1]


def _doctor(url: str, *arguments: str) -> list[str]:
    """What `voice doctor` says of who answers, and the line after it."""
    done = run_voice("doctor", "--agent", "local", *arguments, env=_chosen(url))
    assert done.stderr == ""
    said = [*done.stdout.splitlines(), ""]
    at = next(n for n, line in enumerate(said) if line[5:].startswith("answering"))
    return said[at : at + 2]
