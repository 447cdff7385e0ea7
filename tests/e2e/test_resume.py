"""`voice run --resume`: the conversation outlives the program, however it ended."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.programs import (
    Proxy,
    read_trace,
    recording_proxy,
    run_voice,
    running,
    script_server,
    speech_samples,
)
from voice.audio.frames import SAMPLE_RATE
from voice.responses.events import InputMessage
from voice.responses.journal import Journal

TIME = "what_time_is_it.flac"
LAMP = "turn_on_the_living_room_lamp.flac"
PAUSE_SECONDS = 9.0
"""Between two questions in one recording: the first answer is heard by then."""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def _both(speech: Path, path: Path) -> Path:
    """Two questions in one recording."""
    pause = np.zeros(int(PAUSE_SECONDS * SAMPLE_RATE), np.int16)
    parts = [speech_samples(speech / TIME), pause, speech_samples(speech / LAMP)]
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE)
    return path


def _arguments(clip: Path, url: str, folder: Path, *more: str) -> Sequence[str]:
    output = ["--output", str(folder / "said.wav")]
    return ["run", "--input", str(clip), "--agent", url, *output, *more]


def _converse(clip: Path, url: str, folder: Path, journal: Path, *more: str) -> dict[str, Any]:
    """A conversation of one turn; returns that turn."""
    trace = folder / "t.jsonl"
    trace.unlink(missing_ok=True)
    arguments = _arguments(clip, url, folder, "--fast", "--trace", str(trace), *more)
    done = run_voice(*arguments, env={"VOICE_JOURNAL_PATH": str(journal)})
    assert done.returncode == 0, done.stderr
    (turn,) = [event for event in read_trace(trace) if event["event"] == "turn.completed"]
    return turn


def _said(turn: dict[str, Any]) -> list[tuple[str, str]]:
    return [("user", turn["user_text"]), ("assistant", turn["heard_text"])]


def _told(proxy: Proxy, first: int = 0) -> list[tuple[str, str]]:
    """What the server knew when it was asked for the last answer, told since request `first`.

    The words of a message that was sent ahead in pieces are joined.
    """
    told: list[tuple[str, str]] = []
    requests = [r for r in proxy.requests[first:] if r["type"] == "response.create"]
    assert [r["previous_response_id"] is None for r in requests].count(True) == 1
    for item in (item for request in requests for item in request["input"]):
        role, content = item["role"], item["content"]
        if told and role == told[-1][0] == "user" and content.startswith(" "):
            content = told.pop()[1] + content
        told.append((role, content))
    return told


def _error(stderr: str) -> str:
    (line,) = stderr.strip().splitlines()
    assert line.startswith("voice: ")
    return line


def test_a_conversation_goes_on_in_another_run(speech: Path, tmp_path: Path, journal: Path) -> None:
    with script_server() as upstream, recording_proxy(upstream) as proxy:
        first = _converse(speech / TIME, proxy.url, tmp_path, journal)
        count = len(proxy.requests)
        second = _converse(speech / LAMP, proxy.url, tmp_path, journal, "--resume")
        assert proxy.requests[count]["input"][:2] == [
            {"type": "message", "role": "user", "content": first["user_text"]},
            {"type": "message", "role": "assistant", "content": first["heard_text"]},
        ]
        assert _told(proxy, count) == [*_said(first), ("user", second["user_text"])]
        count = len(proxy.requests)
        third = _converse(speech / TIME, proxy.url, tmp_path, journal)
        assert _told(proxy, count) == [("user", third["user_text"])], "nothing is resumed unasked"
    shown = run_voice("journal", "list", env={"VOICE_JOURNAL_PATH": str(journal)}).stdout
    assert [line.split()[0] for line in shown.splitlines()[1:]] == ["1", "2"]


def test_a_killed_program_has_lost_no_turn_that_was_completed(
    speech: Path, tmp_path: Path, journal: Path
) -> None:
    clip, trace = _both(speech, tmp_path / "both.wav"), tmp_path / "killed.jsonl"
    with script_server() as upstream, recording_proxy(upstream) as proxy:
        arguments = _arguments(clip, proxy.url, tmp_path)
        env = {"VOICE_JOURNAL_PATH": str(journal)}
        with running(*arguments, trace=trace, env=env) as program:
            first = program.wait_for("turn.completed")
            program.process.kill()
            assert program.process.wait(10) == -9
        assert len(program.events("turn.completed")) == 1
        count = len(proxy.requests)
        second = _converse(speech / LAMP, proxy.url, tmp_path, journal, "--resume")
        assert _told(proxy, count) == [*_said(first), ("user", second["user_text"])]


def test_to_resume_needs_a_journal(speech: Path, tmp_path: Path) -> None:
    arguments = _arguments(speech / TIME, "ws://127.0.0.1:9/v1", tmp_path, "--resume")
    done = run_voice(*arguments, env={"VOICE_JOURNAL_PATH": ""})
    assert done.returncode == 2
    assert "[journal] path" in _error(done.stderr)


def test_to_resume_from_nothing_is_to_begin(speech: Path, tmp_path: Path, journal: Path) -> None:
    with script_server() as url:
        assert _converse(speech / TIME, url, tmp_path, journal, "--resume")["user_text"]
    assert journal.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "named"),
    [("missing/journal.db", "cannot be created"), ("", "no journal"), ("note.txt", "no journal")],
    ids=["no folder", "a folder", "another file"],
)
def test_a_journal_that_cannot_be_written_is_told(
    speech: Path, tmp_path: Path, name: str, named: str
) -> None:
    (tmp_path / "note.txt").write_text("dear diary")
    with script_server() as url:
        arguments = _arguments(speech / TIME, url, tmp_path, "--fast")
        done = run_voice(*arguments, env={"VOICE_JOURNAL_PATH": str(tmp_path / name)})
    assert done.returncode == 1
    assert named in _error(done.stderr)
    assert (tmp_path / "note.txt").read_text() == "dear diary"


def test_a_journal_that_fails_later_is_traced_and_the_conversation_goes_on(
    speech: Path, tmp_path: Path, journal: Path
) -> None:
    """Another program holds the file for longer than is waited for, then gives it back."""
    clip, trace = _both(speech, tmp_path / "both.wav"), tmp_path / "t.jsonl"
    with script_server() as url:
        arguments = _arguments(clip, url, tmp_path)
        env = {"VOICE_JOURNAL_PATH": str(journal)}
        with running(*arguments, trace=trace, env=env) as program:
            program.wait_for("listening")
            other = sqlite3.connect(journal, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            failed = program.wait_for("journal.failed")
            other.close()
            program.wait_for("turn.completed", 2)
            assert program.process.wait(60) == 0
    assert "locked" in failed["reason"]
    first, second = program.events("turn.completed")
    assert (first["interrupted"], second["interrupted"]) == (False, False)
    shown = run_voice("journal", "show", env=env).stdout
    assert second["user_text"] in shown


def test_the_doctor_tries_the_journal(tmp_path: Path, journal: Path) -> None:
    def doctor(path: Path) -> str:
        done = run_voice("doctor", env={"VOICE_JOURNAL_PATH": str(path)})
        return done.stdout[done.stdout.index("journal") - 5 :]

    assert doctor(journal).startswith("ok   journal")
    assert list(tmp_path.iterdir()) == [], "nothing is begun by looking"
    kept = Journal.open(journal, retention_days=0, now=0)
    kept.append(kept.begin(0.0), 1, 0.0, [InputMessage(role="user", content="Hello")])
    kept.close()
    assert "holds 1 conversation" in doctor(journal)
    assert "→ set [journal] path" in doctor(tmp_path / "missing" / "journal.db")
    locked = sqlite3.connect(journal, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    told = doctor(journal)
    locked.close()
    assert told.startswith("BAD  journal")
    assert "locked" in told
