"""Whisper on a short context, through CTranslate2.

Whisper was trained on windows of 30 s, and the usual implementations pad everything to that. Here
only the sound that is there is encoded, with `PADDING_SECONDS` of silence after it: for 2 s of
sound 17 ms instead of 395 (tiny.en, one core), with the decoder 55 instead of 460. Alone that makes
the decoder miss the end: it says the sentence again and again. What tells it the end are the last
frames of a whole window, with the positions that they have there. They hardly depend on what was
said before, so they are made once, from a synthetic sound (`_end_of_window`), and appended to every
encoding.

Measured on 120 clips of real speech (commands, read and noisy speech; greedy; word error rate in
per cent): tiny.en 12.5 with the whole window and 12.1 with the window's end; base 11.1, 26.9 with
1 s of padding and nothing else, and 14.3 with the window's end, before the guards. Frames from 5 s
before the window's end, or averaged over time, do not help: it is the last positions that count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voice.audio.frames import SAMPLE_RATE
from voice.errors import ModelError, UsageError
from voice.listen.guards import without_loop
from voice.listen.options import ListenOptions
from voice.listen.speech_model import Decoded, DecodedWord, Float32
from voice.listen.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ctranslate2 import StorageView
    from ctranslate2.models import Whisper
    from faster_whisper.feature_extractor import FeatureExtractor

PADDING_SECONDS = 1.0
"""Silence encoded after the sound. With 0.5 s base makes one word error in a hundred more; 2 s
buys nothing."""

LEAD_SECONDS = 0.25
"""Silence before it: without, clips cut out 0.45 s before their first word cost base 2.7 points
more (13.6 to 10.9) and tiny.en 0.3 (11.8 to 11.5); 0.5 s and 1 s are no better."""

_WINDOW_SECONDS = 30
_ENCODED_A_SECOND = 50
"""The encoder's frames: one for two of the spectrogram's, whose hop is 10 ms."""

_END_FRAMES = 2 * _ENCODED_A_SECOND
"""1 s and 5 s serve as well; each costs the decoder's cross-attention a little."""

_TOKENS_A_SECOND = 8.0
"""A bound for the decoder where it loops after all; read speech has 3 to 5."""

_LEAST_TOKENS = 10

_MOST_TOKENS = 440
"""The decoder has 448 positions."""

_SURE_OF_LANGUAGE = 0.8
"""A language that was detected with this probability stays for the conversation."""


