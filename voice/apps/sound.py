"""The sound devices that the options name."""

from __future__ import annotations

from voice.audio.devices import Microphone, Speaker, choose
from voice.audio.echo import EchoCancellingMicrophone
from voice.audio.frames import AudioInput
from voice.build import Devices
from voice.clock import Clock
from voice.config import AudioOptions

FILE_RATE = 22_050
"""Hz of the files we write: that of most Piper voices, so that nothing is resampled."""


def microphone(audio: AudioOptions) -> Microphone:
    """The microphone. Raises `AudioError`."""
    return Microphone(choose(audio.input or None, "input"))


def speaker(audio: AudioOptions) -> Speaker:
    """The speaker. Raises `AudioError`."""
    return Speaker(choose(audio.output or None, "output"))


def live_devices(audio: AudioOptions, clock: Clock, output: Speaker, source: Microphone) -> Devices:
    """That speaker, and a microphone that does not hear it where that is wanted."""
    heard: AudioInput = source
    if audio.echo_cancellation:
        heard = EchoCancellingMicrophone(
            source,
            output,
            noise_suppression=audio.noise_suppression,
            gain_control=audio.gain_control,
        )
    return Devices(heard, output, clock, patient=False)
