"""`voice run --text` as a process (about 4 s)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.programs import command, read_trace, run_voice, script_server

HEAVY = [
    "faster_whisper", "ctranslate2", "piper", "onnxruntime", "sounddevice", "livekit", "soundfile",
    "webrtcvad", "textual",
]  # fmt: skip
"""What hears, speaks and draws."""


def test_piped_lines_are_answered_and_the_end_ends_it(tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    with script_server() as url:
        done = subprocess.run(
            command("run", "--text", "--agent", url, "--trace", str(trace)),
            input="hello\nand the end has no line break",
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = "You said: hello\nYou said: and the end has no line break\n"
    assert done.stdout == answers
    assert done.stderr == ""
    assert [event["event"] for event in read_trace(trace)].count("turn.completed") == 2


def test_nothing_that_hears_or_speaks_is_loaded() -> None:
    program = f"""
import sys
from voice.cli import app
sys.argv = ["voice", "run", "--text", "--agent", sys.argv[1]]
app(standalone_mode=False)
print([name for name in {HEAVY} if name in sys.modules])
"""
    with script_server() as url:
        done = subprocess.run(
            [sys.executable, "-c", program, url],
            input="hi\n", capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert done.stdout.splitlines() == ["You said: hi", "[]"], done.stderr


def test_sound_and_text_exclude_each_other() -> None:
    done = run_voice("run", "--text", "--input", "a.wav")
    assert done.returncode == 2
    assert "--input is about sound" in done.stderr


def test_no_server_is_one_line() -> None:
    done = run_voice("run", "--text", "--agent", "ws://127.0.0.1:9/v1")
    assert done.returncode == 1
    assert done.stderr.startswith("voice: no server answers at ws://127.0.0.1:9")
    assert len(done.stderr.splitlines()) == 1
