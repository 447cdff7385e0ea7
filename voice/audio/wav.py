"""Sound files as devices: recordings in place of a microphone, a WAV in place of a speaker."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from voice.audio.frames import (
    DUCK_GAIN,
    FADE_SECONDS,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    Frame,
    Int16,
    OutputPosition,
)
from voice.audio.output_queue import OutputQueue
from voice.audio.resample import StreamResampler, mix_down
from voice.clock import Clock, VirtualClock
from voice.errors import AudioError

READ_SECONDS = 0.1
"""How much of a file is decoded at a time: short, for it is done between two frames."""


def open_sound(path: Path) -> soundfile.SoundFile:
    """A sound file with something in it, ready to be read. Raises `AudioError`."""
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise AudioError(f"the sound file {path} {problem}", "name a WAV or FLAC file")
    try:
        if not path.stat().st_size:
            raise AudioError(f"the sound file {path} is empty", "record it again")
        sound = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        reason = str(error.error_string).rstrip(".")
        cure = "convert it, for example with: ffmpeg -i FILE out.wav"
        raise AudioError(f"{path} is no sound file that can be read: {reason}", cure) from None
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror}", "check its rights") from None
    if not sound.frames:
        sound.close()
        raise AudioError(f"the sound file {path} holds no sound", "record it again")
    return sound


def read_frames(path: Path) -> Iterator[Int16]:
    """A sound file of any rate and channels as 16 kHz mono, FRAME_SAMPLES at a time.

    The last ones are filled up with zeros. Raises `AudioError`.
    """
    with open_sound(path) as sound:
        resampler = StreamResampler(sound.samplerate, SAMPLE_RATE)
        rest: Int16 = np.zeros(0, np.int16)
        last = False
        while not last:
            block = _read(sound, round(sound.samplerate * READ_SECONDS), path)
            last = not len(block)
            rest = np.concatenate([rest, resampler.feed(block, last=last)])
            while len(rest) >= FRAME_SAMPLES:
                yield rest[:FRAME_SAMPLES]
                rest = rest[FRAME_SAMPLES:]
    if len(rest):
        yield np.pad(rest, (0, FRAME_SAMPLES - len(rest)))


def _read(sound: soundfile.SoundFile, count: int, path: Path) -> Int16:
    """Up to `count` samples, mono int16. Read as float, since libsndfile scales only to float."""
    try:
        samples = sound.read(count, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path} is damaged: {error.error_string}", "record it again") from None
    scaled = np.nan_to_num(samples * 32768.0, posinf=32767.0, neginf=-32768.0)
    return mix_down(np.clip(np.rint(scaled), -32768, 32767).astype(np.int16))


class Recordings:
    """Sound files in place of a microphone: each one begins at a cue, silence is in between.

    The clock decides the pace: with a `MonotonicClock` a frame is there when it would have been
    captured, with a `VirtualClock` it takes the time along. After the last recording there is
    silence for `tail_seconds` (`math.inf`: until `close`), then `read` returns None.
    """

    def __init__(
        self, paths: Sequence[Path], clock: Clock, *, tail_seconds: float = math.inf
    ) -> None:
        """Check that all files can be read. Raises `AudioError`."""
        for path in paths:
            open_sound(path).close()
        self.overruns = 0
        self._clock = clock
        self._waiting = list(paths)
        self._playing: Iterator[Int16] | None = None
        self._tail_samples = tail_seconds * SAMPLE_RATE
        self._position = 0
        self._opened_at: float | None = None

    @property
    def ended(self) -> bool:
        """All recordings are over; what is still read is silence."""
        return self._playing is None and not self._waiting

    def cue(self) -> bool:
        """Begin the next recording with the next frame; False if none is left or one is playing."""
        if self._playing is not None or not self._waiting:
            return False
        self._playing = read_frames(self._waiting.pop(0))
        return True

    async def open(self) -> None:
        """Let the time begin."""
        self._opened_at = self._clock.now()

    async def read(self) -> Frame | None:
        """The next frame when its time has come; None at the end. Raises `AudioError`."""
        if self._opened_at is None or self._tail_samples <= 0:
            return None
        samples = self._next()
        frame = Frame(self._position, samples, self._opened_at + self._seconds(len(samples)))
        self._position = frame.end
        if isinstance(self._clock, VirtualClock):
            await self._clock.advance(frame.at)
        else:
            await self._clock.sleep_until(frame.at)
        return frame

    async def close(self) -> None:
        """No more frames. Safe to call twice."""
        self._opened_at = None

    def _next(self) -> Int16:
        if self._playing is not None:
            if (samples := next(self._playing, None)) is not None:
                return samples
            self._playing = None
        if self.ended:
            self._tail_samples -= FRAME_SAMPLES
        return np.zeros(FRAME_SAMPLES, np.int16)

    def _seconds(self, more: int) -> float:
        return (self._position + more) / SAMPLE_RATE


class FileInput(Recordings):
    """One sound file in place of a microphone; it begins when it is opened."""

    def __init__(self, path: Path, clock: Clock, *, tail_seconds: float = math.inf) -> None:
        """Check that the file can be read. Raises `AudioError`."""
        super().__init__([path], clock, tail_seconds=tail_seconds)
        self.cue()


class FileOutput:
    """A speaker that records what it plays, from `open` to `close`, into a 16-bit mono WAV.

    It plays by the clock and without latency; where nothing was written the file holds silence.
    The sound is spooled into a hidden file beside `path`, which takes its place at `close`.
    """

    def __init__(self, path: Path, clock: Clock, rate: int) -> None:
        """Check that the file can be written. Raises `AudioError`."""
        self.rate = rate
        self.underruns = 0
        self.path = path  # where the file is when it is complete
        self._clock = clock
        self._queue = OutputQueue(rate)
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._file: soundfile.SoundFile | None = None
        self._failure: AudioError | None = None
        self._opened_at = 0.0
        self._recorded = 0
        self._check()

    async def open(self) -> None:
        """Begin to record. Raises `AudioError`."""
        try:
            self._file = soundfile.SoundFile(
                self._part, "w", self.rate, channels=1, subtype="PCM_16", format="WAV"
            )
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._cannot_write(error) from None
        self._opened_at = self._clock.now()

    def write(self, samples: Int16) -> int:
        """Append sound; returns the number of its first sample."""
        self._play()
        return self._queue.write(samples)

    def position(self) -> OutputPosition:
        """How far it has come."""
        return self._queue.position(self._play())

    def duck(self, gain: float = DUCK_GAIN, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on, but with all samples times `gain`."""
        self._play()
        self._queue.duck(gain, fade_seconds)

    def unduck(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on as loud as it was written."""
        self._play()
        self._queue.unduck(fade_seconds)

    def hold(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fade out and stay silent until `resume`."""
        self._play()
        self._queue.hold(fade_seconds)

    def resume(self, index: int, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on after a hold from the sample `index`."""
        self._play()
        self._queue.resume(index, fade_seconds)

    def discard(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fall silent: fade out what comes next, drop the rest."""
        self._play()
        self._queue.discard(fade_seconds)

    async def close(self) -> None:
        """Complete the file. Safe to call twice. Raises `AudioError` if it could not be written."""
        if self._file is None:
            return
        self._play()
        file, self._file = self._file, None
        try:
            file.close()
            if self._failure is None:
                self._part.replace(self.path)
        except (OSError, soundfile.LibsndfileError) as error:
            self._failure = self._cannot_write(error)
        finally:
            self._part.unlink(missing_ok=True)
        if self._failure is not None:
            raise self._failure

    def _play(self) -> float:
        """Take from the queue what has been played since the last call; returns the time."""
        now = self._clock.now()
        due = int((now - self._opened_at) * self.rate + 0.5) if self._file is not None else 0
        while self._recorded < due:
            count = min(due - self._recorded, self.rate)
            samples = self._queue.pull(count, self._opened_at + self._recorded / self.rate)
            self._recorded += count
            self._record(samples)
        self.underruns = self._queue.underruns
        return now

    def _record(self, samples: Int16) -> None:
        if self._failure is not None or self._file is None:
            return
        try:
            self._file.write(samples)
        except (OSError, soundfile.LibsndfileError) as error:
            self._failure = self._cannot_write(error)

    def _check(self) -> None:
        if self.path.exists() and not self.path.is_file():
            raise AudioError(f"{self.path} is no file that can be replaced", "name a WAV file")
        try:
            self._part.open("wb").close()
            self._part.unlink()
        except OSError as error:
            raise self._cannot_write(error) from None

    def _cannot_write(self, error: Exception) -> AudioError:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        cure = "choose a folder that exists and that you may write to"
        return AudioError(f"the sound file {self.path} cannot be written: {reason}", cure)
