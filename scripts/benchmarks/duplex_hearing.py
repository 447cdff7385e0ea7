"""What recordings of microphone and speaker tell: when speech began, when the speaker gave way.

Sound is int16 mono at 16 kHz. The rules of true speech and of audible blocks are those of the
comparison with other voice agents, so that the figures can be put beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.support.giving_way import (
    DUCKED_DB,
    SILENT_DBFS,
    GaveWay,
    best_fit,
    given_way,
    levels_dbfs,
)
from tests.support.recording import Recording
from tests.support.rig import RigError
from voice.audio.frames import SAMPLE_RATE, Int16

AUDIBLE_RMS = 100.0
"""A block of 20 ms at least as loud (int16 units, -50 dBFS) is audible."""

AUDIBLE_SECONDS = 0.02

_SPEECH_RANGE_DB = 30.0
_OVER_BACKGROUND_DB = 6.0

_NEAR_SECONDS = 8.0
"""The arrivals of this long before and after tell when a stretch of a recording was heard."""

LOUD_AGAIN_DB = 10.0
"""A speaker no further below its loudest before than this is not ducked, which is by 20 dB."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a recording, and the time of its first sample."""

    began: float
    samples: Int16

    @property
    def ended(self) -> float:
        """The time after its last sample."""
        return self.began + len(self.samples) / SAMPLE_RATE

    def between(self, since: float, until: float) -> Int16:
        """The samples between two times."""
        first = max(0, round((since - self.began) * SAMPLE_RATE))
        return self.samples[first : max(first, round((until - self.began) * SAMPLE_RATE))]


def stretch(recording: Recording, since: float, until: float) -> Stretch:
    """What was recorded between two times, placed by the arrivals around it.

    A block can be late but not early, and a recording that runs for minutes may have lost some: so
    the earliest of the arrivals near by tell the time. Raises `RigError` where there is nothing.
    """
    blocks = list(recording._blocks)
    arrivals = np.array([at for at, _ in blocks])
    ends = np.cumsum([len(block) for _, block in blocks])
    near = (arrivals >= since - _NEAR_SECONDS) & (arrivals <= until + _NEAR_SECONDS)
    if not near.any():
        raise RigError("the recording has broken off")
    began = float(np.percentile((arrivals - ends / SAMPLE_RATE)[near], 2))
    first = max(0, round((since - began) * SAMPLE_RATE))
    last = max(first, round((until - began) * SAMPLE_RATE))
    low, high = np.searchsorted(ends, [first, last], side="right")
    part = [block for _, block in blocks[low : high + 1]]
    offset = int(ends[low - 1]) if low else 0
    samples = np.concatenate(part) if part else np.zeros(0, np.int16)
    return Stretch(began + first / SAMPLE_RATE, samples[first - offset : last - offset])


def true_speech(clip: Int16) -> tuple[float, float]:
    """Seconds from a recording's start to the beginning and to the end of its speech.

    Blocks of 10 ms within 30 dB of the 95th percentile and 6 dB over the 10th are speech.
    """
    levels = levels_dbfs(clip)
    high, low = np.percentile(levels, [95, 10])
    speech = (levels >= high - _SPEECH_RANGE_DB) & (levels >= low + _OVER_BACKGROUND_DB)
    found = np.flatnonzero(speech)
    assert len(found), "a recording without speech"
    return float(found[0]) / 100, float(found[-1] + 1) / 100


def located(clip: Int16, heard: Stretch) -> float:
    """When the first sample of `clip` was heard: where it fits best."""
    return heard.began + best_fit(clip, heard.samples) / SAMPLE_RATE


def audible(played: Stretch) -> list[float]:
    """When each audible block of 20 ms began."""
    size = round(AUDIBLE_SECONDS * SAMPLE_RATE)
    count = len(played.samples) // size
    blocks = played.samples[: count * size].reshape(count, size).astype(float)
    loud = np.sqrt(np.mean(blocks**2, axis=1)) >= AUDIBLE_RMS
    return [played.began + index * AUDIBLE_SECONDS for index in np.flatnonzero(loud)]


def stopped_after(played: Stretch, onset: float) -> float | None:
    """Seconds from `onset` to the end of the last audible block; None of a silent speaker."""
    sounds = audible(played)
    return max(0.0, sounds[-1] + AUDIBLE_SECONDS - onset) if sounds else None


def gave_way_after(played: Stretch, onset: float) -> GaveWay:
    """Seconds from `onset` until a steady tone was 18 dB quieter, and until it was silent."""
    before = levels_dbfs(played.between(onset - 0.5, onset))
    after = levels_dbfs(played.between(onset, played.ended))
    if not len(before):
        return GaveWay(None, None)
    return given_way(before, after)


def last_loud_after(played: Stretch, onset: float) -> float | None:
    """Seconds from `onset` to the end of the last block less than 18 dB below what was before.

    Of speech, whose level varies: the loudest block of the last second before counts. Too early by
    up to a pause between words if one happens to come then; so it is a median that tells.
    """
    before = levels_dbfs(played.between(onset - 1.0, onset))
    if not len(before) or before.max() < SILENT_DBFS + DUCKED_DB:
        return None
    after = levels_dbfs(played.between(onset, played.ended))
    loud = np.flatnonzero(after > before.max() - DUCKED_DB)
    return float(loud[-1] + 1) / 100 if len(loud) else 0.0


def loud_again_after(played: Stretch, onset: float, said: float) -> float | None:
    """Seconds from `said` until the speaker is as loud as before `onset`; None: it never is."""
    before = levels_dbfs(played.between(onset - 1.0, onset))
    after = levels_dbfs(played.between(said, played.ended))
    if not len(before):
        return None
    loud = np.flatnonzero(after >= before.max() - LOUD_AGAIN_DB)
    return float(loud[0]) / 100 if len(loud) else None


def largest_step(samples: Int16) -> int:
    """The largest difference between neighbouring samples; 0 of nothing."""
    return int(np.abs(np.diff(samples.astype(np.int32))).max()) if len(samples) > 1 else 0


def edge_steps(
    played: Stretch, edges: Sequence[float], seconds: float = 0.15
) -> tuple[list[int], int]:
    """The largest step within `seconds` after each edge, and the largest far from all of them."""
    calm = np.ones(len(played.samples), dtype=bool)
    steps = []
    for edge in edges:
        first = max(0, round((edge - 0.02 - played.began) * SAMPLE_RATE))
        last = max(0, round((edge + seconds - played.began) * SAMPLE_RATE))
        calm[first:last] = False
        steps.append(largest_step(played.samples[first:last]))
    differences = np.abs(np.diff(played.samples.astype(np.int32)))
    own = differences[calm[1:] & calm[:-1]]
    return steps, int(own.max()) if len(own) else 0
