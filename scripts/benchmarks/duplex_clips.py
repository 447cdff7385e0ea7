"""What the user says: recordings of people, and sounds made here where there are none.

The recordings lie beside the checkout; without them the few of the repository have to do.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.duplex_hearing import true_speech
from scripts.benchmarks.listen_clips import REPOSITORY, SHARED
from tests.support.giving_way import first_speech
from tests.support.programs import speech_samples
from voice.audio.frames import SAMPLE_RATE, Int16
from voice.models.resolve import weights
from voice.speak.options import SpeakOptions
from voice.speak.piper import PiperSynthesizer
from voice.speak.voice_model import load_config, load_graph

LEAD_SECONDS = 0.25
"""Silence of its own that a clip keeps before and after its speech."""

SYNTHETIC_DBFS = -22.0
"""Level of the sounds made here: that of the people's commands, at the median."""

VOICE = "en_US-joe-medium"


@dataclass(frozen=True, slots=True)
class Said:
    """One thing to say: int16 mono at 16 kHz, and where its speech begins and ends in it."""

    name: str
    real: bool
    samples: Int16
    begins: float
    ends: float

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.samples) / SAMPLE_RATE


QUESTION = "how_old_is_the_brooklyn_bridge"

_REPOSITORY_INTERRUPTIONS = (
    "whats_the_weather_like_in_new_york",
    "iced_mocha_with_a_pause",
    "compassion_and_empathy",
    "set_a_timer_for_30_seconds",
)

# Between words in recordings of one speaker who was asked for such sounds; "uh" and "um" by
# themselves. Seconds from the start.
_SOUNDS = (
    ("uh 1", "disfluency/mfa_uhuh.flac", 1.85, 2.15),
    ("uh 2", "disfluency/mfa_uhuh.flac", 2.55, 2.85),
    ("uh 3", "disfluency/mfa_uhuh.flac", 3.15, 3.6),
    ("um", "disfluency/mfa_uhum.flac", 5.05, 5.95),
    ("breath", "disfluency/mfa_breaths.flac", 2.25, 3.15),
)
_STOPS = (("Never mind.", "commands_ha/nevermind.flac", 0.5, 1.6),)  # without the knock before it
# Not "mm-hm": Piper's is understood by nobody. There are real ones.
_SPOKEN_SOUNDS = ("Okay.", "Yeah.", "Right.", "Uh-huh.", "I see.", "Oh, wow.", "Go on.")
_SPOKEN_STOPS = ("Stop.", "Wait.", "Hold on.", "Stop it.", "Wait a minute.", "Be quiet.")

_SHORTEST_LEAD_SECONDS = 0.3
"""A command whose recording begins with speech may have lost its first sound."""

_LONGEST_RISE_SECONDS = 0.06
"""From the first sound to within 20 dB of the loudest; a breath before a command takes longer."""


def question() -> Said:
    """What is asked where it does not matter what."""
    return _trimmed(QUESTION, REPOSITORY / f"{QUESTION}.flac")


def questions(most: int) -> list[Said]:
    """What is asked to measure the time to the answer: other commands than the interruptions."""
    fit = _commands()
    if not fit:
        return [question()] * most
    return [_trimmed(path.stem, path) for path in _spread(fit[1::2], most)]


def interruptions(most: int) -> list[Said]:
    """Commands by many people, each once, evenly spread over the set."""
    fit = _commands()
    if not fit:
        names = _REPOSITORY_INTERRUPTIONS[:most]
        return [_trimmed(name, REPOSITORY / f"{name}.flac") for name in names]
    return [_trimmed(path.stem, path) for path in _spread(fit, most)]


def stops(most: int) -> list[Said]:
    """Stop words: a real "stop" and "never mind", the others spoken by Piper."""
    real = [_trimmed("Stop.", REPOSITORY / "stop.flac")]
    real += _cut(_STOPS)
    return [*real, *map(_spoken, _SPOKEN_STOPS[: max(0, most - len(real))])][:most]


def sounds(most: int) -> list[Said]:
    """Backchannels, hesitations, a breath and coughs; real and synthetic ones take turns."""
    real = [_trimmed("hm", REPOSITORY / "hm.flac")]
    real += _cut(_SOUNDS)
    made = [_cough("cough", 1), *map(_spoken, _SPOKEN_SOUNDS), _cough("two coughs", 2)]
    paired = [one for pair in zip(real, made, strict=False) for one in pair]
    return [*paired, *real[len(made) :], *made[len(real) :]][:most]


