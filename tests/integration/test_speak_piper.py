from __future__ import annotations

import difflib
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.words import edits
from voice.audio.frames import Int16
from voice.errors import ModelError
from voice.speak.options import SpeakOptions
from voice.speak.phonemes import Phonemizer
from voice.speak.piper import PiperSynthesizer
from voice.speak.synthesizer import Sound
from voice.speak.vits import Scales, Staged, Vits
from voice.speak.voice_model import load_config, load_graph
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
    pieces = list(piper.synthesize("One, two, three, four, five, six, seven."))
    sound = joined(pieces)
    blocks = sound[: len(sound) // 80 * 80].reshape(-1, 80) / 32768
    loud = np.sqrt(np.mean(np.square(blocks), axis=1)) > 10 ** (-42 / 20)
    onsets = [k for k in range(6, len(loud)) if loud[k] and not loud[k - 6 : k].any()]
    words = [word for piece in pieces for word in piece.words]
    differences = [
        min(abs(onset * 80 - word.start_sample) for onset in onsets) / piper.rate
        for word in words[1:]
    ]
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


def test_speed_volume_and_rate(voice_path: Path) -> None:
    text = SENTENCES[0]

    def sound(rate: int, **options: float) -> Int16:
        speaking = SpeakOptions(**options)  # type: ignore[arg-type]
        model = voice_path / f"{NAME}.onnx"
        return joined(list(PiperSynthesizer.load(model, rate, speaking).synthesize(text)))

    usual = sound(16_000)
    assert 0.5 < len(sound(16_000, speed=2.0)) / len(usual) < 0.75
    assert 1.2 < len(sound(16_000, speed=0.7)) / len(usual) < 1.6
    assert len(sound(48_000)) == pytest.approx(len(usual) * 3, rel=0.15)
    assert level_dbfs(sound(16_000, volume=0.5)) == pytest.approx(level_dbfs(usual) - 6, abs=2)


def stages_beside(model: Path) -> Path:
    """The folder with the voice's stages."""
    (folder,) = (path for path in model.parent.iterdir() if path.is_dir())
    return folder


def test_windows_make_the_sound_of_the_whole(voice_path: Path) -> None:
    model = voice_path / f"{NAME}.onnx"
    config = load_config(model)
    graph = load_graph(model, config, 2)
    assert isinstance(graph, Staged)
    phonemizer = Phonemizer(config)
    vits = Vits(graph, Scales(config.noise_scale, 1.0, config.noise_w_scale), None)
    for text in SENTENCES[:3]:
        (sentence, *_) = phonemizer.sentences(text)
        drawn = vits.draw(phonemizer.ids(sentence.phonemes))
        pieces = list(vits.decode(drawn))
        assert len(pieces) > 3
        (whole,) = graph.decode(drawn, [(0, drawn.frames)])
        assert drawn.durations is not None
        assert len(whole) == drawn.durations.sum()
        assert np.abs(np.concatenate(pieces) - whole).max() < 1e-4
        assert np.abs(whole).max() > 0.1


def test_the_stages_are_made_once_and_again_when_they_are_broken_or_the_voice_is_another(
    links: Path,
) -> None:
    PiperSynthesizer.load(links, 16_000)
    stages = stages_beside(links)
    made = (stages / "flow.onnx").stat()
    PiperSynthesizer.load(links, 16_000)
    assert (stages / "flow.onnx").stat().st_ino == made.st_ino
    (stages / "flow.onnx").write_bytes(b"broken")
    PiperSynthesizer.load(links, 16_000)
    assert (stages / "flow.onnx").stat().st_size == made.st_size
    assert {path.name for path in stages.iterdir()} == {
        "front.onnx",
        "flow.onnx",
        "decoder.onnx",
    }
    other = links.read_bytes() + b"\x72\x00"  # an empty producer's name more in the protobuf
    links.unlink()
    links.write_bytes(other)
    PiperSynthesizer.load(links, 16_000)
    assert len([path for path in links.parent.iterdir() if path.is_dir()]) == 2


def test_a_folder_that_takes_no_stages(links: Path) -> None:
    PiperSynthesizer.load(links, 16_000)
    stages = stages_beside(links)
    shutil.rmtree(stages)
    stages.write_text("a folder cannot replace it")
    pieces = list(PiperSynthesizer.load(links, 16_000).synthesize(SENTENCES[0]))
    assert len(pieces) > 3
    assert len(list(links.parent.iterdir())) == 3


def in_one_go(links: Path, caplog: pytest.LogCaptureFixture, reason: str) -> list[Sound]:
    """What is spoken when the graph is not cut; twice, the second time from what was kept."""
    for _ in range(2):
        caplog.clear()
        piper = PiperSynthesizer.load(links, 16_000)
        (message,) = (record.getMessage() for record in caplog.records)
        assert reason in message
        assert links.name in message
    pieces = list(piper.synthesize("Two more words."))
    words = [word for piece in pieces for word in piece.words]
    assert len(words) == 3
    assert words == sorted(words, key=lambda word: word.start_sample)
    assert all(word.end_sample > word.start_sample for word in words)
    assert words[-1].end_sample <= len(joined(pieces))
    return pieces


def test_a_graph_that_is_not_understood_speaks_in_one_go(
    links: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def not_found(_: Any) -> Any:
        raise ValueError("there is no flow")

    monkeypatch.setattr("voice.speak.graph.split", not_found)
    assert len(in_one_go(links, caplog, "there is no flow")) <= 2


def test_stages_that_make_another_sound_are_not_used(
    links: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("voice.speak.graph._context", lambda *_: 4)
    in_one_go(links, caplog, "its sound differs by")


def test_without_durations_the_words_share_the_sound(
    links: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def not_found(_: Any) -> str:
        raise ValueError("0 tensors are rounded up")

    monkeypatch.setattr("voice.speak.graph.durations_of", not_found)
    in_one_go(links, caplog, "0 tensors are rounded up")


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


def test_a_speaker_that_the_voice_does_not_have(voice_path: Path) -> None:
    with pytest.raises(ModelError, match="speaker 3"):
        PiperSynthesizer.load(voice_path / f"{NAME}.onnx", 16_000, SpeakOptions(speaker=3))


async def test_through_its_worker(piper: PiperSynthesizer) -> None:
    worker = SynthesisWorker(piper)
    pieces = [piece async for piece in worker.synthesize("One. Two.")]
    worker.close()
    assert len(pieces) > 3
    assert [word.start for piece in pieces for word in piece.words] == [0, 5]
