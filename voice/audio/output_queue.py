"""Sound on its way to a speaker: no device, no clock.

A device's driver shares the queue between two threads and holds a lock during each call; a call
only copies, scales and counts, so the callback never waits for more than that.

What was pulled is kept for a while, so that after a hold a word can be said again from its
beginning. All that is sudden is made gradual: stops, holds and changes of volume fade, and where
the writer was too late the last sound fades away as its own mirror image.
"""

from __future__ import annotations

import numpy as np

from voice.audio.frames import DUCK_GAIN, FADE_SECONDS, Int16, OutputPosition
from voice.audio.gain import Gain
from voice.audio.heard import Heard
from voice.audio.tape import Tape

UNDERRUN_SECONDS = 0.5
"""A silence shorter than this between two sounds was not meant: the writer came too late. The
pauses between answers are longer, and those inside one (0.2–0.4 s) are written as sound."""

KEPT_SECONDS = 3.0
"""Sound that was pulled and can be played again: longer than any word and all that may be said
between the moment in which it grew quieter and that in which it fell silent."""

CLICK = 64
"""A step of the wave down from this (int16) is not heard: -54 dB."""


class OutputQueue:
    """Sound to be pulled at `rate` Hz; the device gets silence where there is none.

    Positions count the samples written and not discarded, so they run on without a gap over
    silences and discards. Times are those at which a sample is heard, told by the one who pulls.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.underruns = 0
        self._tape = Tape(round(KEPT_SECONDS * rate))
        self._heard = Heard(rate)
        self._gain = Gain()
        self._level = 1.0  # of the gain where nothing is held
        self._held = False
        self._resume_at: int | None = None  # as soon as what is held is silent
        self._fade_in_samples = 0
        self._silent = True  # the last pull ended in silence
        self._meant = False  # that it falls silent
        self._ran_dry_at: float | None = None
        self._broke_off = False  # that it ran dry in the middle of a sound
        self._fading: Int16 = np.zeros(0, np.int16)  # what is heard beside the rest, and not of it

    def write(self, samples: Int16) -> int:
        """Append sound; returns the position of its first sample."""
        self._meant = self._meant and not len(samples)
        return self._tape.write(samples)

    def pull(self, count: int, at: float) -> Int16:
        """The next `count` samples, the first of them to be heard at `at`; zeros where none are."""
        out = np.zeros(count, np.int16)
        done = mixed = 0
        while done < count and self._may_sound():
            wanted = min(count - done, self._gain.left) if self._held else count - done
            taken = self._play(out[done : done + wanted], at + done / self.rate)
            done += taken
            if taken < wanted:
                self._mix_in(out[mixed:done])
                mixed = done
                self._run_dry(at + done / self.rate)
                if not self._held:
                    break
        self._silent = self._silent or done < count
        self._mix_in(out[mixed:])
        return out

    def duck(self, gain: float = DUCK_GAIN, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on, but with all samples times `gain`."""
        self._level = gain
        if not self._held:
            self._gain.go(gain, self._samples(fade_seconds))

    def unduck(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on as loud as it was written."""
        self.duck(1.0, fade_seconds)

    def hold(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fade out and stay silent until `resume`; nothing is dropped, and more may be written."""
        self._held, self._resume_at, self._ran_dry_at = True, None, None
        self._gain.go(0.0, 0 if self._silent else self._samples(fade_seconds))

    def resume(self, index: int, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on from the sample `index`, or the first one after it that is still here.

        What has been heard before, is heard again. Without a hold nothing happens.
        """
        if self._held:
            self._resume_at, self._level = index, 1.0
            self._fade_in_samples = self._samples(fade_seconds)

    def discard(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Drop what has not been pulled; its beginning fades away, and does not count."""
        if not (self._silent or self._gain.silent):
            rest = np.zeros(self._samples(fade_seconds), np.int16)
            self._fade_away(rest[: self._tape.take(rest)], len(rest))
        self._gain.go(1.0, 0)
        self._level, self._held, self._resume_at = 1.0, False, None
        self._tape.cut(self._heard.pulled)
        self._ran_dry_at, self._broke_off, self._meant = None, False, True

    def position(self, now: float) -> OutputPosition:
        """How far it has been heard at `now`. Asked with times that never go back."""
        return self._heard.position(now, self._tape.next, self._tape.written)

    @property
    def waiting(self) -> int:
        """Samples that would be pulled next; none while nothing may be heard."""
        held = self._held and self._gain.silent and self._resume_at is None
        return 0 if held else self._tape.left

    def _samples(self, seconds: float) -> int:
        return round(seconds * self.rate)

    def _may_sound(self) -> bool:
        """Whether anything may; what was held and has become silent goes on here."""
        if not (self._held and self._gain.silent):
            return True
        if self._resume_at is None:
            return False
        self._tape.rewind(self._resume_at)
        self._held, self._resume_at = False, None
        self._gain.go(self._level, self._fade_in_samples)
        return True

    def _play(self, out: Int16, at: float) -> int:
        """Move samples into `out` as they will sound; how many there were."""
        begins = self._silent and self._tape.left > 0
        if begins:
            self._begin(at)
        index = self._tape.next
        taken = self._tape.take(out)
        if taken:
            self._gain.apply(out[:taken])
            self._heard.note(index, taken, at, begins=begins)
        return taken

    def _begin(self, at: float) -> None:
        """Sound begins at `at` after a silence."""
        self._silent = False
        if self._ran_dry_at is not None and at - self._ran_dry_at < UNDERRUN_SECONDS:
            self.underruns += 1
        if self._broke_off and not self._held:
            self._gain.go(0.0, 0)
            self._gain.go(self._level, self._samples(FADE_SECONDS))
        self._ran_dry_at, self._broke_off = None, False

    def _run_dry(self, at: float) -> None:
        """There is no more sound to be heard from `at` on."""
        if not self._silent:
            last = self._tape.last(1)
            self._broke_off = bool(len(last)) and abs(last[0] * self._gain.value) > CLICK
            if self._broke_off:
                self._fade_away(last[:0], self._samples(FADE_SECONDS))
            self._ran_dry_at = None if self._held or self._meant else at
        self._silent = True
        if self._held:
            self._gain.go(0.0, 0)

    # ── what fades beside the rest ───────────────────────────────────────────────────────

    def _fade_away(self, samples: Int16, count: int) -> None:
        """Let the latest `samples`, continued by their mirror image, be heard fading."""
        image = self._tape.last(count)[::-1]
        sound = np.concatenate([samples, image])[:count]
        ramp = np.linspace(self._gain.value, 0.0, len(sound), endpoint=False)
        fading, before = (sound * ramp).astype(np.int16), self._fading
        _mix(fading, before)
        self._fading = np.concatenate([fading, before[len(fading) :]])

    def _mix_in(self, out: Int16) -> None:
        """Let what fades be heard beside `out`."""
        _mix(out, self._fading)
        self._fading = self._fading[len(out) :]


def _mix(samples: Int16, more: Int16) -> None:
    """Add as much of `more` as there is room for, in place."""
    count = min(len(samples), len(more))
    if count:
        mixed = samples[:count].astype(np.int32) + more[:count]
        samples[:count] = np.clip(mixed, -32768, 32767)