def cough(count: int, seed: int = 1) -> Int16:
    """Bursts of noise with a sharp attack, each with a weaker end that has voice in it."""
    random = np.random.default_rng(seed)
    time = np.arange(round(0.35 * SAMPLE_RATE)) / SAMPLE_RATE
    burst = np.minimum(time / 0.005, 1.0) * np.exp(-time / 0.05)
    voiced = 0.35 * np.exp(-(((time - 0.2) / 0.05) ** 2)) * np.sin(2 * np.pi * 160 * time)
    parts = []
    for _ in range(count):
        noise = np.convolve(random.standard_normal(len(time)), np.ones(5) / 5, mode="same")
        parts += [burst * noise + voiced, np.zeros(round(0.1 * SAMPLE_RATE))]
    return _at_level(np.concatenate(parts))


def _cut(parts: Sequence[tuple[str, str, float, float]]) -> list[Said]:
    """Those parts of recordings that are there."""
    return [
        _said(name, True, _part(speech_samples(SHARED / path), start, end))
        for name, path, start, end in parts
        if (SHARED / path).is_file()
    ]


def _cough(name: str, count: int) -> Said:
    return _said(name, False, _part(cough(count), 0.0, np.inf))


@functools.cache
def _commands() -> list[Path]:
    """Clean ones in which it is plain when the speech begins; none beside a bare checkout."""
    paths = sorted((SHARED / "commands_coffee").glob("*.flac"))
    return [path for path in paths if _begins_plainly(speech_samples(path))]


def _spread(paths: Sequence[Path], most: int) -> Sequence[Path]:
    step = max(1, len(paths) // most)
    return paths[::step][:most]


def _begins_plainly(clip: Int16) -> bool:
    """Whether it begins after the recording does, and with words: no breath long before them."""
    begins = true_speech(clip)[0]
    loud = first_speech(clip) / SAMPLE_RATE
    return begins >= _SHORTEST_LEAD_SECONDS and loud - begins <= _LONGEST_RISE_SECONDS


@functools.cache
def _synthesizer() -> PiperSynthesizer:
    model = weights(VOICE, ".onnx")
    config = load_config(model)
    return PiperSynthesizer(config, load_graph(model, config, 2), SAMPLE_RATE, SpeakOptions())


def _trimmed(name: str, path: Path) -> Said:
    """A recording without the long silence that many have before and after the speech."""
    samples = speech_samples(path)
    begins, ends = true_speech(samples)
    lead = min(begins, LEAD_SECONDS)
    return _said(name, True, _part(samples, begins - lead, ends + LEAD_SECONDS))


def _spoken(text: str) -> Said:
    sound = np.concatenate([piece.samples for piece in _synthesizer().synthesize(text)])
    return _said(text, False, _part(_at_level(sound.astype(float)), 0.0, np.inf))


def _part(samples: Int16, start: float, end: float) -> Int16:
    """A part between faded edges, in silence."""
    last = min(len(samples), round(min(end, 1e6) * SAMPLE_RATE))
    part = samples[max(0, round(start * SAMPLE_RATE)) : last].astype(float)
    fade = np.minimum(1.0, np.arange(len(part)) / (0.005 * SAMPLE_RATE))
    silence = np.zeros(round(0.05 * SAMPLE_RATE))
    return np.concatenate([silence, part * fade * fade[::-1], silence]).astype(np.int16)


def _at_level(sound: NDArray[np.float64]) -> Int16:
    """Scaled so that its loudest tenths of a second have the level of speech."""
    size = SAMPLE_RATE // 10
    power = np.convolve(sound**2, np.ones(size) / size, mode="same").max()
    scaled = sound * (32768 * 10 ** (SYNTHETIC_DBFS / 20) / np.sqrt(power))
    return np.asarray(np.clip(scaled, -32768, 32767), np.int16)


def _said(name: str, real: bool, samples: Int16) -> Said:
    begins, ends = true_speech(samples)
    return Said(name, real, samples, begins, ends)
