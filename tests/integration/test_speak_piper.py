from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.words import edits
from voice.audio.frames import Int16
from voice.errors import ModelError
from voice.speak.options import SpeakOptions
from voice.speak.piper import PiperSynthesizer
from voice.speak.synthesizer import Sound
from voice.speak.worker import SynthesisWorker

NAME = "en_US-joe-medium"
SENTENCES = [
    "Once upon a time, there was a dog who loved to play in the park.",
    "I left the keys in the garden, next to the old tree.",
    "Would you like me to turn on the lights in the kitchen?",
    "You can make pancakes with flour, eggs, milk, and a little sugar.",
    "I'm sorry, I did not understand that. Could you say it again?",
    "Good morning, how can I help you today?",
]


@pytest.fixture(scope="module")
def piper(voice_path: Path) -> PiperSynthesizer:
    return PiperSynthesizer.load(voice_path / f"{NAME}.onnx", 16_000)


@pytest.fixture
def links(voice_path: Path, tmp_path: Path) -> Path:
    """The voice in a folder of its own; returns the model's path."""
    for suffix in (".onnx", ".onnx.json"):
        (tmp_path / f"{NAME}{suffix}").symlink_to((voice_path / f"{NAME}{suffix}").resolve())
    return tmp_path / f"{NAME}.onnx"


def joined(pieces: list[Sound]) -> Int16:
    return np.concatenate([piece.samples for piece in pieces])


