"""`voice kiosk` as a service manager runs it; sound and server are taken away and given back."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from tests.support.programs import (
    Running,
    recording_proxy,
    running,
    script_server,
    speech_samples,
)
from tests.support.rig import AudioRig
from tests.support.steadiness import repeated_if_stalled
from voice.audio.frames import SAMPLE_RATE, Int16
from voice.speak.piper import PiperSynthesizer

RECOVERY_SECONDS = 3.0

CONFIG = """
[kiosk]
status_port = -1
fallback = "none"
"""

WAKE_WORD = """
activation = "wake-word"
follow_up_seconds = 3.0
forget_seconds = 3.0
"""


@contextmanager
def _kiosk(rig: AudioRig, folder: Path, url: str, more: str = "", **env: str) -> Iterator[Running]:
    config = folder / "kiosk.toml"
    config.write_text(CONFIG + more)
    arguments = ("kiosk", "--config", str(config), "--agent", url)
    with running(*arguments, trace=folder / "t.jsonl", env=rig.env | env) as program:
        yield program


def _ask(program: Running, rig: AudioRig, speech: Path) -> str:
    """Ask what time it is; returns what was understood, once it is answered."""
    before = len(program.events("turn.completed"))
    rig.say(speech_samples(speech / "what_time_is_it.flac"))
    words: str = program.wait_for("turn.completed", before + 1)["user_text"]
    return words.lower()


@repeated_if_stalled
def test_it_tells_the_service_manager_talks_and_ends_in_time(
    rig: AudioRig, speech: Path, tmp_path: Path
) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        script_server() as url,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "10000000"}
        with _kiosk(rig, tmp_path, url, **told) as program:
            while b"READY=1" not in manager.recv(4096):
                pass
            assert program.events("kiosk.ready"), "it listens"
            assert "time" in _ask(program, rig, speech)
            (tmp_path / "kiosk.toml").write_text("[kiosk]\nactivation = 'never'\n")
            program.process.send_signal(signal.SIGHUP)
            assert "activation" in program.wait_for("config.refused")["problem"]
            assert "time" in _ask(program, rig, speech), "the old configuration goes on"
            began = time.monotonic()
            program.process.terminate()
            output, _ = program.process.communicate(timeout=10)
            assert time.monotonic() - began < 2.0
            assert program.process.returncode == 0
        told_since = [manager.recv(4096)]
        while told_since[-1] != b"STOPPING=1":
            told_since.append(manager.recv(4096))
        assert b"WATCHDOG=1" in told_since
        assert [one for one in told_since if one.startswith(b"RELOADING=1\nMONOTONIC_USEC=")]
    events = {json.loads(line)["event"] for line in output.splitlines()}
    assert {"kiosk.ready", "turn.completed", "kiosk.stopping"} <= events
    assert "what time" not in output.lower(), "nothing of what was said is in the log"


@repeated_if_stalled
def test_it_outlives_its_sound_server_and_the_one_that_answers(
    rig: AudioRig, speech: Path, tmp_path: Path
) -> None:
    with ExitStack() as before:
        url = before.enter_context(script_server())
        with _kiosk(rig, tmp_path, url) as program:
            program.wait_for("kiosk.ready")
            _outlive_the_sound_server(program, rig)
            assert "time" in _ask(program, rig, speech)
            began = time.monotonic()
            before.close()
            program.wait_for("fault.began", len(program.events("fault.began")) + 1)
            assert program.events("fault.began")[-1]["fault"] == "network"
            assert rig.speaker.wait_for_sound(10, since=began), "it says so"
            with script_server("--port", re.findall(r":(\d+)/", url)[0]):
                back_at = time.monotonic()
                ended = program.wait_for("fault.ended", len(program.events("fault.began")))
                assert ended["at"] < back_at + RECOVERY_SECONDS
                assert "time" in _ask(program, rig, speech)


@repeated_if_stalled
def test_nothing_of_one_visitor_reaches_the_next(
    rig: AudioRig, speech: Path, tmp_path: Path, voice_path: Path
) -> None:
    call = _spoken("Hey Jarvis.", voice_path)
    with (
        script_server() as upstream,
        recording_proxy(upstream) as proxy,
        _kiosk(rig, tmp_path, proxy.url, WAKE_WORD) as program,
    ):
        program.wait_for("kiosk.ready")
        time.sleep(0.5)
        rig.say(np.concatenate([call, speech_samples(speech / "what_time_is_it.flac")]))
        assert "time" in program.wait_for("turn.completed")["user_text"].lower()
        program.wait_for("visit.ended")
        before = len(proxy.requests)
        rig.say(speech_samples(speech / "set_a_timer_for_30_seconds.flac"))  # to somebody else
        lamp = speech_samples(speech / "turn_on_the_living_room_lamp.flac")
        rig.say(np.concatenate([call, lamp]))
        assert "lamp" in program.wait_for("turn.completed", 2)["user_text"].lower()
    first, *_ = later = proxy.requests[before:]
    assert first["type"] == "response.create"
    assert first.get("previous_response_id") is None
    said = json.dumps([request.get("input") for request in later]).lower()
    assert "lamp" in said
    assert "time" not in said, "neither the question before nor the timer"


def _spoken(text: str, voice_path: Path) -> Int16:
    piper = PiperSynthesizer.load(voice_path / "en_US-joe-medium.onnx", SAMPLE_RATE)
    return np.concatenate([sound.samples for sound in piper.synthesize(text)])


def _outlive_the_sound_server(program: Running, rig: AudioRig) -> None:
    rig.stop()
    program.wait_for("fault.began")
    time.sleep(1.0)  # it looks for the sound server in vain
    rig.restart()
    back_at = time.monotonic()
    assert program.wait_for("kiosk.ready", 2)["at"] < back_at + RECOVERY_SECONDS
    faults = {event["fault"] for event in program.events("fault.began")}
    assert faults <= {"microphone", "speaker", "sound-server"}
    assert faults == {event["fault"] for event in program.events("fault.ended")}
