"""A user's own tool through the whole program: called by a script, asked about, allowed, run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from tests.support.programs import read_trace, run_voice, script_server, speech_samples
from voice.models.resolve import weights
from voice.speak.piper import PiperSynthesizer

RATE = 16_000

TOOL = '''
from voice import tool

@tool(confirm=True, question="Shall I switch on the {room} lamp?")
def lamp(room: str) -> str:
    """Switch on a lamp."""
    return f"the {room} lamp is on"
'''

SCRIPT = """
[[reply]]
match = "lamp"
call = "lamp"
arguments = { room = "living room" }

[[reply]]
text = "It is on."
"""


def _question_and_yes(speech: Path, path: Path) -> Path:
    """A person's question and, since there is no recording of one, Piper's yes."""
    voice = PiperSynthesizer.load(weights("en_US-joe-medium", ".onnx"), RATE)
    yes = [sound.samples for sound in voice.synthesize("Yes, please.")]
    question = speech_samples(speech / "turn_on_the_living_room_lamp.flac")
    pause = np.zeros(6 * RATE, np.int16)
    soundfile.write(path, np.concatenate([question, pause, *yes, pause]), RATE)
    return path


def test_a_tool_of_ones_own_is_asked_about_and_runs_after_a_yes(
    speech: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "home.py").write_text(TOOL)
    (tmp_path / "script.toml").write_text(SCRIPT)
    (tmp_path / "voice.toml").write_text(f'[tools]\nfolder = "{folder}"\n')
    heard = _question_and_yes(speech, tmp_path / "heard.wav")
    with script_server("--script", str(tmp_path / "script.toml")) as url:
        done = run_voice(
            "run", "--fast", "--agent", url, "--config", str(tmp_path / "voice.toml"),
            "--input", str(heard), "--output", str(tmp_path / "said.wav"),
            "--trace", str(tmp_path / "t.jsonl"),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = read_trace(tmp_path / "t.jsonl")
    names = [event["event"] for event in events if event["event"].startswith("tool.")]
    assert names == ["tool.proposed", "tool.confirmed", "tool.started", "tool.ended"]
    ended = next(event for event in events if event["event"] == "tool.ended")
    assert ended["output"] == "the living room lamp is on"
    said = [event["heard_text"] for event in events if event["event"] == "turn.completed"]
    assert said == ["Shall I switch on the living room lamp?", "It is on."]


def test_a_mistake_in_a_tool_is_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("from voice import tool\n\n@tool\ndef nothing(): pass\n")
    (tmp_path / "voice.toml").write_text(f'[tools]\nfolder = "{tmp_path}"\n')
    done = run_voice("doctor", "--config", str(tmp_path / "voice.toml"))
    assert "bad.py:3" in done.stdout
    assert "docstring" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
