"""The synthesizer around a made-up voice: what is yielded when, and what is not computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from piper.config import PiperConfig
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from voice.errors import ModelError
from voice.speak.levels import Float32
from voice.speak.options import SpeakOptions
from voice.speak.piper import PiperSynthesizer
from voice.speak.vits import Drawn, Tensors

RATE = 16_000
ID_SAMPLES = 400
WINDOW = 3000
CONFIG = PiperConfig.from_dict(
    {
        "num_symbols": 256,
        "num_speakers": 3,
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
    }
)


class Humming:
    """A graph that hums for each phoneme and is silent for marks and pads at the edges."""

    def __init__(self, *, durations: bool = True) -> None:
        self.decoded = 0
        self.given: list[Tensors] = []
        self._durations = durations

    def draw(self, given: Tensors) -> Drawn:
        self.given.append(given)
        ids = given["input"].ravel()
        sound = np.repeat(np.where(ids < 14, 0.0, 0.3), ID_SAMPLES).astype(np.float32)
        sound *= np.where(np.arange(len(sound)) % 2, 1, -1).astype(np.float32)
        durations = np.full(len(ids), ID_SAMPLES) if self._durations else None
        return Drawn(durations, {"sound": sound}, 1)

    def decode(self, drawn: Drawn) -> Iterator[Float32]:
        sound = drawn.tensors["sound"]
        for start in range(0, len(sound), WINDOW):
            self.decoded += 1
            yield sound[start : start + WINDOW]


def speaking(graph: Any, **options: Any) -> PiperSynthesizer:
    return PiperSynthesizer(CONFIG, graph, RATE, SpeakOptions(**options))


TEXT = "It is half past ten now."


def test_words_come_with_the_piece_in_which_they_begin() -> None:
    pieces = list(speaking(Humming()).synthesize(TEXT))
    assert len(pieces) > 3
    words = [word for piece in pieces for word in piece.words]
    assert [TEXT[word.start : word.end] for word in words] == TEXT.split()
    first = 0
    for piece in pieces:
        end = first + len(piece.samples)
        assert all(first <= word.start_sample < end for word in piece.words)
        first = end
    assert words[-1].end_sample <= first


def test_what_nobody_asks_for_is_not_computed() -> None:
    graph = Humming()
    pieces = speaking(graph).synthesize(TEXT)
    next(pieces)
    assert graph.decoded == 1
    next(pieces)
    assert graph.decoded == 2
    pieces.close()  # type: ignore[attr-defined]
    assert graph.decoded == 2


def test_sentences_follow_one_another() -> None:
    pieces = list(speaking(Humming()).synthesize("One two. Three!"))
    words = [word for piece in pieces for word in piece.words]
    assert [word.start for word in words] == [0, 4, 9]
    starts = [word.start_sample for word in words]
    assert starts == sorted(starts)
    assert starts[2] - words[1].end_sample > 0.25 * RATE, "the pause after a full stop"


def test_without_durations_the_words_share_the_sound() -> None:
    pieces = list(speaking(Humming(durations=False)).synthesize("Two words."))
    words = [word for piece in pieces for word in piece.words]
    assert len(words) == 2
    assert words[0].end_sample < words[1].start_sample
    assert words[1].end_sample <= sum(len(piece.samples) for piece in pieces)


def test_the_speaker_and_the_speed_reach_the_graph() -> None:
    graph = Humming()
    list(speaking(graph, speaker=2, speed=2.0).synthesize("Yes."))
    assert graph.given[0]["sid"].tolist() == [2]
    assert graph.given[0]["scales"].tolist() == pytest.approx([0.667, 0.5, 0.8])


def test_a_graph_that_fails_is_told_as_such() -> None:
    class Broken(Humming):
        def decode(self, drawn: Drawn) -> Iterator[Float32]:
            yield drawn.tensors["sound"][:WINDOW]
            raise RuntimeError("out of\nmemory")

    pieces = speaking(Broken()).synthesize(TEXT)
    assert len(next(pieces).samples)
    with pytest.raises(ModelError, match="out of memory"):
        next(pieces)
