"""The speech gate: from frames that look like speech to stretches that are speech.

Theory. A detector errs on single frames, so speech is believed after several voiced frames within
a short window (the onset), and doubted only after a run of unvoiced ones (the pause). A detector
also fires on hums, so a frame counts as voiced only where it also rises above the noise floor.
The floor follows the quietest recent sound: at once downwards, slowly upwards, and not at all
while somebody speaks.

Media time is counted in samples; the gate has no clock and no timeout.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voice.audio.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, level_dbfs

_FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE

_LOWEST_FLOOR_DB = -65.0
"""A quiet room; digital silence must not make the first noise after it look like speech."""

_HIGHEST_FIRST_FLOOR_DB = -35.0
"""A recording may begin with speech; then its level must not become the floor."""

_FLOOR_RISE_DB = 3.0 * _FRAME_SECONDS
"""3 dB a second: a fan that starts is background after some seconds, a word is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """When sound is speech."""

    aggressiveness: int = 2
    """Of WebRTC's detector: 0 lets most through, 3 the least."""

    onset_seconds: float = 0.1
    """Voiced sound that opens the gate, within a window of twice this length."""

    pause_seconds: float = 0.2
    """Silence after which speech counts as paused."""

    confirm_seconds: float = 0.3
    """Speech that has lasted this long, from its onset, interrupts the agent."""

    preroll_seconds: float = 0.3
    """Sound before the onset that belongs to the utterance, so that no first syllable is lost."""

    floor_margin_db: float = 6.0
    """How far above the noise floor speech must be."""

    quietest_dbfs: float = -55.0
    """Sound below this level is never speech."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak: first voiced sample, and where the utterance's audio begins."""

    at: float
    sample: int
    audio_start: int


@dataclass(frozen=True, slots=True)
class SpeechConfirmed:
    """Speech has lasted for `confirm_seconds`: no cough, no click. Once an utterance."""

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
        self._confirm_samples = round(options.confirm_seconds * SAMPLE_RATE)
        self._floor_db: float | None = None
        self._open = False
        self._paused = False
        self._confirmed = False
        self._first_speech = 0
        self._last_speech = 0

    @property
    def floor_dbfs(self) -> float:
        """The noise floor as it is now."""
        return _LOWEST_FLOOR_DB if self._floor_db is None else self._floor_db

    def receive(self, frame: Frame, speech: bool) -> list[GateEvent]:
        """Take the next frame and the detector's verdict on it."""
        level = level_dbfs(frame.samples)
        self._follow_floor(level)
        margin_db, quietest_db = self._options.floor_margin_db, self._options.quietest_dbfs
        voiced = speech and level > max(self.floor_dbfs + margin_db, quietest_db)
        if not self._open:
            return self._closed(frame, voiced)
        if voiced:
            return self._speaking(frame)
        return self._silent(frame)

    def close(self) -> None:
        """The utterance is over: the next speech is a new one."""
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
        self._first_speech, self._last_speech = first, frame.end
        self._recent.clear()
        preroll = round(self._options.preroll_seconds * SAMPLE_RATE)
        return [SpeechStarted(frame.time_of(first), first, max(0, first - preroll))]

    def _speaking(self, frame: Frame) -> list[GateEvent]:
        self._recent.append((frame.start, True))
        events: list[GateEvent] = []
        if self._paused:
            # One voiced frame is often a click; two in the window are the next word.
            if sum(voiced for _, voiced in self._recent) < 2:
                return []
            first = next(start for start, voiced in self._recent if voiced)
            self._paused = False
            events.append(SpeechResumed(frame.time_of(first), first))
        self._last_speech = frame.end
        if not self._confirmed and frame.end - self._first_speech >= self._confirm_samples:
            self._confirmed = True
            events.append(SpeechConfirmed(frame.at, frame.end))
        return events

    def _silent(self, frame: Frame) -> list[GateEvent]:
        self._recent.append((frame.start, False))
        if self._paused or frame.end - self._last_speech < self._pause_samples:
            return []
        self._paused = True
        self._recent.clear()
        return [SpeechPaused(frame.time_of(self._last_speech), self._last_speech)]

    def _follow_floor(self, level: float) -> None:
        if self._floor_db is None:
            self._floor_db = min(max(level, _LOWEST_FLOOR_DB), _HIGHEST_FIRST_FLOOR_DB)
        elif level < self._floor_db:
            self._floor_db += 0.3 * (max(level, _LOWEST_FLOOR_DB) - self._floor_db)
        elif not self._open:
            self._floor_db += min(level - self._floor_db, _FLOOR_RISE_DB)
