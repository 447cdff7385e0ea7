"""A sound card in software, for tests that need a microphone and a speaker.

A private PulseAudio daemon with two null sinks, `speaker` and `room`. The program under test opens
an ordinary default microphone (what is said into the room) and default speaker through PortAudio
and the ALSA plug-in for PulseAudio. The rig says recordings into the room and records both on one
clock, optionally with an echo path from the speaker to the room.

PortAudio looks for devices once, when its library is loaded, so the program under test must be a
process of its own that is started with `rig.env`:

    with AudioRig() as rig:
        program = subprocess.Popen([...], env=rig.env)
        said = rig.say(samples)
        first_sound = rig.speaker.wait_for_sound(10)

Debian: pulseaudio pulseaudio-utils libasound2-plugins libportaudio2.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from types import TracebackType

from tests.support.recording import Recording
from voice.audio.frames import SAMPLE_RATE, Int16

DAEMON_START_SECONDS = 20.0
"""A daemon that has not answered by then will not; a loaded machine took 0.3 s."""

IDLE_EXIT_SECONDS = 20
"""The daemon ends this long after its last client: nothing outlives a killed test."""

PROGRAMS = {
    "pulseaudio": "pulseaudio",
    "pactl": "pulseaudio-utils",
    "pacat": "pulseaudio-utils",
    "parec": "pulseaudio-utils",
}


def available() -> str | None:
    """Why the rig cannot run here, with the cure; None when it can."""
    if sys.platform != "linux":
        return "the audio rig needs PulseAudio on Linux"
    packages = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if not any(Path("/usr").glob("lib*/**/alsa-lib/libasound_module_pcm_pulse.so")):
        packages.add("libasound2-plugins")
    if not ctypes.util.find_library("portaudio"):
        packages.add("libportaudio2")
    if packages:
        return f"the audio rig needs: apt-get install {' '.join(sorted(packages))}"
    return None


class RigError(Exception):
    """The rig could not be set up or did not do what it was told."""


class AudioRig:
    """A virtual microphone and speaker; see the module's text.

    `echo_gain` (0 to 1) is how much of the speaker comes back into the room, `echo_delay_ms` late.
    """

    env: dict[str, str]
    """The environment for the program under test."""

    microphone: Recording
    """What the microphone carried."""

    speaker: Recording
    """What the speaker played."""

    def __init__(self, echo_gain: float = 0.0, echo_delay_ms: int = 60) -> None:
        self._echo_gain = echo_gain
        self._echo_delay_ms = echo_delay_ms
        self._cleanup = ExitStack()

    def __enter__(self) -> AudioRig:
        with ExitStack() as stack:
            self._start(stack)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def say(self, samples: Int16, *, wait: bool = True) -> float:
        """Say int16 mono 16 kHz sound into the microphone.

        Returns the time of the last audible block that the microphone carried; with `wait=False`
        at once, the time it was sent off.
        """
        began = time.monotonic()
        player = self._player()
        if not wait:
            Thread(target=player.communicate, args=(samples.tobytes(),), daemon=True).start()
            self._cleanup.callback(_end, player)
            return began
        player.communicate(samples.tobytes())
        self.microphone.catch_up(time.monotonic())
        return max(self.microphone.sounds(began), default=began)

    def stop(self) -> None:
        """The sound server dies."""
        self._daemon.kill()
        self._daemon.wait()

    def restart(self) -> None:
        """The sound server is there again, after `stop`; it is recorded anew."""
        (self._home / "native").unlink(missing_ok=True)
        self._boot(self._cleanup)

    def unplug(self, device: str = "microphone") -> None:
        """The microphone delivers nothing any more, or the `speaker` takes nothing."""
        self._suspend(device, "1")

    def plug_in(self, device: str = "microphone") -> None:
        """It does again."""
        self._suspend(device, "0")

    def _suspend(self, device: str, on: str) -> None:
        kind = "sink" if device == "speaker" else "source"
        self._pactl(f"suspend-{kind}", device, on)

    def _start(self, stack: ExitStack) -> None:
        self._home = home = Path(tempfile.mkdtemp(prefix="audio-rig-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        self._env = {**os.environ, "XDG_RUNTIME_DIR": str(home), "HOME": str(home)}
        self._env["PULSE_SERVER"] = f"unix:{home / 'native'}"
        self.env = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(home),
            "PULSE_SERVER": self._env["PULSE_SERVER"],
            "PULSE_LATENCY_MSEC": "20",
            "ALSA_CONFIG_PATH": str(_write_alsa_configuration(home)),
        }
        self._boot(stack)

    def _boot(self, stack: ExitStack) -> None:
        """Start the sound server, and record both devices."""
        self._start_daemon(self._home, stack)
        self._pactl("set-default-sink", "speaker")
        self._pactl("set-default-source", "microphone")
        if self._echo_gain > 0:
            self._open_echo_path()
        self.microphone = self._record("room.monitor", stack)
        self.speaker = self._record("speaker.monitor", stack)
        for recording in (self.microphone, self.speaker):  # both take their 2 s at the same time
            if not recording.wait_until_running(DAEMON_START_SECONDS):
                raise RigError("PulseAudio records nothing")

    def _start_daemon(self, home: Path, stack: ExitStack) -> None:
        command = ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--disable-shm=yes"]
        command += ["--log-level=error", f"--exit-idle-time={IDLE_EXIT_SECONDS}"]
        for module in (
            f"module-native-protocol-unix socket={home / 'native'} auth-anonymous=1",
            "module-null-sink sink_name=speaker rate=48000",
            "module-null-sink sink_name=room rate=48000",
            "module-remap-source master=room.monitor source_name=microphone",
        ):
            command += ["-L", module]
        log = home / "pulseaudio.log"
        with log.open("wb") as sink:
            daemon = subprocess.Popen(command, env=self._env, stdout=sink, stderr=sink)
        self._daemon = daemon
        stack.callback(_end, daemon)
        deadline = time.monotonic() + DAEMON_START_SECONDS
        while not self._daemon_answers():
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise RigError(f"PulseAudio did not start: {log.read_text().strip() or 'no word'}")
            time.sleep(0.05)

    def _daemon_answers(self) -> bool:
        try:
            return not subprocess.run(
                ["pactl", "info"], env=self._env, capture_output=True, check=False, timeout=5
            ).returncode
        except subprocess.TimeoutExpired:
            return False

    def _open_echo_path(self) -> None:
        self._pactl(
            *("load-module", "module-loopback", "source=speaker.monitor", "sink=room"),
            *(f"latency_msec={self._echo_delay_ms}", "source_dont_move=true"),
            "sink_dont_move=true",
        )
        loopback = self._pactl("list", "short", "sink-inputs").split()
        if not loopback:
            raise RigError("PulseAudio did not open the echo path")
        percent = round(100 * self._echo_gain ** (1 / 3))  # PulseAudio's volumes are cubic
        self._pactl("set-sink-input-volume", loopback[0], f"{percent}%")

    def _record(self, source: str, stack: ExitStack) -> Recording:
        recording = Recording(source, self._env)
        stack.callback(recording.stop)
        return recording

    def _player(self) -> subprocess.Popen[bytes]:
        # Its usual buffer, 2 s: with 20 to 50 ms a loaded machine left gaps in what was said.
        command = ["pacat", "--playback", "--device=room", "--raw", "--format=s16le"]
        command += [f"--rate={SAMPLE_RATE}", "--channels=1"]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._env
        )

    def _pactl(self, *arguments: str) -> str:
        command = ["pactl", *arguments]
        done = subprocess.run(
            command, env=self._env, capture_output=True, text=True, check=False, timeout=10
        )
        if done.returncode:
            raise RigError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _write_alsa_configuration(home: Path) -> Path:
    """ALSA's own configuration with PulseAudio as the default device."""
    system = Path("/usr/share/alsa/alsa.conf")
    own = home / "default.conf"
    own.write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    whole = home / "alsa.conf"
    whole.write_text(f"<{system}>\n<{own}>\n" if system.exists() else own.read_text())
    return whole