def level_dbfs(samples: Int16) -> float:
    """RMS of the 20 ms blocks in which somebody speaks."""
    blocks = samples[: len(samples) // 320 * 320].reshape(-1, 320) / 32768
    powers = np.mean(np.square(blocks), axis=1)
    return float(10 * np.log10(np.mean(powers[powers > 1e-4])))


def plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def transcribe(whisper: Any, samples: Int16) -> list[tuple[str, float]]:
    """The words that Whisper hears and the seconds at which they begin."""
    segments, _ = whisper.transcribe(
        samples.astype(np.float32) / 32768, language="en", word_timestamps=True
    )
    return [(plain(word.word), word.start) for part in segments for word in part.words]


def test_what_is_said_is_understood_and_words_have_their_times(
    piper: PiperSynthesizer, whisper_path: Path
) -> None:
    from faster_whisper import WhisperModel

    whisper = WhisperModel(str(whisper_path), device="cpu", compute_type="int8", cpu_threads=2)
    wrong = count = 0
    differences = []
    for text in SENTENCES:
        pieces = list(piper.synthesize(text))
        said = [
            (plain(text[word.start : word.end]), word.start_sample / piper.rate)
            for piece in pieces
            for word in piece.words
        ]
        heard = transcribe(whisper, joined(pieces))
        names, other = [word for word, _ in said], [word for word, _ in heard]
        wrong += edits(names, other)
        count += len(names)
        for block in difflib.SequenceMatcher(None, names, other, False).get_matching_blocks():
            for i in range(block.size):
                differences.append(abs(said[block.a + i][1] - heard[block.b + i][1]))
    assert wrong <= 0.1 * count
    # Whisper's own word times are good to about a tenth of a second.
    assert np.median(differences) < 0.12
    assert np.quantile(differences, 0.9) < 0.3


def test_a_word_after_a_pause_begins_where_its_sound_begins(piper: PiperSynthesizer) -> None:
    differences = []
    for piece in piper.synthesize("One, two, three, four, five, six, seven."):
        blocks = piece.samples[: len(piece.samples) // 80 * 80].reshape(-1, 80) / 32768
        loud = np.sqrt(np.mean(np.square(blocks), axis=1)) > 10 ** (-42 / 20)
        onsets = [k for k in range(6, len(loud)) if loud[k] and not loud[k - 6 : k].any()]
        for word in piece.words[1:]:
            nearest = min(abs(onset * 80 - word.start_sample) for onset in onsets)
            differences.append(nearest / piper.rate)
    assert len(differences) == 6
    assert np.median(differences) < 0.05


@pytest.mark.parametrize(
    "text",
    [
        "At 10:30, 25 of the best — e.g. Dr. Who's — came! Did they? Yes...",
        "you know [[h]] !!! ok",
        "50% of $3.50 is, well, a/b: 你好 naïve",
        "no\nend",
    ],
)
def test_every_word_has_a_time_in_order_within_the_sound(
    piper: PiperSynthesizer, text: str
) -> None:
    pieces = list(piper.synthesize(text))
    words = [word for piece in pieces for word in piece.words]
    assert [text[word.start : word.end] for word in words] == text.replace("[", " ").replace(
        "]", " "
    ).split()
    edges = [edge for word in words for edge in (word.start_sample, word.end_sample)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(joined(pieces))
    begin = 0
    for piece in pieces:
        assert all(begin <= w.start_sample <= begin + len(piece.samples) for w in piece.words)
        begin += len(piece.samples)


@pytest.mark.parametrize("text", ["", " ", "…", "!!!", "—", "🎉", "[[]]"])
def test_what_cannot_be_said_gives_no_sound(piper: PiperSynthesizer, text: str) -> None:
    assert list(piper.synthesize(text)) == []


def test_all_clauses_are_equally_loud_without_clipping(piper: PiperSynthesizer) -> None:
    sounds = [joined(list(piper.synthesize(text))) for text in SENTENCES]
    levels = [level_dbfs(sound) for sound in sounds]
    assert -23 < np.median(levels) < -17
    assert max(levels) - min(levels) < 6
    assert max(np.abs(sound.astype(int)).max() for sound in sounds) < 32_500


def test_silence_before_speech_is_short_and_the_pause_after_it_follows_the_mark(
    piper: PiperSynthesizer,
) -> None:
    for mark, pause in ((".", 0.3), (",", 0.15), ("", 0.05)):
        sound = joined(list(piper.synthesize(f"Good morning{mark}"))).astype(int)
        loud = np.flatnonzero(np.abs(sound) > 250)
        assert loud[0] / piper.rate < 0.06
        assert pause - 0.01 < (len(sound) - loud[-1]) / piper.rate < pause + 0.08


def test_speed_volume_and_rate(links: Path) -> None:
    text = SENTENCES[0]

    def sound(rate: int, **options: float) -> Int16:
        speaking = SpeakOptions(**options)  # type: ignore[arg-type]
        return joined(list(PiperSynthesizer.load(links, rate, speaking).synthesize(text)))

    usual = sound(16_000)
    assert 0.5 < len(sound(16_000, speed=2.0)) / len(usual) < 0.75
    assert 1.2 < len(sound(16_000, speed=0.7)) / len(usual) < 1.6
    assert len(sound(48_000)) == pytest.approx(len(usual) * 3, rel=0.15)
    assert level_dbfs(sound(16_000, volume=0.5)) == pytest.approx(level_dbfs(usual) - 6, abs=2)


def test_the_copy_with_durations_is_made_once_and_again_when_it_is_outdated_or_broken(
    links: Path,
) -> None:
    copy = links.with_suffix(".aligned.onnx")
    PiperSynthesizer.load(links, 16_000)
    made = copy.stat()
    PiperSynthesizer.load(links, 16_000)
    assert copy.stat().st_ino == made.st_ino
    os.utime(copy, (0, 0))
    PiperSynthesizer.load(links, 16_000)
    again = copy.stat()
    assert again.st_ino != made.st_ino
    copy.write_bytes(copy.read_bytes()[:1_000_000])
    assert next(PiperSynthesizer.load(links, 16_000).synthesize("Yes.")).words
    assert copy.stat().st_size == made.st_size
    assert {path.name for path in links.parent.iterdir()} == {
        links.name,
        f"{links.name}.json",
        copy.name,
    }


def test_a_folder_that_takes_no_copy(links: Path) -> None:
    links.with_suffix(".aligned.onnx").mkdir()  # a file cannot replace it
    (piece,) = PiperSynthesizer.load(links, 16_000).synthesize("Two words.")
    assert len(piece.words) == 2
    assert piece.words[0].end_sample < piece.words[1].start_sample
    assert len(list(links.parent.iterdir())) == 3


def test_without_durations_the_words_share_the_sound(
    links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_tensor(_: Any) -> str:
        raise ValueError("no ceil tensor")

    monkeypatch.setattr("piper.patch_voice_with_alignment.add_alignment_output", no_tensor)
    (piece,) = PiperSynthesizer.load(links, 16_000).synthesize("Two more words.")
    assert len(piece.words) == 3
    assert all(word.end_sample > word.start_sample for word in piece.words)
    assert piece.words[-1].end_sample <= len(piece.samples)


@pytest.mark.parametrize(
    ("broken", "content", "problem"),
    [
        (".onnx", None, "missing"),
        (".onnx.json", None, "missing"),
        (".onnx", b"", "cannot be loaded"),
        (".onnx", b"not a model" * 1000, "cannot be loaded"),
        (".onnx.json", b"{", "cannot be read"),
        (".onnx.json", b"{}", "cannot be read"),
        (".onnx.json", b"\xff\xfe", "cannot be read"),
        (".onnx.json", b"[]", "cannot be read"),
    ],
)
def test_missing_and_broken_files_are_named(
    links: Path, broken: str, content: bytes | None, problem: str
) -> None:
    path = links.parent / f"{NAME}{broken}"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        PiperSynthesizer.load(links, 16_000)
    assert problem in caught.value.problem
    assert str(path) in caught.value.problem
    assert "voice models" in caught.value.cure
    assert "\n" not in str(caught.value)


def test_a_truncated_model_is_named(links: Path) -> None:
    half = links.read_bytes()[:30_000_000]
    links.unlink()
    links.write_bytes(half)
    with pytest.raises(ModelError, match=re.escape(str(links))):
        PiperSynthesizer.load(links, 16_000)


def test_a_speaker_that_the_voice_does_not_have(links: Path) -> None:
    with pytest.raises(ModelError, match="speaker 3"):
        PiperSynthesizer.load(links, 16_000, SpeakOptions(speaker=3))


async def test_through_its_worker(piper: PiperSynthesizer) -> None:
    worker = SynthesisWorker(piper)
    pieces = [piece async for piece in worker.synthesize("One. Two.")]
    worker.close()
    assert len(pieces) == 2
    assert [word.start for piece in pieces for word in piece.words] == [0, 5]