class WhisperModel:
    """A CTranslate2 Whisper that encodes only what is there."""

    def __init__(self, folder: Path, options: ListenOptions) -> None:
        """Load it. Raises `ModelError`, and `UsageError` for a language that it does not know."""
        self._name = options.model
        self._model = _load(folder, options)
        terms = ", ".join(filter(None, [options.prompt, options.hot_words]))
        self._vocabulary = Vocabulary(folder, self._model.is_multilingual, terms)
        self._detects = self._model.is_multilingual and options.language == "auto"
        if not self._detects:
            _choose_language(self._vocabulary, self._model.is_multilingual, options)
        self._spectrogram = _spectrogram(folder)
        self._end: Float32 | None = None

    def decode(self, sound: Float32, written: Sequence[int], before: Sequence[int]) -> Decoded:
        """Decode sound (mono, 16 kHz, -1 to 1) whose first words are already `written`.

        Raises `ModelError`.
        """
        try:
            encoded = self._encode(sound)
            if self._detects and not written:
                self._detect_language(encoded)
            return self._decode(encoded, len(sound) / SAMPLE_RATE, list(written), before)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"the speech model {self._name!r} failed: {error}",
                "check it with `voice models verify`",
            ) from error

    def _decode(
        self, encoded: StorageView, seconds: float, written: list[int], before: Sequence[int]
    ) -> Decoded:
        start = self._vocabulary.start()
        prompt = self._vocabulary.context(before) + start + written
        (result,) = self._model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=min(
                _MOST_TOKENS, len(prompt) + _LEAST_TOKENS + int(_TOKENS_A_SECOND * seconds)
            ),
            return_no_speech_prob=True,
        )
        # CTranslate2 gives what followed the start, so also what was written already.
        fresh = self._vocabulary.text_tokens(result.sequences_ids[0])[len(written) :]
        fresh = without_loop(fresh)
        words: tuple[DecodedWord, ...] = ()
        if fresh:
            frames = int((LEAD_SECONDS + seconds + PADDING_SECONDS) * 2 * _ENCODED_A_SECOND)
            (aligned,) = self._model.align(encoded, start, [written + fresh], frames)
            words = self._timed(fresh, aligned)
        return Decoded(words, result.no_speech_prob)

    def _timed(self, fresh: list[int], aligned: Any) -> tuple[DecodedWord, ...]:
        """Words out of tokens, with times out of the cross-attention.

        `aligned` pairs tokens with encoded frames: a path on which a token begins where it is
        first paired (openai/whisper, `timing.py`).
        """
        begins: dict[int, float] = {}
        for token, frame in aligned.alignments:
            begins.setdefault(token, _seconds(frame))
        end = _seconds(aligned.alignments[-1][1])
        index = len(aligned.text_token_probs) - len(fresh)
        words = []
        for text, tokens in self._vocabulary.words(fresh):
            following = index + len(tokens)
            probabilities = np.maximum(aligned.text_token_probs[index:following], 1e-9)
            start, stop = begins.get(index, end), begins.get(following, end)
            if following == len(aligned.text_token_probs):
                stop = min(stop, start + _longest_seconds(text))
            else:
                start = max(start, stop - _longest_seconds(text))
            probability = float(np.exp(np.log(probabilities).mean()))
            words.append(DecodedWord(text, start, stop, probability, tuple(tokens)))
            index = following
        return tuple(words)

    def _encode(self, sound: Float32) -> StorageView:
        """(samples,) to (1, frames, width), with the end of a whole window appended."""
        if self._end is None:
            self._end = self._end_of_window()
        around = round(LEAD_SECONDS * SAMPLE_RATE), round(PADDING_SECONDS * SAMPLE_RATE)
        padded = np.pad(sound, around)
        return _view(np.concatenate([self._encode_whole(padded), self._end], axis=1))

    def _encode_whole(self, sound: Float32) -> Float32:
        features = self._spectrogram(sound)
        even = features[None, :, : features.shape[1] // 2 * 2]
        return np.asarray(self._model.encode(_view(even), to_cpu=True), np.float32)

    def _end_of_window(self) -> Float32:
        """The last frames of a whole window that holds 2 s of sound and then silence."""
        burst = np.random.default_rng(0).normal(0.0, 0.05, 2 * SAMPLE_RATE)
        swell = 0.5 - 0.5 * np.cos(2 * np.pi * 4 * np.arange(len(burst)) / SAMPLE_RATE)
        window = np.zeros(_WINDOW_SECONDS * SAMPLE_RATE, np.float32)
        window[: len(burst)] = burst * swell
        return self._encode_whole(window)[:, -_END_FRAMES:]

    def _detect_language(self, encoded: StorageView) -> None:
        """Take the likeliest language for now; for good once the model is sure."""
        (found,) = self._model.detect_language(encoded)
        token, probability = found[0]
        self._vocabulary.speak(token.strip("<|>"))
        self._detects = probability < _SURE_OF_LANGUAGE


def _seconds(frame: int) -> float:
    """Where in the sound an encoded frame lies."""
    return max(0.0, frame / _ENCODED_A_SECOND - LEAD_SECONDS)


def _longest_seconds(text: str) -> float:
    """A word's length at most: the path gives it the pause before it, and to the last word the
    silence after it. A bound, not a measurement: most words are shorter."""
    return 0.3 + 0.08 * len(text)


def _view(array: Float32) -> StorageView:
    import ctranslate2  # noqa: PLC0415

    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array, np.float32))


def _spectrogram(folder: Path) -> FeatureExtractor:
    """(samples,) to (mels, frames); the file is there where a model differs from the first ones."""
    from faster_whisper.feature_extractor import FeatureExtractor  # noqa: PLC0415

    file = folder / "preprocessor_config.json"
    mels = json.loads(file.read_text()).get("feature_size", 80) if file.exists() else 80
    return FeatureExtractor(feature_size=mels)


def _choose_language(vocabulary: Vocabulary, multilingual: bool, options: ListenOptions) -> None:
    if not multilingual and options.language not in {"en", "auto"}:
        raise UsageError(
            f"listen.language is {options.language!r}, but {options.model} knows only English",
            'choose a multilingual model, such as listen.model = "base"',
        )
    try:
        vocabulary.speak(options.language if multilingual else "en")
    except ValueError as error:
        raise UsageError(
            f"listen.language: Whisper does not know {options.language!r}",
            'give a code such as "en" or "de", or "auto"',
        ) from error


def _load(folder: Path, options: ListenOptions) -> Whisper:
    # Imported late: it costs half a second, and only this adapter needs it.
    import ctranslate2  # noqa: PLC0415

    cuda = options.device == "cuda" or (
        options.device == "auto" and ctranslate2.get_cuda_device_count() > 0
    )
    arithmetic = options.compute_type
    if arithmetic == "auto":
        arithmetic = "float16" if cuda else "int8"
    try:
        return ctranslate2.models.Whisper(
            str(folder),
            device="cuda" if cuda else "cpu",
            compute_type=arithmetic,
            intra_threads=options.threads or min(4, max(1, (os.cpu_count() or 1) // 2)),
            inter_threads=1,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(
            f"the speech model in {folder} cannot be loaded: {error}",
            f"fetch it anew: `voice models fetch {options.model}`"
            if options.device == options.compute_type == "auto"
            else 'set listen.device and listen.compute_type to "auto"',
        ) from error
