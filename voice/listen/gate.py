"""The speech gate: from frames that look like speech to stretches that are speech.

Theory. A detector errs on single frames, so speech is believed after several voiced frames within
a short window (the onset), and doubted only after a run of unvoiced ones (the pause). A detector
also fires on hums and motors, so a frame counts as voiced only where it rises above the noise
floor as well: clearly so for speech to begin, and hardly so for it to go on, since the last
syllable of a word is often as quiet as the noise.

Media time is counted in samples; the gate has no clock and no timeout.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, level_dbfs
from voice.listen.noise_floor import NoiseFloor

_FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """When sound is speech. Defaults measured on 38 minutes of recordings, clean and noisy."""

    detector: Literal["both", "webrtc", "silero"] = "both"
    """Who tells speech from noise. `both` must agree. `webrtc` alone is lightest, but takes fans,
    keys and music for speech; it wants aggressiveness 2 and both margins at 6."""

    aggressiveness: Annotated[int, Meta(ge=0, le=3)] = 1
    """Of WebRTC's detector: 0 lets most through, 3 the least (and clips quiet words)."""

    silero_threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Silero's probability at which speech begins; its authors' default."""

    silero_release: Annotated[float, Meta(ge=0, le=1)] = 0.4
    """Silero's probability below which speech ends; lower finds the end of speech later."""

    silero_memory_seconds: Annotated[float, Meta(gt=0)] = 3.0
    """How long Silero remembers while nobody speaks. With a long memory it grows deaf in noise
    and words begin late; with a very short one noise opens more turns."""

    onset_seconds: Annotated[float, Meta(gt=0)] = 0.12
    """Voiced sound that opens the gate, within a window of twice this length."""

    lull_seconds: Annotated[float, Meta(gt=0)] = 0.06
    """Silence after which the words so far are transcribed: they may have been the last."""

    pause_seconds: Annotated[float, Meta(gt=0)] = 0.12
    """Silence after which speech counts as paused; much less than the pause that ends a turn."""

    confirm_seconds: Annotated[float, Meta(ge=0)] = 0.18
    """Speech that has lasted this long without a pause silences the agent."""

    preroll_seconds: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Sound before the onset that belongs to the utterance, so that no first syllable is lost.
    Never reaches back into the utterance before."""

    floor_margin_db: float = 3.0
    """How far above the noise floor speech must be to begin."""

    hold_margin_db: float = 1.0
    """How far above the noise floor speech must be to go on."""

    floor_window_seconds: Annotated[float, Meta(gt=0)] = 5.0
    """The quietest moment of this time is taken for background, even while somebody speaks."""

    floor_rise_db_per_second: float = 3.0
    """How fast the noise floor follows a background that grows louder."""

    quietest_dbfs: float = -65.0
    """Sound below this level is never speech."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak: first voiced sample, and where the utterance's audio begins."""

    at: float
    sample: int
    audio_start: int


@dataclass(frozen=True, slots=True)
class SpeechConfirmed:
    """Speech has lasted for `confirm_seconds`: no cough, no click. Once between two pauses."""

    at: float
    sample: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Speech stopped, perhaps not for good; `sample` and `at` are of the last speech."""

    at: float
    sample: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech went on after a pause."""

    at: float
    sample: int


GateEvent = SpeechStarted | SpeechConfirmed | SpeechPaused | SpeechResumed


class Gate:
    """Frames and a detector's verdicts in, beginnings and pauses of speech out."""

    def __init__(self, options: GateOptions) -> None:
        self._options = options
        self._onset_frames = max(1, round(options.onset_seconds / _FRAME_SECONDS))
        self._pause_samples = round(options.pause_seconds * SAMPLE_RATE)
        self._recent: deque[tuple[int, bool]] = deque(maxlen=2 * self._onset_frames)
        self._lull_samples = round(options.lull_seconds * SAMPLE_RATE)
        self._confirm_samples = round(options.confirm_seconds * SAMPLE_RATE)
        self._floor = NoiseFloor(
            _FRAME_SECONDS, options.floor_window_seconds, options.floor_rise_db_per_second
        )
        self._open = False
        self._paused = False
        self._confirmed = False
        self._stretch_start = 0
        self._last_speech = 0
        self._silent_samples = 0
        self._earliest_audio = 0

    @property
    def floor_dbfs(self) -> float:
        """The noise floor as it is now."""
        return self._floor.dbfs

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks, as far as is known."""
        return self._open and not self._paused

    @property
    def lull_began(self) -> bool:
        """Whether with the latest frame speech has been silent for `lull_seconds`."""
        return self._open and 0 <= self._silent_samples - self._lull_samples < FRAME_SAMPLES

    def receive(self, frame: Frame, speech: bool) -> list[GateEvent]:
        """Take the next frame and the detector's verdict on it."""
        level = level_dbfs(frame.samples)
        self._floor.follow(level)
        options = self._options
        margin_db = options.hold_margin_db if self._open else options.floor_margin_db
        voiced = speech and level > max(self.floor_dbfs + margin_db, options.quietest_dbfs)
        if not self._open:
            return self._closed(frame, voiced)
        if voiced:
            return self._speaking(frame)
        return self._silent(frame)

    def close(self) -> None:
        """The utterance is over: the next speech is a new one."""
        if self._open:
            self._earliest_audio = self._last_speech
        self._open = False
        self._paused = False
        self._recent.clear()

    def _closed(self, frame: Frame, voiced: bool) -> list[GateEvent]:
        self._recent.append((frame.start, voiced))
        if sum(voiced for _, voiced in self._recent) < self._onset_frames:
            return []
        first = next(start for start, voiced in self._recent if voiced)
        self._open = True
        self._paused = self._confirmed = False
        self._silent_samples = 0
        self._stretch_start, self._last_speech = first, frame.end
        self._recent.clear()
        preroll = round(self._options.preroll_seconds * SAMPLE_RATE)
        audio_start = min(first, max(self._earliest_audio, first - preroll))
        return [SpeechStarted(frame.time_of(first), first, audio_start)]

    def _speaking(self, frame: Frame) -> list[GateEvent]:
        self._recent.append((frame.start, True))
        events: list[GateEvent] = []
        if self._paused:
            # One voiced frame is often a click; two in the window are the next word.
            if sum(voiced for _, voiced in self._recent) < 2:
                return []
            first = next(start for start, voiced in self._recent if voiced)
            self._paused = self._confirmed = False
            self._stretch_start = first  # two clicks a second apart are no speech of a second
            events.append(SpeechResumed(frame.time_of(first), first))
        self._last_speech = frame.end
        self._silent_samples = 0
        if not self._confirmed and frame.end - self._stretch_start >= self._confirm_samples:
            self._confirmed = True
            events.append(SpeechConfirmed(frame.at, frame.end))
        return events

    def _silent(self, frame: Frame) -> list[GateEvent]:
        self._recent.append((frame.start, False))
        self._silent_samples = frame.end - self._last_speech
        if self._paused or self._silent_samples < self._pause_samples:
            return []
        self._paused = True
        self._recent.clear()
        return [SpeechPaused(frame.time_of(self._last_speech), self._last_speech)]
