"""What the kiosk says when there is no conversation: phrases that are ready on disk.

They are kept by the voice's name and not by its file, so that they are there when that is damaged.
"""

from __future__ import annotations

import asyncio
import hashlib
import json

import numpy as np

from voice.apps.kiosk.faults import PHRASES
from voice.audio.devices import Speaker, choose
from voice.audio.frames import Int16
from voice.config import Options
from voice.models.cache import default_cache
from voice.models.resolve import weights
from voice.speak.clips import Clips
from voice.speak.earcons import earcon
from voice.speak.options import SpeakOptions
from voice.speak.settings import VoiceSettings

_LOOK_SECONDS = 0.05
"""Between two looks at whether the phrase was heard."""

_LONGEST_LOOKS = 200
"""No phrase takes so long; a speaker that has not played it by then has stalled."""

_TAIL_SECONDS = 0.2
"""Until the device's own buffer has been heard."""


def clips_of(options: SpeakOptions, rate: int) -> Clips:
    """The phrases in this voice for a speaker of that rate (Hz), as far as they were kept."""
    voice = [options.voice, options.speaker, options.speed, options.volume, rate]
    key = hashlib.sha256(json.dumps(["kiosk", voice]).encode()).hexdigest()[:32]
    return Clips.open(default_cache().root / "clips", key)


def keep_phrases(options: Options, rate: int) -> None:
    """Speak and keep what is missing; blocks for some seconds the first time.

    Raises `ModelError` where there is no voice to do it with.
    """
    clips = clips_of(options.speak, rate)
    if all(clips.find(phrase) for phrase in PHRASES):
        return
    from voice.speak.piper import PiperSynthesizer

    speak = options.speak
    settings = VoiceSettings(speak.volume, speak.speed)
    model = weights(speak.voice, ".onnx")
    clips.add(PHRASES, PiperSynthesizer.load(model, rate, speak, settings))


async def announce(phrase: str, options: Options) -> None:
    """Say it on the configured speaker, or make a sound of error where it was never kept.

    Raises `SpeakerError`. Nobody else may have the speaker open.
    """
    speaker = Speaker(await asyncio.to_thread(choose, options.audio.output or None, "output"))
    clip = await asyncio.to_thread(clips_of(options.speak, speaker.rate).find, phrase)
    sound = clip.samples if clip else earcon("error", speaker.rate)
    await speaker.open()
    try:
        await _play(speaker, sound)
    finally:
        await speaker.close()


async def _play(speaker: Speaker, sound: Int16) -> None:
    tail = np.zeros(round(_TAIL_SECONDS * speaker.rate), np.int16)
    end = speaker.write(sound) + len(sound)
    speaker.write(tail)
    for _ in range(_LONGEST_LOOKS):
        if not speaker.alive or speaker.position().played >= end:
            return
        await asyncio.sleep(_LOOK_SECONDS)
