"""The examples as a reader runs them, with files as devices and a scripted server (about 20 s)."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.programs import plain_words, script_server, speech_samples

EXAMPLES = Path(__file__).parents[2] / "examples"
LAMP = "turn_on_the_living_room_lamp.flac"

WEATHER = """
[[reply]]
match = "weather"
call = "get_weather"
arguments = { city = "New York" }

[[reply]]
match = "weather"
text = "Sunny, they say."
"""


def run(example: str, *arguments: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), *arguments],
        input=stdin, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_they_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 40, path


def test_own_tool(speech: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text(WEATHER)
    question = speech / "whats_the_weather_like_in_new_york.flac"
    with script_server("--script", str(script)) as url:
        shown = run("own_tool.py", str(question), str(tmp_path / "said.wav"), url)
    assert "tool:  It is sunny in New York, 24 degrees." in shown
    assert "voice: Sunny, they say." in shown


def test_own_stt(speech: Path, tmp_path: Path) -> None:
    with script_server() as url:
        shown = run("own_stt.py", str(speech / LAMP), str(tmp_path / "said.wav"), url)
    assert "You said: I spoke for " in shown


def test_own_audio_source(speech: Path, tmp_path: Path) -> None:
    silence = np.zeros(48_000, np.int16)
    sound = np.concatenate([silence[:16_000], speech_samples(speech / LAMP), silence]).tobytes()
    with script_server() as url:
        program = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "own_audio_source.py"), str(tmp_path / "s.wav"), url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False,
        )  # fmt: skip
        assert program.stdin is not None
        time.sleep(1.5)  # a microphone does not wait for a program, either
        for start in range(0, len(sound), 640):
            program.stdin.write(sound[start : start + 640])
            program.stdin.flush()
            time.sleep(0.02)
        shown, _ = program.communicate(timeout=30)
    assert "You said: Turn on the living room lamp." in shown.decode()


@pytest.mark.parametrize("clip", ["how_old_is_the_brooklyn_bridge.flac", LAMP])
def test_transcribe_file(speech: Path, clip: str) -> None:
    (line,) = run("transcribe_file.py", str(speech / clip)).splitlines()
    seconds, _, words = line.strip().partition(" s  ")
    assert 0 <= float(seconds) < 3
    assert plain_words(words) == clip.removesuffix(".flac").split("_")
