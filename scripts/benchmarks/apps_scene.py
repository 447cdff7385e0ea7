"""A kiosk through the rig with all that can be taken away from it: sound, server, models, disk."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from scripts.benchmarks.figures import ROOT
from tests.support.programs import command
from tests.support.rig import AudioRig
from voice.audio.frames import Int16
from voice.models.cache import default_cache

_HEARING = "tiny.en"

_CONFIG = """
[kiosk]
status_port = -1
fallback = "none"
forget_seconds = 5.0

[listen]
model = "{model}"

[journal]
path = "{journal}"
"""


class Scene:
    """The kiosk runs; what it logs is kept with the times at which that arrived."""

    def __init__(self, rig: AudioRig, folder: Path) -> None:
        self.rig = rig
        self._folder = folder
        self._server: subprocess.Popen[str] | None = None
        self._port = "0"
        self._kiosk: subprocess.Popen[str] | None = None
        self._lines: list[tuple[float, dict[str, Any]]] = []
        self._whole = b""

    # ── the kiosk ────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start server and kiosk, and wait until it listens."""
        self.start_server()
        cache = _copied_cache(self._folder / "cache")
        self._model = cache / _HEARING / "model.bin"
        config = self._folder / "kiosk.toml"
        journal = self._folder / "journal.db"
        config.write_text(_CONFIG.format(model=_HEARING, journal=journal))
        url = f"ws://127.0.0.1:{self._port}/v1"
        self._kiosk = subprocess.Popen(
            command("kiosk", "--config", str(config), "--agent", url),
            env={**self.rig.env, "VOICE_CACHE": str(cache), "VOICE_MODELS": str(self._folder)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for(["kiosk.ready"], 0.0)

    def end(self) -> float:
        """End both; how many seconds the kiosk took."""
        assert self._kiosk is not None
        assert self._server is not None
        began = time.monotonic()
        self._kiosk.terminate()
        self._kiosk.wait(timeout=20)
        ended = time.monotonic()
        self._server.kill()
        self._server.wait()
        return ended - began

    def ask(self, question: Int16) -> bool:
        """Ask something; whether there was an answer within 20 s."""
        began = time.monotonic()
        self.rig.say(question)
        try:
            self.wait_for(["turn.completed"], began, 20.0)
        except TimeoutError:
            return False
        return not self.events("answer.failed", began)

    def reload(self) -> None:
        """Have the conversation opened anew."""
        assert self._kiosk is not None
        self._kiosk.send_signal(signal.SIGHUP)

    def events(self, name: str, since: float = 0.0) -> list[dict[str, Any]]:
        """What the log has of that event since then."""
        return [line for at, line in list(self._lines) if at >= since and line["event"] == name]

    def wait_for(self, names: Sequence[str], since: float, timeout: float = 60.0) -> float:
        """When the first of these events arrived since then. Raises `TimeoutError`."""
        assert self._kiosk is not None
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for at, line in list(self._lines):
                if at >= since and line["event"] in names:
                    return at
            if self._kiosk.poll() is not None:
                raise RuntimeError(f"the kiosk has ended: {[line for _, line in self._lines[-5:]]}")
            time.sleep(0.01)
        raise TimeoutError(f"none of {names}: {[line for _, line in self._lines[-5:]]}")

    @property
    def open_faults(self) -> list[str]:
        """Those that have begun and not ended."""
        faults: list[str] = []
        for _, line in list(self._lines):
            if line["event"] == "fault.began":
                faults.append(line["fault"])
            elif line["event"] == "fault.ended" and line["fault"] in faults:
                faults.remove(line["fault"])
        return faults

    def wait_until_well(self, timeout: float = 60.0) -> float:
        """When the last fault ended. Raises `TimeoutError`."""
        deadline = time.monotonic() + timeout
        while self.open_faults:
            if time.monotonic() > deadline:
                raise TimeoutError(f"still out of order: {self.open_faults}")
            time.sleep(0.01)
        return max(at for at, line in list(self._lines) if line["event"] == "fault.ended")

    @property
    def rss_mb(self) -> float:
        """Memory of the kiosk now."""
        assert self._kiosk is not None
        status = Path(f"/proc/{self._kiosk.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def _read(self) -> None:
        assert self._kiosk is not None
        assert self._kiosk.stderr is not None
        for line in self._kiosk.stderr:
            self._lines.append((time.monotonic(), json.loads(line)))

    # ── what is taken away ───────────────────────────────────────────────────────────────

    def start_server(self, key: str = "") -> None:
        """A server at the address that the kiosk knows; with a key it refuses the kiosk."""
        environment = {**os.environ, "VOICE_SERVER_KEY": key} if key else dict(os.environ)
        self._server = subprocess.Popen(
            command("serve", "--backend", "script", "--port", self._port),
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._server.stdout is not None
        self._port = re.findall(r":(\d+)/", self._server.stdout.readline())[0]

    def stop_server(self) -> None:
        """It is gone, and so is its address."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def freeze_server(self, on: bool) -> None:
        """It answers nothing any more, or again."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def fill_disk(self, on: bool) -> None:
        """The kiosk can write no file beyond its first kilobyte, or can again."""
        assert self._kiosk is not None
        limit = 1000 if on else resource.RLIM_INFINITY
        resource.prlimit(self._kiosk.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def damage_model(self, on: bool) -> None:
        """Spoil the weights of the model that hears, or put them right."""
        if on:
            self._whole = self._model.read_bytes()
            self._model.write_bytes(self._whole[: len(self._whole) // 2])
        else:
            self._model.write_bytes(self._whole)


@contextmanager
def scene() -> Iterator[Scene]:
    """A kiosk that listens."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kiosk-")))
        rig = stack.enter_context(AudioRig())
        here = Scene(rig, folder)
        stack.callback(here.end)
        here.start()
        yield here


def _copied_cache(folder: Path) -> Path:
    """The models, of which one may be damaged."""
    folder.mkdir()
    for model in default_cache().root.iterdir():
        if model.name == _HEARING:
            shutil.copytree(model, folder / model.name)
        else:
            (folder / model.name).symlink_to(model)
    return folder
