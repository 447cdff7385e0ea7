"""The kiosk's microphone and speaker, looked for anew before each conversation."""

from __future__ import annotations

from dataclasses import dataclass

from voice.apps.sound import live_devices
from voice.audio.devices import Device, Kind, Microphone, Speaker, choose
from voice.audio.portaudio import refresh
from voice.build import Devices
from voice.clock import Clock
from voice.config import AudioOptions
from voice.errors import AudioError


@dataclass(frozen=True, slots=True)
class Ends:
    """What a conversation is held through."""

    devices: Devices
    microphone: Device
    speaker: Speaker


def open_ends(audio: AudioOptions, clock: Clock) -> Ends:
    """The two ends of a conversation, not open yet. Blocks; no stream may be open.

    Raises `MicrophoneError` or `SpeakerError`, and another `AudioError` where both are missing.
    """
    refresh()
    found = [_find(audio.output, "output"), _find(audio.input, "input")]
    match found:
        case [Device() as output, Device() as heard]:
            speaker = Speaker(output)
            devices = live_devices(audio, clock, speaker, Microphone(heard))
            return Ends(devices, heard, speaker)
        case [AudioError() as error, AudioError()]:
            problem = f"there is neither microphone nor speaker: {error.problem}"
            raise AudioError(problem, "see whether the sound server runs: voice doctor")
        case _:
            raise next(error for error in found if isinstance(error, AudioError))


def _find(wanted: str, kind: Kind) -> Device | AudioError:
    try:
        return choose(wanted or None, kind)
    except AudioError as error:
        return error
