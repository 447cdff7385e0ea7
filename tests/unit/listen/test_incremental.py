"""Words while they are spoken, with a model whose sound is its own script."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voice.audio.frames import SAMPLE_RATE, Int16
from voice.listen.incremental import IncrementalTranscriber
from voice.listen.options import ListenOptions
from voice.listen.speech_model import Decoded, DecodedWord, Float32
from voice.listen.transcriber import Hypothesis

WORD_SECONDS = 0.4
_UNIT_SAMPLES = 160


def _sound(seconds: float) -> Int16:
    """Every sample tells where it lies, in units of 10 ms."""
    return (np.arange(round(seconds * SAMPLE_RATE)) // _UNIT_SAMPLES).astype(np.int16)


class _Scripted:
    """Word number n is said from n to n + 1 times `WORD_SECONDS`, as `wn`, every tenth ends a
    sentence; a word whose end is not heard yet is mistaken for another."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self.before: list[int] = []

    def decode(self, sound: Float32, written: Sequence[int], before: Sequence[int]) -> Decoded:
        self.longest_seconds = max(self.longest_seconds, len(sound) / SAMPLE_RATE)
        self.before = list(before)
        began = round(float(sound[0]) * 32768) * _UNIT_SAMPLES / SAMPLE_RATE
        end = began + len(sound) / SAMPLE_RATE
        first = written[-1] + 1 if written else round(began / WORD_SECONDS)
        words = []
        for n in range(first, int(end / WORD_SECONDS) + 1):
            whole = (n + 1) * WORD_SECONDS + 0.3 < end
            text = f"w{n}{'.' if n % 10 == 9 else ''}" if whole else f"half{len(sound)}"
            start, stop = n * WORD_SECONDS - began, (n + 1) * WORD_SECONDS - began
            words.append(DecodedWord(text, start, stop, 0.9, (n,)))
        return Decoded(tuple(words), 0.0)


def _listen(
    seconds: float, chunks: Sequence[float], start: int = 0
) -> tuple[list[Hypothesis], _Scripted]:
    """A hypothesis after each chunk, then one of everything."""
    model = _Scripted()
    transcriber = IncrementalTranscriber(model, ListenOptions())
    transcriber.begin(start)
    sound, hypotheses, position = _sound(seconds), [], 0
    for chunk in (*chunks, seconds):
        samples = sound[position : position + round(chunk * SAMPLE_RATE)]
        position += len(samples)
        transcriber.accept(samples)
        hypotheses.append(transcriber.hypothesis())
    return hypotheses, model


def test_without_sound_there_are_no_words() -> None:
    transcriber = IncrementalTranscriber(_Scripted(), ListenOptions())
    transcriber.begin(500)
    assert transcriber.hypothesis() == Hypothesis((), (), 500)


def test_words_are_committed_while_the_utterance_grows() -> None:
    hypotheses, _ = _listen(4.0, [0.2] * 20)
    texts = [word.text for word in hypotheses[-1].committed]
    assert texts == [f"w{n}" for n in range(len(texts))]
    assert len(texts) >= 5


def test_positions_are_samples_of_the_capture() -> None:
    hypotheses, _ = _listen(4.0, [0.2] * 20, start=32_000)
    word = hypotheses[-1].committed[2]
    assert (word.start, word.end) == (32_000 + 12_800, 32_000 + 19_200)
    assert hypotheses[-1].end == 32_000 + 4 * SAMPLE_RATE


def test_a_new_utterance_knows_nothing_of_the_one_before() -> None:
    transcriber = IncrementalTranscriber(_Scripted(), ListenOptions())
    for _ in range(2):
        transcriber.begin(0)
        transcriber.accept(_sound(3.0))
        assert transcriber.hypothesis().committed == ()


def test_minutes_of_speech_lose_and_double_no_word_and_stay_cheap() -> None:
    hypotheses, model = _listen(120.0, [0.2] * 600)
    said = [word.text.strip(".") for word in hypotheses[-1].committed]
    assert said == [f"w{n}" for n in range(len(said))]
    assert len(said) >= 295
    assert model.longest_seconds < 14.0, "the window rolls"
    assert model.before[:3] == [0, 1, 2], "what left it is known to the decoder"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.05, 3.0), min_size=4, max_size=40))
def test_any_chunking_gives_the_same_words_and_takes_none_back(chunks: list[float]) -> None:
    hypotheses, _ = _listen(40.0, chunks)
    committed: tuple[object, ...] = ()
    for hypothesis in hypotheses:
        assert hypothesis.committed[: len(committed)] == committed
        committed = hypothesis.committed
        latest = 0
        for word in (*hypothesis.committed, *hypothesis.tail):
            assert latest <= word.start <= word.end <= hypothesis.end
            latest = word.end
    last = hypotheses[-1]
    said = [word.text.strip(".") for word in (*last.committed, *last.tail)]
    assert [word for word in said if word.startswith("w")] == [f"w{n}" for n in range(99)]
