"""A user's mistakes: one line that names what is wrong and its cure, an exit code, no debris."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.programs import run_voice, script_server


def _one_line(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("voice: ")
    return lines[0]


def _text(path: Path) -> Path:
    path.write_text("this is no sound")
    return path


def _empty_sound(path: Path) -> Path:
    soundfile.write(path, np.zeros(0, np.int16), 16_000)
    return path


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda path: path, "does not exist"),
        (_text, "sound"),
        (lambda path: path.touch() or path, "is empty"),
        (_empty_sound, "holds no sound"),
        (lambda path: path.mkdir() or path, "is a folder"),
    ],
    ids=["missing", "text", "zero bytes", "no samples", "folder"],
)
def test_what_cannot_be_listened_to(make: object, named: str, tmp_path: Path) -> None:
    path = make(tmp_path / "in.wav")  # type: ignore[operator]
    said = tmp_path / "said.wav"
    done = run_voice("run", "--input", str(path), "--output", str(said), "--agent", "ws://[::1]:9")
    assert done.returncode == 1
    line = _one_line(done.stderr)
    assert "in.wav" in line
    assert named in line.lower()
    assert not said.exists()
    assert [p.name for p in tmp_path.iterdir() if p.name != "in.wav"] == []


@contextmanager
def _server_that_says(reply: bytes) -> Iterator[int]:
    """A TCP server that answers whatever comes with `reply`."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.recv(4096)
            connection.sendall(reply)
            connection.close()

    threading.Thread(target=answer, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "OPENAI_API_KEY"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        (b"220 mail.example.org ESMTP\r\n", "does not speak WebSocket"),
    ],
    ids=["refusing", "wrong path", "garbage"],
)
def test_a_server_that_is_none(reply: bytes, named: str, speech: Path, tmp_path: Path) -> None:
    said = tmp_path / "said.wav"
    clip = str(speech / "what_time_is_it.flac")
    with _server_that_says(reply) as port:
        url = f"ws://127.0.0.1:{port}/v1"
        done = run_voice("run", "--input", clip, "--output", str(said), "--agent", url)
    assert done.returncode == 1
    line = _one_line(done.stderr)
    assert named in line
    assert str(port) in line
    assert not said.exists()


def test_a_server_that_is_not_there(speech: Path, tmp_path: Path) -> None:
    clip = str(speech / "what_time_is_it.flac")
    done = run_voice(
        "run", "--input", clip, "--output", str(tmp_path / "s.wav"), "--agent", "ws://127.0.0.1:9"
    )
    assert done.returncode == 1
    assert "no server answers at ws://127.0.0.1:9" in _one_line(done.stderr)


def test_a_remote_server_needs_a_key(speech: Path, tmp_path: Path) -> None:
    clip = str(speech / "what_time_is_it.flac")
    done = run_voice(
        "run", "--input", clip, "--output", str(tmp_path / "s.wav"),
        "--agent", "https://agent.invalid/v1", "--model", "m",
        env={"OPENAI_API_KEY": ""},
    )  # fmt: skip
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in _one_line(done.stderr)


def test_no_microphone(tmp_path: Path) -> None:
    if "no microphone" not in run_voice("devices").stderr:
        pytest.skip("this machine has a microphone")
    done = run_voice("run", "--input", "mic", "--output", str(tmp_path / "s.wav"))
    assert done.returncode == 1
    assert "microphone" in _one_line(done.stderr)


def test_an_unknown_key(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[listen]\nmodle = 'base'\n")
    done = run_voice("models", "list", "--config", str(path))
    assert done.returncode == 2
    assert "did you mean model?" in _one_line(done.stderr)


def test_a_missing_model(tmp_path: Path, speech: Path) -> None:
    done = run_voice(
        "run", "--input", str(speech / "what_time_is_it.flac"),
        "--output", str(tmp_path / "s.wav"),
        env={"VOICE_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "voice models fetch" in _one_line(done.stderr)


def test_a_corrupt_model_of_the_users_own(tmp_path: Path, speech: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "model.bin").write_bytes(b"nothing")
    done = run_voice(
        "run", "--input", str(speech / "what_time_is_it.flac"),
        "--output", str(tmp_path / "s.wav"), "--agent", "ws://127.0.0.1:9",
        env={"VOICE_LISTEN_MODEL": str(tmp_path / "own")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "own" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use() -> None:
    with script_server() as url:
        port = url.rpartition(":")[2].removesuffix("/v1")
        done = run_voice("serve", "--backend", "script", "--port", port)
    assert done.returncode == 1
    assert port in _one_line(done.stderr)


def test_a_wrong_flag() -> None:
    done = run_voice("run", "--inptu", "x.wav")
    assert done.returncode == 2
    assert "--input" in done.stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ACTIVATION": "button"}, "needs a button"),
        ({"ACTIVATION": "wake-word", "WAKE_WORD": "computer"}, "hey_jarvis"),
    ],
    ids=["no button", "no such word"],
)
def test_a_kiosk_that_nobody_could_talk_to(settings: dict[str, str], named: str) -> None:
    environment = {f"VOICE_KIOSK_{key}": value for key, value in settings.items()}
    done = run_voice("kiosk", env={**environment, "VOICE_KIOSK_STATUS_PORT": "-1"})
    assert done.returncode == 2
    assert named in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "name",
    [
        [], ["run"], ["replay"], ["kiosk"], ["kiosk", "install"], ["serve"], ["models"],
        ["devices"], ["doctor"],
    ],
)  # fmt: skip
def test_help_teaches(name: list[str]) -> None:
    done = run_voice(*name, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout
