"""What the user says to both programs: recordings of people, the same for each."""

from __future__ import annotations

import numpy as np

from scripts.benchmarks import duplex_clips
from scripts.benchmarks.duplex_clips import Said
from scripts.benchmarks.duplex_hearing import true_speech
from tests.support.giving_way import levels_dbfs
from voice.audio.frames import SAMPLE_RATE, Int16

PAUSE_SECONDS = 0.7

_BACKCHANNELS = ("hm", "Okay.", "Yeah.", "Right.", "Uh-huh.", "I see.", "Oh, wow.")
_MIDDLE = (0.3, 0.7)
_FADE_SAMPLES = SAMPLE_RATE // 200
_SMOOTH_BLOCKS = 5


def backchannels(most: int) -> list[Said]:
    """Sounds of somebody who listens; only one of them is a person's, the others are Piper's."""
    return [one for one in duplex_clips.sounds(100) if one.name in _BACKCHANNELS][:most]


def pauses(most: int) -> list[Said]:
    """Commands with a pause of 0.7 s in the middle."""
    return [
        Said(one.name, one.real, *_placed(with_pause(one.samples, PAUSE_SECONDS)))
        for one in duplex_clips.questions(most)
    ]


def with_pause(clip: Int16, seconds: float) -> Int16:
    """The clip with its quietest place in the middle of the speech drawn out to so long.

    That may lie inside a word: it tells about turns and not about words.
    """
    begins, ends = true_speech(clip)
    first, last = (round(100 * (begins + share * (ends - begins))) for share in _MIDDLE)
    smooth = np.convolve(levels_dbfs(clip), np.ones(_SMOOTH_BLOCKS) / _SMOOTH_BLOCKS, mode="same")
    cut = (first + int(np.argmin(smooth[first:last]))) * SAMPLE_RATE // 100
    fade = np.linspace(0.0, 1.0, _FADE_SAMPLES)
    before, after = clip[:cut].astype(float), clip[cut:].astype(float)
    before[-_FADE_SAMPLES:] *= fade[::-1]
    after[:_FADE_SAMPLES] *= fade
    silence = np.zeros(round(seconds * SAMPLE_RATE))
    return np.concatenate([before, silence, after]).astype(np.int16)


def _placed(clip: Int16) -> tuple[Int16, float, float]:
    return clip, *true_speech(clip)
