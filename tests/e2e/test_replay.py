"""`voice run --record` and `voice replay`: the same conversation, any number of times (20 s)."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

from tests.support.programs import read_trace, run_voice, script_server, speech_samples
from voice.apps.recording import as_toml
from voice.config import load

CLIPS = ("what_time_is_it.flac", "turn_on_the_living_room_lamp.flac")

SCRIPT = """
[[reply]]
match = "time"
call = "get_time"

[[reply]]
match = "time"
text = "Now you know."

[[reply]]
match = "lamp"
text = "The lamp is on."
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two questions, of which one takes a tool, as they were held in real time."""
    speech, folder = Path(__file__).parents[1] / "data" / "speech", tmp_path_factory.mktemp("talk")
    pause = np.zeros(4 * 16_000, np.int16)
    first, second = (speech_samples(speech / clip) for clip in CLIPS)
    soundfile.write(folder / "both.wav", np.concatenate([first, pause, second]), 16_000)
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    arguments = ("--script", str(script), "--ttft", "0.2", "--tokens-per-second", "20")
    with script_server(*arguments) as url:
        done = run_voice(
            "run", "--input", str(folder / "both.wav"), "--output", str(folder / "said.wav"),
            "--agent", url, "--record", str(folder / "talk"),
            env={"OPENAI_API_KEY": "sk-secret", "VOICE_SERVER_KEY": "also-secret"},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "talk"


def _turns(trace: Path) -> list[tuple[str, str]]:
    done = [event for event in read_trace(trace) if event["event"] == "turn.completed"]
    return [(turn["user_text"], turn["heard_text"]) for turn in done]


def test_both_sides_are_on_one_time_axis_and_no_key_is_kept(recording: Path) -> None:
    heard, rate = soundfile.read(recording / "microphone.wav")
    said, said_rate = soundfile.read(recording / "speaker.wav")
    assert rate == 16_000
    assert abs(len(heard) / rate - len(said) / said_rate) < 0.1
    events = read_trace(recording / "trace.jsonl")
    began = next(event["at"] for event in events if event["event"] == "listening")
    sounded = next(event["at"] for event in events if event["event"] == "audio.first") - began
    earlier = said[int(0.5 * said_rate) : int((sounded - 0.05) * said_rate)]
    assert np.abs(earlier).max() == 0
    assert np.abs(said[int(sounded * said_rate) :]).max() > 0.05
    for name in ("trace.jsonl", "replies.jsonl", "options.toml"):
        assert "secret" not in (recording / name).read_text(), name
    assert len(_turns(recording / "trace.jsonl")) == 2


def test_it_is_replayed_twice_with_the_same_trace(recording: Path, tmp_path: Path) -> None:
    traces = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    for trace in traces:
        done = run_voice("replay", str(recording), "--check", "--trace", str(trace))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "the same as when it was recorded" in done.stdout
    assert traces[0].read_bytes() == traces[1].read_bytes()
    assert _turns(traces[0]) == _turns(recording / "trace.jsonl")
    tools = [event for event in read_trace(traces[0]) if event["event"] == "tool.ended"]
    before = [e for e in read_trace(recording / "trace.jsonl") if e["event"] == "tool.ended"]
    assert [one["output"] for one in tools] == [one["output"] for one in before]


def test_what_has_changed_is_shown(recording: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in recording.iterdir():
        text = path.read_bytes()
        if path.suffix == ".jsonl" and path.name.startswith("trace"):
            text = text.replace(b"The lamp is on.", b"The lamp is off.")
        (changed / path.name).write_bytes(text)
    done = run_voice("replay", str(changed), "--check")
    assert done.returncode == 1, done.stderr
    assert "- voice  The lamp is off." in done.stdout
    assert "+ voice  The lamp is on." in done.stdout
    assert run_voice("replay", str(changed)).returncode == 0


def test_what_is_no_recording_is_named(recording: Path, tmp_path: Path) -> None:
    done = run_voice("replay", str(tmp_path))
    assert done.returncode == 2
    assert "is no recording that can be replayed: trace.jsonl" in done.stderr
    again = run_voice("run", "--input", "a.wav", "--record", str(recording))
    assert again.returncode != 0


def test_the_options_come_back_as_they_were() -> None:
    flags: dict[str, dict[str, Any]] = {
        "agent": {"url": "https://there/v1?key=secret", "instructions": 'Say "hi"\nand more.'},
        "tools": {"off": "get_time, set_timer"},
        "turns": {"quick_seconds": 0.3},
        "server": {"key": "secret"},
    }
    options = load(None, {}, flags)
    text = as_toml(options)
    assert "secret" not in text
    again: Any = msgspec.convert(tomllib.loads(text)["turns"], type(options.turns))
    assert again == options.turns
    assert tomllib.loads(text)["agent"]["instructions"] == 'Say "hi"\nand more.'
    assert tomllib.loads(text)["agent"]["url"] == "https://there/v1"
    assert tomllib.loads(text)["tools"]["off"] == ["get_time", "set_timer"]
