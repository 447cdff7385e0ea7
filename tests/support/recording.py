"""What a virtual sound device carried, on the machine's monotonic clock."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Mapping

import numpy as np

from voice.audio.frames import SAMPLE_RATE, Int16

BLOCK_SAMPLES = 160
"""10 ms: one read from PulseAudio, and the resolution of every time told here."""

AUDIBLE_RMS = 60.0
"""A block louder than this (int16 units, about -55 dBFS) counts as sound."""


def is_audible(block: Int16) -> bool:
    """Whether a block holds more than a whisper of noise."""
    return bool(np.sqrt(np.mean(block.astype(np.float64) ** 2)) > AUDIBLE_RMS)


class Recording(threading.Thread):
    """Records a PulseAudio source (16 kHz, mono) from the moment it is made until `stop`."""

    def __init__(self, source: str, env: Mapping[str, str]) -> None:
        super().__init__(name=f"recording {source}", daemon=True)
        self._blocks: list[tuple[float, Int16]] = []
        command = ["parec", f"--device={source}", "--raw", "--format=s16le"]
        command += [f"--rate={SAMPLE_RATE}", "--channels=1"]
        command += ["--latency-msec=10", "--process-time-msec=5"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(env)
        )
        self.start()

    def run(self) -> None:
        """Collect blocks until PulseAudio or `stop` ends the stream."""
        assert self._process.stdout is not None
        while data := self._process.stdout.read(BLOCK_SAMPLES * 2):
            whole = data[: len(data) // 2 * 2]
            self._blocks.append((time.monotonic(), np.frombuffer(whole, np.int16)))

    def stop(self) -> None:
        """End the recording; what was heard stays."""
        self._process.terminate()
        self._process.wait(timeout=5)
        self.join(timeout=5)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def wait_until_running(self, seconds: float) -> bool:
        """Wait for the first block; False if none came in time."""
        deadline = time.monotonic() + seconds
        while not self._blocks and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(self._blocks)

    def catch_up(self, at: float, timeout: float = 10.0) -> None:
        """Wait until what sounded at a moment has arrived here. Raises `TimeoutError`."""
        deadline = time.monotonic() + timeout
        while True:
            began, recorded = self.timeline()
            if began + len(recorded) / SAMPLE_RATE >= at:
                return
            if time.monotonic() > deadline:
                raise TimeoutError("the recording is behind")
            time.sleep(0.01)

    def samples(self, since: float = 0.0, until: float = float("inf")) -> Int16:
        """Everything that arrived between two times."""
        blocks = [block for at, block in list(self._blocks) if since <= at <= until]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)

    def timeline(self) -> tuple[float, Int16]:
        """All samples and the time of the first one, freed of the arrivals' jitter.

        A block can arrive late but not early, so the earliest arrivals tell the time best; the
        second percentile stands for them, safe from a single wrong reading.
        """
        blocks = list(self._blocks)
        ends = np.cumsum([len(block) for _, block in blocks])
        starts = np.array([at for at, _ in blocks]) - ends / SAMPLE_RATE
        return float(np.percentile(starts, 2)), self.samples()

    def sounds(self, since: float = 0.0) -> list[float]:
        """The arrival times of the audible blocks since a moment."""
        return [at for at, block in list(self._blocks) if at >= since and is_audible(block)]

    def wait_for_sound(self, timeout: float, since: float | None = None) -> float | None:
        """The time of the first audible block since a moment (now); None: none in time."""
        since = time.monotonic() if since is None else since
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if sounds := self.sounds(since):
                return sounds[0]
            time.sleep(0.01)
        return None

    def wait_for_quiet(self, quiet_seconds: float, timeout: float = 60.0) -> float | None:
        """Wait for a pause of that length from now on; the time of the last sound before it.

        None: there never was a sound. Raises `TimeoutError`.
        """
        began = time.monotonic()
        while (now := time.monotonic()) < began + timeout:
            sounds = self.sounds()
            last = sounds[-1] if sounds else None
            if now - max(began, last or 0.0) >= quiet_seconds:
                return last
            time.sleep(0.02)
        raise TimeoutError(f"never silent for {quiet_seconds} s within {timeout} s")
