"""Fixed phrases, spoken once and kept as files: there before the voice is loaded.

A clip is an .npz file with the samples, the words and the phrase itself. Its folder's name is a
digest of all that decides how it sounds, so another voice, speed or rate finds none of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np

from voice.errors import ModelError
from voice.speak.options import SpeakOptions
from voice.speak.settings import VoiceSettings
from voice.speak.synthesizer import Sound, SpokenWord, Synthesizer

_FORMAT = 1
"""Counted up when clips are made differently, so that older ones are not taken."""


def clip_key(model: Path, rate: int, options: SpeakOptions) -> str:
    """What tells the clips of one voice and its settings from all others.

    The voice counts as the same while its file has the same name, size and time of change. Raises
    `ModelError` if the file is missing.
    """
    try:
        found = model.stat()
    except OSError as error:
        raise ModelError(f"the voice {model} is missing", "run `voice models fetch`") from error
    voice = [model.name, found.st_size, found.st_mtime_ns, options.speaker]
    return _digest([_FORMAT, voice, options.speed, options.volume, rate])


class Clips:
    """The phrases that were kept under one key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, Sound] = {}

    @classmethod
    def open(cls, folder: Path, key: str) -> Clips:
        """Those in `folder` under `key` (`clip_key`); the folder need not exist."""
        return cls(folder / key)

    def find(self, phrase: str) -> Sound | None:
        """The phrase, if it was kept; a file that is broken or of another phrase is none."""
        if phrase not in self._read:
            with contextlib.suppress(Exception):  # numpy and zipfile raise what they like
                self._read[phrase] = _load(self._path(phrase), phrase)
        return self._read.get(phrase)

    def add(self, phrases: Iterable[str], synthesizer: Synthesizer) -> None:
        """Speak and keep those that are missing; blocks. Raises `ModelError` if the voice fails.

        Where they cannot be written they are kept in memory.
        """
        for phrase in phrases:
            if self.find(phrase) is None:
                sound = _joined(synthesizer.synthesize(phrase))
                self._read[phrase] = sound
                with contextlib.suppress(OSError):
                    _save(self._path(phrase), phrase, sound)

    def _path(self, phrase: str) -> Path:
        return self._folder / f"{_digest(phrase)}.npz"


class ClipSynthesizer:
    """Speaks kept phrases at once, and all else with a voice that may still be loading."""

    def __init__(
        self, clips: Clips, voice: Future[Synthesizer], rate: int, settings: VoiceSettings
    ) -> None:
        """The clips were spoken with the `settings` as they are now."""
        self.rate = rate
        self._clips = clips
        self._voice = voice
        self._settings = settings
        self._kept_with = replace(settings)

    def synthesize(self, text: str) -> Iterator[Sound]:
        """The sound of a clause. Raises `ModelError`, also where the voice could not be loaded."""
        clip = self._clips.find(text) if self._settings == self._kept_with else None
        if clip:
            yield clip
        else:
            yield from self._voice.result().synthesize(text)


def _joined(pieces: Iterable[Sound]) -> Sound:
    sounds = list(pieces)
    samples = [np.zeros(0, np.int16), *(sound.samples for sound in sounds)]
    return Sound(np.concatenate(samples), tuple(word for sound in sounds for word in sound.words))


def _load(path: Path, phrase: str) -> Sound:
    with np.load(path, allow_pickle=False) as file:
        samples, words, said = file["samples"], file["words"], str(file["phrase"])
    if said != phrase or samples.dtype != np.int16 or samples.ndim != 1 or words.ndim != 2:
        raise ValueError(f"{path} is not a clip of this phrase")
    return Sound(samples, tuple(SpokenWord(*map(int, word)) for word in words))


def _save(path: Path, phrase: str, sound: Sound) -> None:
    """All of the file or nothing."""
    words = [(w.start, w.end, w.start_sample, w.end_sample) for w in sound.words]
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            table = np.array(words, np.int64).reshape(-1, 4)
            np.savez(file, samples=sound.samples, words=table, phrase=np.array(phrase))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]
