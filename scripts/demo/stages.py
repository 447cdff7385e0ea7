"""What has no switch in the pipeline, measured by itself: each against the usual way, in turn.

Short context: a recording decoded with only its own sound encoded, against a window of 30 s.
Chunked synthesis: the first sound of a sentence, decoded in windows, against all of it at once.
First-clause split: the first sound of an answer spoken clause by clause, against its whole first
sentence, both with chunked synthesis.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from scripts.benchmarks.listen_decoding import WholeClip
from voice.listen.options import ListenOptions
from voice.listen.whisper import WhisperModel
from voice.models.resolve import resolve, weights
from voice.speak.chunker import Chunker
from voice.speak.options import SpeakOptions
from voice.speak.piper import PiperSynthesizer
from voice.speak.voice_model import load_config, load_whole

_RATE = 22_050
_THREADS = 2
_WHISPER = "tiny.en"
_VOICE = "en_US-joe-medium"
_ANSWER = (
    "In the morning, the train to the coast leaves at seven from the platform by the river, and it "
    "stops in every village on its way. "
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One measurement of a mechanism, and of the usual way right after it; seconds."""

    mechanism: str
    what: str
    ours_seconds: float
    usual_seconds: float


def measure_stages(clip: Path, rounds: int) -> Iterator[Stage]:
    """Every pair as soon as it is measured. Raises `ModelError`."""
    options = SpeakOptions(threads=_THREADS)
    voice = PiperSynthesizer.load(weights(_VOICE, ".onnx"), _RATE, options)
    pairs = [_short_context(clip), _chunked_synthesis(voice, options), _first_clause(voice)]
    for mechanism, what, ours, usual in pairs:
        for number in range(rounds + 1):
            stage = Stage(mechanism, what, _seconds(ours), _seconds(usual))
            if number:  # the first round allocates
                yield stage


_Pair = tuple[str, str, Callable[[], object], Callable[[], object]]


def _short_context(clip: Path) -> _Pair:
    samples, _ = soundfile.read(clip, dtype="int16")
    sound = samples.astype(np.float32) / 32768.0
    short = WhisperModel(resolve(_WHISPER), ListenOptions(model=_WHISPER, threads=1))
    whole = WholeClip(_WHISPER, 1)
    return (
        "short context",
        f"{len(sound) / 16_000:.1f} s of speech to text",
        lambda: short.decode(sound, [], []),
        lambda: whole.transcribe(samples, "en"),
    )


def _chunked_synthesis(windows: PiperSynthesizer, options: SpeakOptions) -> _Pair:
    model = weights(_VOICE, ".onnx")
    config = load_config(model)
    whole = PiperSynthesizer(config, load_whole(model, config, _THREADS), _RATE, options)
    return (
        "chunked synthesis",
        f"first sound of a sentence of {len(_ANSWER.split())} words",
        lambda: next(iter(windows.synthesize(_ANSWER))),
        lambda: next(iter(whole.synthesize(_ANSWER))),
    )


def _first_clause(voice: PiperSynthesizer) -> _Pair:
    chunker = Chunker()
    clause = [*chunker.receive(_ANSWER), *chunker.finish()][0].text
    return (
        "first-clause split",
        f"first sound: {len(clause.split())} words first, or {len(_ANSWER.split())} at once",
        lambda: next(iter(voice.synthesize(clause))),
        lambda: next(iter(voice.synthesize(_ANSWER))),
    )


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
