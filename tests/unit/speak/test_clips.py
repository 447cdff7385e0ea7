from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voice.errors import ModelError
from voice.speak.clips import Clips, ClipSynthesizer, clip_key
from voice.speak.fake import FakeSynthesizer
from voice.speak.options import SpeakOptions
from voice.speak.settings import VoiceSettings
from voice.speak.synthesizer import Sound, Synthesizer

PHRASES = ["One moment.", "Let me see."]


class Counting:
    """Hums in two pieces, and remembers what it was asked for."""

    rate = 8000

    def __init__(self) -> None:
        self.texts: list[str] = []

    def synthesize(self, text: str) -> Iterator[Sound]:
        self.texts.append(text)
        (sound,) = FakeSynthesizer(self.rate).synthesize(text)
        yield Sound(sound.samples[:1000], sound.words[:1])
        yield Sound(sound.samples[1000:], sound.words[1:])


def same(one: Sound | None, other: Sound) -> bool:
    return (
        one is not None
        and np.array_equal(one.samples, other.samples)
        and (one.words == other.words)
    )


def whole(text: str) -> Sound:
    (sound,) = FakeSynthesizer(Counting.rate).synthesize(text)
    return sound


def test_a_phrase_is_spoken_once_and_found_by_the_next_start(tmp_path: Path) -> None:
    voice = Counting()
    clips = Clips.open(tmp_path / "clips", "key")
    assert clips.find(PHRASES[0]) is None
    clips.add(PHRASES, voice)
    clips.add(PHRASES, voice)
    assert voice.texts == PHRASES
    again = Clips.open(tmp_path / "clips", "key")
    assert all(same(again.find(phrase), whole(phrase)) for phrase in PHRASES)
    assert again.find("Something else.") is None
    assert Clips.open(tmp_path / "clips", "other").find(PHRASES[0]) is None
    assert {path.suffix for path in (tmp_path / "clips" / "key").iterdir()} == {".npz"}


@pytest.mark.parametrize("phrase", ["../../etc/passwd", "a/b\\c\0d", "…", "wait " * 200])
def test_any_phrase_is_a_safe_name(tmp_path: Path, phrase: str) -> None:
    clips = Clips.open(tmp_path, "key")
    clips.add([phrase], Counting())
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file.parent == tmp_path / "key"
    assert len(file.name) < 50
    assert same(Clips.open(tmp_path, "key").find(phrase), whole(phrase))


@pytest.mark.parametrize("damage", ["empty", "half", "other", "pickle"])
def test_a_broken_clip_is_spoken_anew(tmp_path: Path, damage: str) -> None:
    Clips.open(tmp_path, "key").add(PHRASES, Counting())
    first, second = sorted(tmp_path.rglob("*.npz"))
    if damage == "other":
        first.write_bytes(second.read_bytes())
    elif damage == "pickle":
        np.savez(first, samples=np.array([{}], object), words=np.zeros(0), phrase=np.array(""))
    else:
        first.write_bytes(first.read_bytes()[: 0 if damage == "empty" else 700])
    voice = Counting()
    Clips.open(tmp_path, "key").add(PHRASES, voice)
    assert len(voice.texts) == 1
    again = Clips.open(tmp_path, "key")
    assert all(same(again.find(phrase), whole(phrase)) for phrase in PHRASES)


def test_where_nothing_can_be_written_clips_last_as_long_as_the_program(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a file where the folder should be")
    clips = Clips.open(tmp_path, "key")
    clips.add(PHRASES, Counting())
    assert same(clips.find(PHRASES[0]), whole(PHRASES[0]))
    assert Clips.open(tmp_path, "key").find(PHRASES[0]) is None


def test_the_key_tells_voices_and_settings_apart(tmp_path: Path) -> None:
    model = tmp_path / "a.onnx"
    model.write_bytes(b"voice")
    usual = SpeakOptions()
    keys = {
        clip_key(model, 16_000, usual),
        clip_key(model, 48_000, usual),
        *(
            clip_key(model, 16_000, replace(usual, **change))
            for change in ({"speed": 1.1}, {"volume": 0.5}, {"speaker": 2})
        ),
    }
    assert len(keys) == 5
    assert clip_key(model, 16_000, replace(usual, threads=1)) in keys, "does not change the sound"
    os.utime(model, ns=(0, 0))
    assert clip_key(model, 16_000, usual) not in keys
    with pytest.raises(ModelError, match="missing"):
        clip_key(tmp_path / "none.onnx", 16_000, usual)


def test_clips_are_there_before_the_voice_is(tmp_path: Path) -> None:
    clips = Clips.open(tmp_path, "key")
    clips.add(PHRASES, Counting())
    loading: Future[Synthesizer] = Future()
    synthesizer = ClipSynthesizer(clips, loading, Counting.rate, VoiceSettings())
    (sound,) = synthesizer.synthesize(PHRASES[1])
    assert same(sound, whole(PHRASES[1]))
    loading.set_result(Counting())
    assert len(list(synthesizer.synthesize("Something else."))) == 2


def test_a_voice_that_cannot_be_loaded_fails_when_it_is_needed(tmp_path: Path) -> None:
    loading: Future[Synthesizer] = Future()
    loading.set_exception(ModelError("the voice is broken"))
    synthesizer = ClipSynthesizer(Clips.open(tmp_path, "key"), loading, 8000, VoiceSettings())
    with pytest.raises(ModelError, match="broken"):
        next(synthesizer.synthesize("Anything."))
