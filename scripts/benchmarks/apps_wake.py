"""The wake word by two packages: how often it is missed, and heard where nobody said it.

Said by Piper, faster and slower, loud and soft, alone and before a question, in a quiet and in a
noisy room. The other sound is that of the recordings in which none of the words is said, and what
sounds like one of them is spoken by Piper. The kiosk uses the first of the packages; one that is
not installed is left out.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any

import numpy as np
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

from scripts.benchmarks.figures import code_version, load, machine, rounded
from scripts.benchmarks.listen_clips import Clip, default_folder, load_clips, noise, thinned
from voice.apps.kiosk.wake import Utterances
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16
from voice.audio.wav import read_frames
from voice.models.resolve import resolve
from voice.speak.options import SpeakOptions
from voice.speak.piper import PiperSynthesizer
from voice.speak.voice_model import load_config, load_graph

WORDS = ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")
"""What both packages know."""

VOICE = "en_US-joe-medium"
ALIKE = (
    "A Lexus is a car.", "Ask Alexis.", "I like the sax.",
    "Hey, Travis.", "Hey, Jar Jar.", "He harvests it.",
    "Hey, Michael.", "Hey, my croft.", "He may soften it.",
    "Okay, now go.", "Okay, nah.", "Okay, maybe.",
)  # fmt: skip
TEXTS = ("{}.", "{}, what time is it?")
MANNERS = ((0.85, 0.4), (1.0, 0.667), (1.2, 0.8))
"""Speed, and how much the voice varies (Piper's noise scale)."""
GAINS_DB = (0.0, -20.0)
NOISES_DB = {"quiet": 45.0, "noise 15 dB": 15.0, "noise 5 dB": 5.0}
"""Speech above the recorded noise."""
BEFORE_SECONDS, AFTER_SECONDS = 1.5, 1.5

_STEP_SAMPLES = 1280
_WARM_UP_SECONDS = 2.0
_COST_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Said:
    """A wake word with sound around it."""

    word: str
    condition: str
    samples: Int16


@dataclass(frozen=True, slots=True)
class Package:
    """Features of the sound, and for each word its scores of them and the limit for these."""

    features: Callable[[bytes], Iterable[Any]]
    scores: dict[str, Callable[[Any], Iterable[float]]]
    thresholds: dict[str, float]


def measure_wake(quick: bool = False) -> dict[str, Any]:
    """`wake_miss_rate`, `wake_false_per_hour`, `wake_alike_rate` (sentences that sound like a word
    and are taken for it) and `wake_cpu_percent` of the kiosk's package.

    The same of each package is in `wake_packages`.
    """
    before = load()
    clips = load_clips(default_folder())
    pipers = _pipers(MANNERS[1:2] if quick else MANNERS)
    said = [*_spoken(noise(clips), pipers), *_recorded(clips)]
    alike = _alike(noise(clips), pipers)
    other = _others(clips, 3 if quick else 0)
    packages = {
        name: _apart(name, said, alike, other) for name in PACKAGES if find_spec(name) is not None
    }
    conditions = {
        "machine": machine(), "code": code_version(), "load_before": before, "load_after": load(),
        "words": WORDS, "said": len(said), "alike": len(alike), "voice": VOICE, "quick": quick,
        "other_hours": rounded(len(other) / SAMPLE_RATE / 3600),
    }  # fmt: skip
    chosen = packages[next(iter(PACKAGES))]
    figures = {name: value for name, value in chosen.items() if isinstance(value, float)}
    return figures | {"wake_packages": packages, "conditions": conditions}


# ── what is said, and what else there is to be heard ─────────────────────────────────────


def _pipers(manners: Sequence[tuple[float, float]]) -> list[PiperSynthesizer]:
    model = resolve(VOICE) / f"{VOICE}.onnx"
    config = load_config(model)
    graph = load_graph(model, config, 2)
    return [
        PiperSynthesizer(
            replace(config, noise_scale=variation), graph, SAMPLE_RATE, SpeakOptions(speed=speed)
        )
        for speed, variation in manners
    ]


def _say(piper: PiperSynthesizer, text: str) -> Int16:
    return np.concatenate([sound.samples for sound in piper.synthesize(text)])


def _spoken(noises: Sequence[Clip], pipers: Sequence[PiperSynthesizer]) -> Iterator[Said]:
    rooms = itertools.cycle([_sound(clip) for clip in noises])
    for piper, word, text, gain in itertools.product(pipers, WORDS, TEXTS, GAINS_DB):
        speech = _say(piper, text.format(word.replace("_", " ").title()))
        for condition, distance in NOISES_DB.items():
            yield Said(word, condition, _in_room(speech, next(rooms), gain, distance))


def _alike(noises: Sequence[Clip], pipers: Sequence[PiperSynthesizer]) -> list[Int16]:
    room = _sound(noises[0])
    return [
        _in_room(_say(piper, text), room, 0.0, NOISES_DB["quiet"])
        for piper, text in itertools.product(pipers, ALIKE)
    ]


def _in_room(speech: Int16, room: Int16, gain_db: float, distance_db: float) -> Int16:
    """The speech with recorded noise before, below and after it."""
    before, after = (round(s * SAMPLE_RATE) for s in (BEFORE_SECONDS, AFTER_SECONDS))
    wide = np.pad(speech.astype(np.float32), (before, after)) * 10 ** (gain_db / 20)
    below = np.resize(room, len(wide)).astype(np.float32)
    loud = np.sqrt(np.mean(np.square(wide[before:-after])))
    below *= loud / max(1.0, float(np.sqrt(np.mean(np.square(below))))) / 10 ** (distance_db / 20)
    return np.clip(np.rint(wide + below), -32768, 32767).astype(np.int16)


def _recorded(clips: Sequence[Clip]) -> Iterator[Said]:
    """Recordings of people who say nothing but one of the words."""
    for clip in clips:
        if (word := (clip.text or "").lower().strip(" .").replace(" ", "_")) in WORDS:
            yield Said(word, "a person", np.pad(_sound(clip), (0, SAMPLE_RATE)))


def _others(clips: Sequence[Clip], most_of_category: int) -> Int16:
    """All recordings in which none of the words is said, one after the other."""
    names = [word.split("_")[-1] for word in WORDS]
    without = [
        clip
        for clip in clips
        if (clip.text or clip.category != "wakeword")
        and not any(name in (clip.text or "").lower() for name in names)
    ]
    return np.concatenate([_sound(clip) for clip in thinned(without, most_of_category)])


def _sound(clip: Clip) -> Int16:
    return np.concatenate(list(read_frames(clip.path)))


# ── the packages ─────────────────────────────────────────────────────────────────────────


def _micro() -> Package:
    models = {word: MicroWakeWord.from_builtin(Model(word)) for word in WORDS}

    def scores(model: MicroWakeWord) -> Callable[[Any], Iterable[float]]:
        return lambda features: [model.process_streaming_prob(features) or 0.0]

    return Package(
        MicroWakeWordFeatures().process_streaming,
        {word: scores(model) for word, model in models.items()},
        {word: model.probability_cutoff for word, model in models.items()},
    )


def _open() -> Package:
    package = import_module("pyopen_wakeword")  # no dependency of ours
    models = {word: package.OpenWakeWord.from_builtin(package.Model(word)) for word in WORDS}
    return Package(
        package.OpenWakeWordFeatures.from_builtin().process_streaming,
        {word: model.process_streaming for word, model in models.items()},
        dict.fromkeys(WORDS, 0.5),
    )


PACKAGES: dict[str, Callable[[], Package]] = {"pymicro_wakeword": _micro, "pyopen_wakeword": _open}


def _apart(name: str, said: Sequence[Said], alike: Sequence[Int16], other: Int16) -> dict[str, Any]:
    """In a process of its own, since both packages bring the same library in C."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_measure, name, said, alike, other).result()


def _measure(
    name: str, said: Sequence[Said], alike: Sequence[Int16], other: Int16
) -> dict[str, Any]:
    package = PACKAGES[name]()
    _Hearing(package).words(np.zeros(round(_WARM_UP_SECONDS * SAMPLE_RATE), np.int16))
    hearing = _Hearing(package)
    missed = [one for one in said if one.word not in hearing.words(one.samples)]
    mistaken = [one for one in alike if hearing.words(one)]
    false = _Hearing(package).words(other)
    word_hours = len(WORDS) * len(other) / SAMPLE_RATE / 3600
    return {
        "wake_miss_rate": rounded(len(missed) / len(said)),
        "wake_false_per_hour": rounded(len(false) / word_hours, 2),
        "wake_alike_rate": rounded(len(mistaken) / len(alike)),
        "wake_cpu_percent": _cpu_percent(PACKAGES[name](), other),
        "missed_by_word": _rates(missed, said, lambda one: one.word),
        "missed_by_condition": _rates(missed, said, lambda one: one.condition),
        "false_by_word": {word: false.count(word) for word in WORDS},
    }


class _Hearing:
    """Sound by and by, and the words that were heard in it."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._position = 0
        self._told = {word: Utterances(limit) for word, limit in package.thresholds.items()}

    def words(self, samples: Int16) -> list[str]:
        """Those that are heard in more sound; one that is heard twice is in it twice."""
        heard: list[str] = []
        for start in range(0, len(samples), _STEP_SAMPLES):
            step = samples[start : start + _STEP_SAMPLES]
            self._position += len(step)
            for features in self._package.features(step.tobytes()):
                heard += [
                    word
                    for word, scores in self._package.scores.items()
                    for score in scores(features)
                    if self._told[word].receive(score, self._position)
                ]
        return heard


def _rates(
    missed: Sequence[Said], said: Sequence[Said], key: Callable[[Said], str]
) -> dict[str, float | None]:
    return {
        name: rounded(
            sum(key(one) == name for one in missed) / sum(key(one) == name for one in said)
        )
        for name in dict.fromkeys(map(key, said))
    }


def _cpu_percent(package: Package, sound: Int16) -> float | None:
    """Of one core, to listen for the last word, frame by frame as a microphone delivers them.

    All in one go it would be a small part of that, since then the caches stay warm.
    """
    word = WORDS[-1]
    one = _Hearing(replace(package, scores={word: package.scores[word]}))
    one.words(np.zeros(round(_WARM_UP_SECONDS * SAMPLE_RATE), np.int16))
    began, worked = time.perf_counter(), time.process_time()
    for end in range(FRAME_SAMPLES, round(_COST_SECONDS * SAMPLE_RATE), FRAME_SAMPLES):
        one.words(sound[end - FRAME_SAMPLES : end])
        time.sleep(max(0.0, began + end / SAMPLE_RATE - time.perf_counter()))
    return rounded(100 * (time.process_time() - worked) / (time.perf_counter() - began), 2)
