"""Which sound devices there are, and the choice of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voice.audio.portaudio import portaudio, reason
from voice.errors import AudioError, MicrophoneError, SpeakerError

Kind = Literal["input", "output"]

NAMES: dict[Kind, str] = {"input": "microphone", "output": "speaker"}

_ERRORS: dict[Kind, type[AudioError]] = {"input": MicrophoneError, "output": SpeakerError}


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device as PortAudio lists it; `rate` is its own sample rate in Hz."""

    number: int
    name: str
    host_api: str
    inputs: int
    outputs: int
    rate: int
    is_default_input: bool
    is_default_output: bool

    def channels(self, kind: Kind) -> int:
        """How many channels it has as a microphone or as a speaker."""
        return self.inputs if kind == "input" else self.outputs

    def is_default(self, kind: Kind) -> bool:
        """Whether the system prefers it as a microphone or as a speaker."""
        return self.is_default_input if kind == "input" else self.is_default_output


def list_devices() -> list[Device]:
    """All devices, in PortAudio's order. Raises `AudioError` without PortAudio."""
    sounddevice = portaudio()
    try:
        hosts = [host["name"] for host in sounddevice.query_hostapis()]
        default_input, default_output = sounddevice.default.device
        return [
            Device(
                number=number,
                name=found["name"],
                host_api=hosts[found["hostapi"]],
                inputs=found["max_input_channels"],
                outputs=found["max_output_channels"],
                rate=round(found["default_samplerate"]),
                is_default_input=number == default_input,
                is_default_output=number == default_output,
            )
            for number, found in enumerate(sounddevice.query_devices())
        ]
    except sounddevice.PortAudioError as error:
        problem = f"the sound devices cannot be listed: {reason(error)}"
        raise AudioError(problem, "run: voice doctor") from None


def choose(wanted: str | int | None, kind: Kind) -> Device:
    """The device that is meant; None or "": the system's default. Raises `AudioError`.

    `wanted` is a number, a name, or a part of a name that only one device's name has.
    """
    return choose_from(list_devices(), wanted, kind)


def choose_from(devices: list[Device], wanted: str | int | None, kind: Kind) -> Device:
    """What `choose` does, among these. Raises `AudioError`."""
    able = [device for device in devices if device.channels(kind)]
    if not able:
        cure = f"connect one, or use a sound file: voice run --{kind} FILE.wav"
        raise _ERRORS[kind](f"there is no {NAMES[kind]} on this machine", cure)
    wanted = "" if wanted is None else str(wanted).strip()
    if not wanted:
        return next((device for device in able if device.is_default(kind)), able[0])
    meant = _meant(able, wanted)
    if len(meant) == 1:
        return meant[0]
    listed = ", ".join(f"{device.number}: {device.name}" for device in meant or able)
    found = "more than one" if meant else "no"
    raise _ERRORS[kind](
        f"{found} {NAMES[kind]} is called {wanted!r}", f"name one by its number: {listed}"
    )


def _meant(devices: list[Device], wanted: str) -> list[Device]:
    if wanted.isdigit() and any(device.number == int(wanted) for device in devices):
        return [device for device in devices if device.number == int(wanted)]
    exact = [device for device in devices if device.name == wanted]
    part = wanted.casefold()
    return exact or [device for device in devices if part in device.name.casefold()]
