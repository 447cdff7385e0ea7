"""faster-whisper behind the `Transcriber` seam."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voice.audio.frames import Int16
from voice.errors import ModelError
from voice.listen.options import ListenOptions
from voice.listen.transcriber import Hypothesis, Word

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

# faster-whisper's own defaults (openai/whisper's): a segment this unlikely to be speech, or this
# improbable, is what the model makes up over noise.
_NO_SPEECH = 0.6
_LEAST_LOG_PROBABILITY = -1.0


class WhisperTranscriber:
    """Transcribes the whole utterance anew each time it is asked."""

    def __init__(self, folder: Path, options: ListenOptions) -> None:
        self._options = options
        self._model = _load(folder, options)
        self._start = 0
        self._chunks: list[Int16] = []

    def begin(self, start: int) -> None:
        """A new utterance, whose first sample has the position `start`."""
        self._start = start
        self._chunks = []

    def accept(self, samples: Int16) -> None:
        """More of the utterance."""
        self._chunks.append(samples)

    def hypothesis(self) -> Hypothesis:
        """Transcribe what was accepted. Raises `ModelError`."""
        audio = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        self._chunks = [audio]
        end = self._start + len(audio)
        if not len(audio):
            return Hypothesis((), (), end)
        try:
            segments, _ = self._model.transcribe(
                audio.astype(np.float32) / 32768.0,
                language=None if self._options.language == "auto" else self._options.language,
                beam_size=1,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
                initial_prompt=self._options.prompt or None,
            )
            kept = [segment for segment in segments if _believable(segment)]
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"the speech model {self._options.model!r} failed: {error}",
                "check it with `voice models verify`",
            ) from error
        words = [word for segment in kept for word in segment.text.split()]
        return Hypothesis((), _spread(words, self._start, end), end)


def _load(folder: Path, options: ListenOptions) -> WhisperModel:
    # Imported late: it costs a second, and only this adapter needs it.
    from faster_whisper import WhisperModel  # noqa: PLC0415

    try:
        return WhisperModel(
            str(folder),
            device="cpu",
            compute_type=options.compute_type,
            cpu_threads=options.threads or min(4, os.cpu_count() or 1),
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(
            f"the speech model in {folder} cannot be loaded: {error}",
            f"fetch it anew: `voice models fetch {options.model}`",
        ) from error


def _believable(segment: Any) -> bool:
    silent = segment.no_speech_prob > _NO_SPEECH
    return bool(segment.text.strip()) and not (
        silent and segment.avg_logprob < _LEAST_LOG_PROBABILITY
    )


def _spread(words: list[str], start: int, end: int) -> tuple[Word, ...]:
    """Words laid evenly over the utterance: this method has no times of its own."""
    step = (end - start) / max(1, len(words))
    return tuple(
        Word(word, start + round(i * step), start + round((i + 1) * step))
        for i, word in enumerate(words)
    )
