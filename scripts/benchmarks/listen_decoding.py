"""The transcriber alone, without gate and turns: whole clips against incremental transcription."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from scripts.benchmarks.listen_clips import Clip
from scripts.benchmarks.listen_words import Tally, retractions, tally
from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Int16
from voice.audio.wav import read_frames
from voice.listen.options import ListenOptions
from voice.listen.transcriber import Hypothesis, Transcriber
from voice.listen.worker import partial_interval_seconds
from voice.models.resolve import resolve


class WholeClip:
    """The reference method: faster-whisper over the whole clip, 30 s of context, greedy."""

    def __init__(self, model: str, threads: int) -> None:
        from faster_whisper import WhisperModel  # noqa: PLC0415 -- takes a second

        self._model = WhisperModel(
            str(resolve(model)),
            device="cpu",
            compute_type="int8",  # as the program chooses on a processor
            cpu_threads=threads,
            local_files_only=True,
        )

    def transcribe(self, samples: Int16, language: str) -> str:
        """The words of a clip (int16, mono, 16 kHz)."""
        segments, _ = self._model.transcribe(
            samples.astype(np.float32) / 32768.0,
            language=language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments if _believable(segment))


def _believable(segment: Any) -> bool:
    # openai/whisper's own limits for text made up over silence.
    return bool(segment.no_speech_prob <= 0.6 or segment.avg_logprob >= -1.0)


@dataclass(frozen=True, slots=True)
class Incremental:
    """A clip transcribed while it is spoken."""

    hypotheses: tuple[Hypothesis, ...]
    pass_seconds: tuple[float, ...]
    cpu_seconds: float

    @property
    def text(self) -> str:
        """The last word on it."""
        return self.hypotheses[-1].text


def transcribe_incrementally(
    transcriber: Transcriber, samples: Int16, options: ListenOptions
) -> Incremental:
    """Feed a clip frame by frame and ask as the session does.

    What a pass takes passes in the clip as well. One more pass at the end has all sound.
    """
    transcriber.begin(0)
    hypotheses: list[Hypothesis] = []
    passes: list[float] = []
    fresh_samples, wanted_seconds = 0, options.partial_seconds
    cpu_before = time.process_time()
    for start in range(0, len(samples), FRAME_SAMPLES):
        frame = samples[start : start + FRAME_SAMPLES]
        transcriber.accept(frame)
        fresh_samples += len(frame)
        if fresh_samples >= wanted_seconds * SAMPLE_RATE:
            fresh_samples = 0
            began = time.perf_counter()
            hypotheses.append(transcriber.hypothesis())
            passes.append(time.perf_counter() - began)
            wanted_seconds = partial_interval_seconds(options, passes[-1])
    began = time.perf_counter()
    hypotheses.append(transcriber.hypothesis())
    passes.append(time.perf_counter() - began)
    return Incremental(tuple(hypotheses), tuple(passes), time.process_time() - cpu_before)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What both methods make of a clip."""

    clip: Clip
    full: Tally
    incremental: Tally
    retractions: int
    passes: int
    cpu_seconds: float
    full_cpu_seconds: float
    full_text: str
    incremental_text: str


def decode(
    clip: Clip, whole: WholeClip | None, transcriber: Transcriber, options: ListenOptions
) -> Decoded:
    """Both methods on one clip; without `whole` only the incremental one."""
    assert clip.text is not None
    assert clip.language is not None
    samples = read_samples(clip.path)
    cpu_before = time.process_time()
    full_text = whole.transcribe(samples, clip.language) if whole else ""
    full_cpu_seconds = time.process_time() - cpu_before
    incremental = transcribe_incrementally(transcriber, samples, options)
    return Decoded(
        clip=clip,
        full=tally(clip.text, full_text) if whole else Tally(),
        incremental=tally(clip.text, incremental.text),
        retractions=retractions(incremental.hypotheses),
        passes=len(incremental.hypotheses),
        cpu_seconds=incremental.cpu_seconds,
        full_cpu_seconds=full_cpu_seconds,
        full_text=full_text,
        incremental_text=incremental.text,
    )


def read_samples(path: Path) -> Int16:
    """A recording as the session hears it: int16, mono, 16 kHz, whole frames."""
    return np.concatenate(list(read_frames(path)))


def write_looped(clip: Clip, seconds: float, folder: Path) -> Path:
    """A recording repeated until it is so long, its seams faded over 50 ms, as a WAV."""
    samples = read_samples(clip.path).astype(np.float32)
    fade = round(0.05 * SAMPLE_RATE)
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    looped = samples
    while len(looped) < seconds * SAMPLE_RATE:
        seam = looped[-fade:] * np.sqrt(1 - ramp) + samples[:fade] * np.sqrt(ramp)
        looped = np.concatenate([looped[:-fade], seam, samples[fade:]])
    path = folder / f"{clip.path.stem}.wav"
    clipped = np.clip(np.rint(looped), -32768, 32767).astype(np.int16)
    soundfile.write(path, clipped, SAMPLE_RATE)
    return path
