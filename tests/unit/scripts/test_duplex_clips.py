"""What the user of the duplex benchmark says, as far as the repository alone has it."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.benchmarks import duplex_clips
from scripts.benchmarks.duplex_clips import LEAD_SECONDS, cough, question
from scripts.benchmarks.duplex_hearing import true_speech
from tests.support.giving_way import levels_dbfs
from voice.audio.frames import SAMPLE_RATE


def test_a_recording_is_cut_down_to_its_speech() -> None:
    asked = question()
    assert 0.05 <= asked.begins <= LEAD_SECONDS + 0.1
    assert asked.ends > asked.begins + 1.0
    assert asked.ends <= asked.seconds <= asked.ends + LEAD_SECONDS + 0.1


def test_without_the_large_set_the_recordings_of_the_repository_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(duplex_clips, "SHARED", tmp_path)
    duplex_clips._commands.cache_clear()
    try:
        assert len(duplex_clips.interruptions(3)) == 3
        assert len(duplex_clips.questions(2)) == 2
        assert [one.name for one in duplex_clips.stops(1)] == ["Stop."]
    finally:
        duplex_clips._commands.cache_clear()


def test_a_cough_is_as_loud_as_speech_and_short() -> None:
    one, two = cough(1), cough(2)
    assert levels_dbfs(one).max() == pytest.approx(-22, abs=6)
    assert 2 * len(one) == len(two)
    lead = np.zeros(round(0.2 * SAMPLE_RATE), np.int16)
    begins, ends = true_speech(np.concatenate([lead, one]))
    assert begins == pytest.approx(0.2, abs=0.011)
    assert ends - begins < 0.4


def test_a_breath_before_the_words_leaves_open_when_they_begin() -> None:
    random = np.random.default_rng(1)
    words = (3000 * random.standard_normal(SAMPLE_RATE)).astype(np.int16)
    breath, silence = words[:3000] // 20, np.zeros(SAMPLE_RATE // 2, np.int16)
    assert duplex_clips._begins_plainly(np.concatenate([silence, words, silence]))
    assert not duplex_clips._begins_plainly(np.concatenate([silence, breath, words, silence]))
    assert not duplex_clips._begins_plainly(np.concatenate([words, silence]))
