"""`voice journal list|show|delete` on a file that an earlier conversation left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.programs import command, run_voice
from voice.responses.events import FunctionCall, FunctionCallOutput, InputMessage
from voice.responses.journal import Journal

ITEMS = [
    InputMessage(role="user", content="What time is it?"),
    FunctionCall(call_id="c1", name="clock", arguments="{}"),
    FunctionCallOutput(call_id="c1", output="15:00"),
    InputMessage(role="assistant", content="It is three.\nAnything \x1b[31melse?"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Conversation 1 is about marzipan and 40 years old, 2 is about the time."""
    path = tmp_path / "journal.db"
    journal = Journal.open(path, retention_days=0, now=0)
    old = journal.begin(300_000_000.0)
    journal.append(old, 1, 300_000_000.0, [InputMessage(role="user", content="marzipan " * 20)] * 3)
    journal.append(journal.begin(time.time()), 1, time.time(), ITEMS)
    journal.begin(time.time())
    journal.close()
    return path


def _raw(path: Path) -> bytes:
    return b"".join(found.read_bytes() for found in path.parent.glob(f"{path.name}*"))


def _error(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("voice: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_list_is_a_table_and_deletes_nothing_that_is_old(path: Path) -> None:
    done = run_voice("journal", "list", "--path", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    header, old, new = (line.split() for line in done.stdout.splitlines())
    assert header == ["number", "when", "turns", "first", "words"]
    assert old[0] == "1"
    assert old[1].startswith("1979-")
    assert old[3:5] == ["3", "marzipan"]
    assert old[-1].endswith("…")
    assert new[0] == "2"
    assert new[3:] == ["1", "What", "time", "is", "it?"]


def test_show_tells_who_said_what(path: Path) -> None:
    done = run_voice("journal", "show", env={"VOICE_JOURNAL_PATH": str(path)})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "   you  What time is it?",
        "        calls clock {}",
        "        clock: 15:00",
        " voice  It is three. Anything  [31melse?",
    ]


def test_show_gives_json_and_any_conversation(path: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"[journal]\npath = {json.dumps(str(path))}\n")
    done = run_voice("journal", "show", "--json", "--config", str(config))
    items = [json.loads(line) for line in done.stdout.splitlines()]
    assert [item["type"] for item in items] == [
        "message", "function_call", "function_call_output", "message",
    ]  # fmt: skip
    assert items[0] == {"type": "message", "role": "user", "content": "What time is it?"}
    done = run_voice("journal", "show", "1", "--config", str(config))
    assert done.stdout.count("marzipan") == 60


def test_delete_takes_the_words_out_of_the_file(path: Path) -> None:
    assert b"marzipan" in _raw(path)
    done = run_voice("journal", "delete", "1", "--yes", "--path", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "deleted 1 conversation\n")
    assert b"marzipan" not in _raw(path)
    assert b"What time" in _raw(path)
    done = run_voice("journal", "delete", "--all", "--yes", "--path", str(path))
    assert done.returncode == 0, done.stderr
    assert b"What time" not in _raw(path)
    done = run_voice("journal", "list", "--path", str(path))
    assert (done.returncode, done.stdout) == (0, "")
    assert "no conversation" in done.stderr
    assert "no conversation" in _error(run_voice("journal", "show", "--path", str(path)), 1)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is needed")
@pytest.mark.parametrize(("answer", "left"), [(b"\n", [1, 2]), (b"y\n", [2])])
def test_delete_asks_on_a_terminal(path: Path, answer: bytes, left: list[int]) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command("journal", "delete", "1", "--path", str(path)),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, answer)
    said, asked = process.communicate(timeout=30)
    os.close(ours)
    os.close(theirs)
    assert said == ""
    assert "Delete 1 conversation for good?" in asked
    assert process.returncode == (0 if left == [2] else 1)
    journal = Journal.open(path, retention_days=0, now=0)
    assert [summary.number for summary in journal.conversations()] == left
    journal.close()


def test_nothing_is_deleted_by_mistake(path: Path) -> None:
    before = path.read_bytes()
    for arguments, code, named in [
        (["1"], 2, "--yes"),
        (["--all"], 2, "--yes"),
        (["--yes"], 2, "--all"),
        (["1", "--all", "--yes"], 2, "--all"),
        (["1", "77", "--yes"], 1, "no conversation 77"),
    ]:
        done = run_voice("journal", "delete", *arguments, "--path", str(path))
        assert named in _error(done, code)
    assert path.read_bytes() == before


def test_without_a_journal_it_says_how_to_switch_it_on() -> None:
    line = _error(run_voice("journal", "list", env={"VOICE_JOURNAL_PATH": ""}), 2)
    for way in ("[journal]", "VOICE_JOURNAL_PATH", "--path"):
        assert way in line


def test_looking_creates_no_journal(tmp_path: Path) -> None:
    line = _error(run_voice("journal", "show", "--path", str(tmp_path / "typo.db")), 1)
    assert "typo.db" in line
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("dear diary")
    for name in (["list"], ["show"], ["delete", "--all", "--yes"]):
        line = _error(run_voice("journal", *name, "--path", str(path)), 1)
        assert "letter.txt is no journal" in line
    assert path.read_text() == "dear diary"


@pytest.mark.parametrize("name", [[], ["list"], ["show"], ["delete"]])
def test_help_teaches(name: list[str]) -> None:
    done = run_voice("journal", *name, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
