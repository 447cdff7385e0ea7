"""Piper as the synthesizer: phonemes by espeak, sound by a VITS voice on onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from piper.config import PiperConfig

from voice.audio.frames import Int16
from voice.errors import ModelError
from voice.speak.levels import GAIN
from voice.speak.options import SpeakOptions
from voice.speak.phonemes import Int64, Phonemizer, Sentence
from voice.speak.settings import VoiceSettings
from voice.speak.shaping import Shaper
from voice.speak.speakable import can_be_said
from voice.speak.synthesizer import Sound, SpokenWord
from voice.speak.trim import Trim
from voice.speak.vits import Drawn, Scales, Staged, Vits, Whole
from voice.speak.voice_model import load_config, load_graph

_LEAD_SECONDS = 0.01
_PAUSES_SECONDS = {".": 0.3, "!": 0.3, "?": 0.3, ",": 0.15, ";": 0.2, ":": 0.2}
_PAUSE_SECONDS = 0.05
"""Silence after a sentence by its last mark, and after none. Piper's own is 0.09 to 0.25 s at the
end and 0.05 s at the beginning, at random."""


class PiperSynthesizer:
    """Speaks with a Piper voice; one thread at a time."""

    def __init__(
        self,
        config: PiperConfig,
        graph: Whole | Staged,
        rate: int,
        options: SpeakOptions,
        settings: VoiceSettings | None = None,
    ) -> None:
        """`settings` may change between two sentences; None: those of the options, for good."""
        speakers = max(1, config.num_speakers)
        if options.speaker >= speakers:
            raise ModelError(
                f"the voice has no speaker {options.speaker}", f"choose one below {speakers}"
            )
        self.rate = rate
        self._source_rate = config.sample_rate
        self._settings = settings or VoiceSettings(options.volume, options.speed)
        self._phonemizer = Phonemizer(config)
        scales = Scales(
            noise=config.noise_scale,
            length=config.length_scale,
            noise_width=config.noise_w_scale,
        )
        self._vits = Vits(graph, scales, options.speaker if speakers > 1 else None)

    @classmethod
    def load(
        cls,
        model: Path,
        rate: int,
        options: SpeakOptions | None = None,
        settings: VoiceSettings | None = None,
    ) -> PiperSynthesizer:
        """The voice in `model` (ONNX, beside it `model` + ".json"), made ready; sound at `rate` Hz.

        Raises `ModelError`.
        """
        options = options or SpeakOptions()
        threads = options.threads or min(2, os.cpu_count() or 1)
        config = load_config(model)
        graph = load_graph(model, config, threads)
        synthesizer = cls(config, graph, rate, options, settings)
        for _ in synthesizer.synthesize("Yes."):  # the first run allocates: 0.1 s more than others
            pass
        return synthesizer

    def synthesize(self, text: str) -> Iterator[Sound]:
        """The sound of a clause, piece by piece as it is decoded. Raises `ModelError`.

        A text without letters and digits gives none.
        """
        if not can_be_said(text):
            return
        with _mapped_errors():
            sentences = self._phonemizer.sentences(text)
        first = 0
        for sentence in sentences:
            for sound in self._speak(sentence, first):
                first += len(sound.samples)
                yield sound

    def _speak(self, sentence: Sentence, first: int) -> Iterator[Sound]:
        """A sentence that begins with the clause's sample number `first`."""
        with _mapped_errors():
            ids = self._phonemizer.ids(sentence.phonemes)
            drawn = self._vits.draw(ids, self._settings.speed)
        edges = self._phonemizer.edges(sentence.phonemes, drawn.durations)
        shaper = self._shaper(sentence.phonemes)
        words: list[SpokenWord] = []
        told, end = 0, first
        for samples, last in self._shaped(drawn, shaper, _words_end(sentence, edges)):
            words = words or _timed(sentence, edges, shaper, first)
            end += len(samples)
            begun = [word for word in words[told:] if last or word.start_sample < end]
            told += len(begun)
            if len(samples) or begun:
                yield Sound(samples, tuple(begun))

    def _shaper(self, phonemes: Sequence[str]) -> Shaper:
        rate = self._source_rate
        mark = "".join(phonemes).rstrip()[-1:]
        pause = _PAUSES_SECONDS.get(mark, _PAUSE_SECONDS) / self._settings.speed
        trim = Trim(rate, round(_LEAD_SECONDS * rate), round(pause * rate))
        return Shaper(trim, rate, self.rate, GAIN * self._settings.volume)

    def _shaped(self, drawn: Drawn, shaper: Shaper, least: int) -> Iterator[tuple[Int16, bool]]:
        """What is played, and whether it is the last of the sentence."""
        with _mapped_errors():
            for sound in self._vits.decode(drawn):
                if len(samples := shaper.feed(sound)):
                    yield samples, False
            yield shaper.finish(least), True


def _words_end(sentence: Sentence, edges: Int64 | None) -> int:
    """The sample of a sentence at which its last word ends."""
    return int(edges[sentence.words[-1][1][1]]) if edges is not None and sentence.words else 0


def _timed(sentence: Sentence, edges: Int64 | None, shaper: Shaper, first: int) -> list[SpokenWord]:
    """The sentence's words with their samples, counted from the beginning of the clause.

    Without durations from the voice the audible part is divided evenly.
    """
    if edges is None:
        trim = shaper.trim
        edges = np.linspace(trim.start, trim.end, len(sentence.phonemes) + 1).astype(np.int64)
    return [
        SpokenWord(
            *span, first + shaper.place(int(edges[start])), first + shaper.place(int(edges[end]))
        )
        for span, (start, end) in sentence.words
    ]


@contextmanager
def _mapped_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # onnxruntime and espeak raise what they like
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise ModelError(
            f"the voice cannot speak: {reason}", "run `voice models verify`, or use another voice"
        ) from error
