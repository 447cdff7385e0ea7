"""PortAudio, loaded late: everything but a live microphone or speaker works without it."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Lock
from types import ModuleType
from typing import Any

from voice.errors import AudioError

opening = Lock()
"""Held while a stream is opened or closed: PortAudio does not allow two at a time."""

SANE_LATENCY_SECONDS = 2.0
"""What a host tells beyond that (some tell zeros or another clock's times) is not believed."""


@cache
def portaudio() -> ModuleType:
    """The module sounddevice with PortAudio initialised. Raises `AudioError`."""
    # It overrides the buffer of 20 to 40 ms that we ask for, behind the back of ALSA's plug-in for
    # PulseAudio. Measured with 20 (ms) on a loaded machine: the playback stalls for good.
    os.environ.pop("PULSE_LATENCY_MSEC", None)
    try:
        with _quiet_stderr():
            import sounddevice  # noqa: PLC0415
    except ImportError:
        raise AudioError("the Python package sounddevice is missing", "run: make setup") from None
    except OSError:
        mac = sys.platform == "darwin"
        install = "brew install portaudio" if mac else "apt-get install libportaudio2"
        raise AudioError("the PortAudio library is missing", f"run: {install}") from None
    assert isinstance(sounddevice, ModuleType)
    _quiet_alsa()
    return sounddevice


def refresh() -> None:
    """Look for devices anew; PortAudio knows only those that were there when it was initialised.

    No stream may be open: it would be closed behind its owner's back. Raises `AudioError`.
    """
    sounddevice = portaudio()
    try:
        with opening:
            sounddevice._terminate()
            sounddevice._initialize()
    except sounddevice.PortAudioError as error:
        problem = f"the sound system cannot be asked for its devices: {reason(error)}"
        raise AudioError(problem, "run: voice doctor") from None


def reason(error: Exception) -> str:
    """PortAudio's own words for what went wrong."""
    return str(error.args[0]) if error.args else type(error).__name__


def device_delay(time_info: Any, field: str, fallback_seconds: float) -> float:
    """Seconds between a callback and its buffer's time at the device, as PortAudio tells it."""
    delay = abs(getattr(time_info, field) - time_info.currentTime)
    return float(delay) if 0.0 < delay < SANE_LATENCY_SECONDS else fallback_seconds


def is_alive(stream: Any, last_call_at: float, patience_seconds: float) -> bool:
    """Whether a stream runs and its callback has been called lately."""
    return bool(stream.active) and time.monotonic() - last_call_at < patience_seconds


def takes_output(number: int, rate: int) -> bool:
    """Whether a device plays int16 mono at that rate."""
    sounddevice = portaudio()
    try:
        with opening:
            sounddevice.check_output_settings(number, 1, "int16", samplerate=rate)
    except sounddevice.PortAudioError:
        return False
    return True


def start_stream(kind: Callable[..., Any], **options: Any) -> Any:
    """A running stream of sounddevice's class `kind`. Raises `PortAudioError`."""
    with opening:
        stream = kind(**options)
        try:
            stream.start()
        except Exception:
            stream.close()
            raise
        return stream


def end_stream(stream: Any) -> None:
    """Close at once. Not `stop`: it waits for the device, and one that has stalled never ends."""
    with opening:
        stream.abort(ignore_errors=True)
        stream.close(ignore_errors=True)


_say_nothing = ctypes.CFUNCTYPE(None)(lambda: None)
"""What ALSA calls, with arguments of no interest, instead of printing an error."""


def _quiet_alsa() -> None:
    """Keep ALSA from printing each underrun into the terminal; they are counted."""
    with suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_say_nothing)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """ALSA and JACK print what they do not find, though nothing is wrong."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
