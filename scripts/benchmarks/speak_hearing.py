"""Is what is spoken in windows understood, and are its words where they are said to be?"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from piper.config import PiperConfig

from scripts.benchmarks.figures import quantile, rounded
from scripts.benchmarks.speak_texts import CLAUSES
from tests.support.words import edits
from voice.models.resolve import resolve
from voice.speak.options import SpeakOptions
from voice.speak.piper import PiperSynthesizer
from voice.speak.vits import Staged, Whole
from voice.speak.voice_model import load_config, load_graph, load_whole

_RATE = 16_000


def heard(model: Path) -> dict[str, Any]:
    """What Whisper (tiny.en) hears: wrong words, and how far its word times are from ours.

    Its own are good to about a tenth of a second. `whole_word_error` is that of the sound which is
    made in one go.
    """
    config = load_config(model)
    whisper = WhisperModel(str(resolve("tiny.en")), device="cpu", compute_type="int8")
    windows = _heard(whisper, config, load_graph(model, config, 2))
    whole = _heard(whisper, config, load_whole(model, config, 2))
    return windows | {"whole_word_error": whole["word_error"]}


def _heard(whisper: WhisperModel, config: PiperConfig, graph: Whole | Staged) -> dict[str, Any]:
    synthesizer = PiperSynthesizer(config, graph, _RATE, SpeakOptions())
    wrong = count = 0
    differences: list[float] = []
    for clause in (*CLAUSES[4], *CLAUSES[12], *CLAUSES[25]):
        sounds = list(synthesizer.synthesize(clause))
        spoken = [
            (_plain(clause[word.start : word.end]), word.start_sample / _RATE)
            for sound in sounds
            for word in sound.words
        ]
        samples = np.concatenate([sound.samples for sound in sounds]).astype(np.float32) / 32768
        segments, _ = whisper.transcribe(samples, language="en", word_timestamps=True)
        other = [(_plain(word.word), word.start) for part in segments for word in part.words or ()]
        names, words = [name for name, _ in spoken], [word for word, _ in other]
        wrong += edits(names, words)
        count += len(names)
        for block in difflib.SequenceMatcher(None, names, words, False).get_matching_blocks():
            differences += [
                abs(spoken[block.a + index][1] - other[block.b + index][1])
                for index in range(block.size)
            ]
    return {
        "words": count,
        "word_error": rounded(wrong / count),
        "word_start_seconds_p50": rounded(quantile(differences, 0.5)),
        "word_start_seconds_p90": rounded(quantile(differences, 0.9)),
    }


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())
