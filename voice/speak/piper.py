"""Piper as the synthesizer: phonemes by espeak, sound by a VITS voice on onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from piper import PiperVoice
from piper.config import SynthesisConfig
from piper.const import BOS, EOS

from voice.audio.frames import Int16
from voice.errors import ModelError
from voice.speak.levels import GAIN, audible, framed, limited
from voice.speak.options import SpeakOptions
from voice.speak.speakable import can_be_said
from voice.speak.synthesizer import Sound, SpokenWord
from voice.speak.voice_model import load_voice
from voice.speak.words import word_spans, words_of_sentences

Int64 = NDArray[np.int64]

_LEAD_SECONDS = 0.01
_PAUSES_SECONDS = {".": 0.3, "!": 0.3, "?": 0.3, ",": 0.15, ";": 0.2, ":": 0.2}
_PAUSE_SECONDS = 0.05
"""Silence after a sentence by its last mark, and after none. Piper's own is 0.09 to 0.25 s at the
end and 0.05 s at the beginning, at random."""

_NO_BRACKETS = str.maketrans("[]\n\r\t", "     ")
"""Piper takes [[…]] for phonemes, and espeak a line's end for a clause's."""


class PiperSynthesizer:
    """Speaks with a Piper voice; one thread at a time."""

    def __init__(self, voice: PiperVoice, rate: int, options: SpeakOptions) -> None:
        speakers = max(1, voice.config.num_speakers)
        if options.speaker >= speakers:
            raise ModelError(
                f"the voice has no speaker {options.speaker}", f"choose one below {speakers}"
            )
        self.rate = rate
        self._voice = voice
        self._options = options
        self._config = SynthesisConfig(
            speaker_id=options.speaker, length_scale=voice.config.length_scale / options.speed
        )

    @classmethod
    def load(cls, model: Path, rate: int, options: SpeakOptions | None = None) -> PiperSynthesizer:
        """The voice in `model` (ONNX, beside it `model` + ".json"), made ready; sound at `rate` Hz.

        Raises `ModelError`.
        """
        options = options or SpeakOptions()
        threads = options.threads or min(2, os.cpu_count() or 1)
        synthesizer = cls(load_voice(model, threads), rate, options)
        for _ in synthesizer.synthesize("Yes."):  # the first run allocates: 0.1 s more than others
            pass
        return synthesizer

    def synthesize(self, text: str) -> Iterator[Sound]:
        """The sound of a clause, one piece a sentence. Raises `ModelError`.

        A text without letters and digits gives none.
        """
        if not can_be_said(text):
            return
        text = text.translate(_NO_BRACKETS)
        words = word_spans(text)
        sentences = self._phonemes(text)
        alone = ["".join(chain(*self._phonemes(text[start:end]))) for start, end in words]
        first = 0
        for sentence, spans in zip(sentences, words_of_sentences(alone, sentences), strict=True):
            samples, edges = self._speak(sentence)
            times = [(first + int(edges[start]), first + int(edges[end])) for start, end in spans]
            own, words = words[: len(spans)], words[len(spans) :]
            yield Sound(
                samples,
                tuple(SpokenWord(*span, *time) for span, time in zip(own, times, strict=True)),
            )
            first += len(samples)

    def _phonemes(self, text: str) -> list[list[str]]:
        """Those that the voice knows, a list for each sentence as espeak sees it."""
        known = self._voice.config.phoneme_id_map
        with _mapped_errors():
            sentences = self._voice.phonemize(text)
        kept = ([phoneme for phoneme in sentence if phoneme in known] for sentence in sentences)
        return [sentence for sentence in kept if sentence]

    def _speak(self, phonemes: Sequence[str]) -> tuple[Int16, Int64]:
        """A sentence's samples, and where in them each phoneme begins and the last one ends."""
        with _mapped_errors():
            ids = self._voice.phonemes_to_ids(list(phonemes))
            sound, durations = self._voice.phoneme_ids_to_audio(
                ids, self._config, include_alignments=True
            )
        source_rate = self._voice.config.sample_rate
        start, end = audible(sound, source_rate)
        edges = self._edges(phonemes, durations, start, end)
        mark = "".join(phonemes).rstrip()[-1:]
        pause = _PAUSES_SECONDS.get(mark, _PAUSE_SECONDS) / self._options.speed
        start = max(0, start - round(_LEAD_SECONDS * source_rate))
        cut = framed(sound, start, end, round(pause * source_rate))
        if self.rate != source_rate:
            cut = soxr.resample(cut, source_rate, self.rate)
        edges = (np.clip(edges, start, end) - start) * self.rate // source_rate
        return limited(cut, GAIN * self._options.volume), np.minimum(edges, len(cut))

    def _edges(
        self, phonemes: Sequence[str], durations: Int64 | None, start: int, end: int
    ) -> Int64:
        """The sample at which each phoneme begins and the last one ends (its pads belong to it).

        Without durations from the voice the audible part is divided evenly.
        """
        known = self._voice.config.phoneme_id_map
        counts = [len(known[phoneme]) + 1 for phoneme in phonemes]
        first = len(known[BOS]) + 1
        if durations is None or len(durations) != first + sum(counts) + len(known[EOS]):
            return np.linspace(start, end, len(phonemes) + 1).astype(np.int64)
        passed = np.concatenate([[0], np.cumsum(durations)])
        return np.asarray(passed[first + np.concatenate([[0], np.cumsum(counts)])], np.int64)


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # onnxruntime and espeak raise what they like
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelError(
            f"the voice cannot speak: {reason}", "run `voice models verify`, or use another voice"
        ) from error
