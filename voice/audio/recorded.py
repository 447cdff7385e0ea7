"""Devices whose sound is kept: two files on one time axis, which begins with the microphone."""

from __future__ import annotations

from pathlib import Path

import soundfile

from voice.audio.frames import (
    DUCK_GAIN,
    FADE_SECONDS,
    SAMPLE_RATE,
    AudioInput,
    AudioOutput,
    Frame,
    Int16,
    OutputPosition,
)
from voice.audio.wav import FileOutput
from voice.clock import Clock
from voice.errors import AudioError


class RecordedOutput:
    """A speaker; a second one, a file, does the same.

    The file has no latency: in it a sound is where it was handed to the device, some 30 ms before
    it is heard.
    """

    def __init__(self, output: AudioOutput, path: Path, clock: Clock) -> None:
        """Check that the file can be written. Raises `AudioError`."""
        self.output = output
        self.file = FileOutput(path, clock, output.rate)
        self.rate = output.rate
        self.underruns = 0

    async def open(self) -> None:
        """Be ready to play. Raises `AudioError`."""
        await self.output.open()

    def write(self, samples: Int16) -> int:
        """Append sound; returns the number of its first sample."""
        self.file.write(samples)
        return self.output.write(samples)

    def position(self) -> OutputPosition:
        """How far it has come."""
        position = self.output.position()
        self.underruns = self.output.underruns
        return position

    def duck(self, gain: float = DUCK_GAIN, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on more quietly."""
        self.file.duck(gain, fade_seconds)
        self.output.duck(gain, fade_seconds)

    def unduck(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on as loud as it was written."""
        self.file.unduck(fade_seconds)
        self.output.unduck(fade_seconds)

    def hold(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fade out and stay silent until `resume`."""
        self.file.hold(fade_seconds)
        self.output.hold(fade_seconds)

    def resume(self, index: int, fade_seconds: float = FADE_SECONDS) -> None:
        """Go on after a hold from the sample `index`."""
        self.file.resume(index, fade_seconds)
        self.output.resume(index, fade_seconds)

    def discard(self, fade_seconds: float = FADE_SECONDS) -> None:
        """Fall silent."""
        self.file.discard(fade_seconds)
        self.output.discard(fade_seconds)

    async def close(self) -> None:
        """Stop, and complete the file. Raises `AudioError`."""
        try:
            await self.output.close()
        finally:
            await self.file.close()


class RecordedInput:
    """A microphone; what is taken from it goes into a 16 kHz WAV, too."""

    def __init__(self, source: AudioInput, path: Path, speaker: FileOutput) -> None:
        """The recording of the `speaker` begins with this one. Raises `AudioError`."""
        self.source = source
        self.overruns = 0
        self._path = path
        self._speaker = speaker
        try:
            self._file = soundfile.SoundFile(
                path, "w", SAMPLE_RATE, channels=1, subtype="PCM_16", format="WAV"
            )
        except (OSError, soundfile.LibsndfileError) as error:
            raise self._cannot_write(error) from None

    @property
    def ended(self) -> bool:
        """Whether only silence comes from now on."""
        return self.source.ended

    async def open(self) -> None:
        """Begin to capture. Raises `AudioError`."""
        await self.source.open()
        await self._speaker.open()

    async def read(self) -> Frame | None:
        """The next frame. Raises `AudioError`."""
        frame = await self.source.read()
        self.overruns = self.source.overruns
        if frame is not None:
            try:
                self._file.write(frame.samples)
            except (OSError, soundfile.LibsndfileError) as error:
                raise self._cannot_write(error) from None
        return frame

    async def close(self) -> None:
        """Stop, and complete the file. Safe to call twice."""
        await self.source.close()
        self._file.close()

    def _cannot_write(self, error: Exception) -> AudioError:
        problem = f"the recording {self._path} cannot be written: {error}"
        return AudioError(problem, "free some space, or choose another folder")
