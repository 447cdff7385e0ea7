"""When a speaker grew quieter and fell silent, measured in the rig's recordings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.support.recording import Recording
from voice.audio.frames import SAMPLE_RATE, Int16

BLOCK_SAMPLES = SAMPLE_RATE // 100

DUCKED_DB = 18.0
"""So much quieter counts as ducked."""

SILENT_DBFS = -60.0

BEGINS_DB = 20.0
"""A recording's speech begins with the first block that is at most so far below its loudest."""

STEADY_BLOCKS = 4
"""A gap of the machine's own is shorter."""


@dataclass(frozen=True, slots=True)
class GaveWay:
    """Seconds from the first speech sample at the microphone; None where it did not happen."""

    duck: float | None
    hold: float | None


def levels_dbfs(samples: Int16) -> NDArray[np.float64]:
    """Of blocks of 10 ms."""
    blocks = samples[: len(samples) // BLOCK_SAMPLES * BLOCK_SAMPLES].astype(float)
    mean_square = np.mean(blocks.reshape(-1, BLOCK_SAMPLES) ** 2, axis=1)
    return 10 * np.log10(np.maximum(mean_square, 1e-3) / 32768.0**2)


def first_speech(clip: Int16) -> int:
    """The sample with which the speech of a clean recording begins, within 10 ms."""
    levels = levels_dbfs(clip)
    return int(np.flatnonzero(levels > levels.max() - BEGINS_DB)[0]) * BLOCK_SAMPLES


def best_fit(clip: Int16, heard: Int16) -> int:
    """The sample of `heard` from which on it is most like `clip`."""
    size = 1 << (len(heard) + len(clip)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(clip, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))


def said_at(microphone: Recording, clip: Int16, since: float) -> float:
    """When the speech of `clip`, which was said after `since`, reached the microphone."""
    began, heard = microphone.timeline()
    first = max(0, round((since - began) * SAMPLE_RATE))
    start = first + best_fit(clip, heard[first:])
    return began + (start + first_speech(clip)) / SAMPLE_RATE


def gave_way(speaker: Recording, onset: float, seconds: float = 2.0) -> GaveWay:
    """How soon after `onset` a steady sound of the speaker was ducked, and silent for a while."""
    began, played = speaker.timeline()
    first = round((onset - began) * SAMPLE_RATE)
    before = levels_dbfs(played[max(0, first - SAMPLE_RATE // 2) : first])
    after = levels_dbfs(played[first : first + round(seconds * SAMPLE_RATE)])
    return given_way(before, after)


def given_way(before: NDArray[np.float64], after: NDArray[np.float64]) -> GaveWay:
    """The same from the levels (dBFS) of 10 ms blocks before and after the onset."""
    return GaveWay(_since(after <= np.median(before) - DUCKED_DB), _since(after <= SILENT_DBFS))


def _since(blocks: NDArray[np.bool_]) -> float | None:
    """When the first of several blocks in a row begins for which it is so."""
    if len(blocks) < STEADY_BLOCKS:
        return None
    rows = np.lib.stride_tricks.sliding_window_view(blocks, STEADY_BLOCKS).all(axis=1)
    found = np.flatnonzero(rows)
    return float(found[0]) / 100 if len(found) else None
