from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto

from tests.support.vits_graph import FRAMES_PER_ID, HOP, vits
from voice.speak.graph import durations_of, split
from voice.speak.vits import Drawn, Scales, Stage, Staged, Vits

IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]
FRAMES = FRAMES_PER_ID * len(IDS)


def session(model: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def staged(model: ModelProto) -> Staged:
    stages = split(model)
    return Staged(
        session(stages.front), Stage.of(session(stages.flow)), Stage.of(session(stages.decoder))
    )


VOICES = {speakers: staged(vits(speakers=speakers)) for speakers in (1, 3)}


def drawn(speakers: int, *, noise: float = 0.667, speaker: int = 1) -> Drawn:
    scales = Scales(noise=noise, length=1.0, noise_width=0.8)
    return Vits(VOICES[speakers], scales, speaker if speakers > 1 else None).draw(IDS)


@pytest.mark.parametrize("speakers", [1, 3])
def test_the_stages_are_those_of_the_whole_graph(speakers: int) -> None:
    given_ = {
        "input": np.array([IDS]),
        "input_lengths": np.array([len(IDS)]),
        "scales": np.array([0, 1, 0], np.float32),
    }
    sounds = []
    for speaker in range(speakers):
        if speakers > 1:
            given_["sid"] = np.array([speaker])
        (whole,) = session(vits(speakers=speakers)).run(None, given_)
        one = drawn(speakers, noise=0.0, speaker=speaker)
        (sound,) = VOICES[speakers].decode(one, [(0, FRAMES)])
        assert np.abs(sound - whole.ravel()).max() < 1e-6
        sounds.append(sound)
    assert all(np.abs(one - other).max() > 0.01 for one, other in pairwise(sounds))


@pytest.mark.parametrize("speakers", [1, 3])
@given(cuts=st.sets(st.integers(1, FRAMES - 1)))
def test_windows_make_the_sound_of_the_whole(speakers: int, cuts: set[int]) -> None:
    one, voice = drawn(speakers), VOICES[speakers]
    (whole,) = voice.decode(one, [(0, FRAMES)])
    pieces = list(voice.decode(one, list(pairwise([0, *sorted(cuts), FRAMES]))))
    assert [len(piece) // HOP for piece in pieces] == [
        end - start for start, end in pairwise([0, *sorted(cuts), FRAMES])
    ]
    assert np.abs(np.concatenate(pieces) - whole).max() < 1e-5


def test_the_context_is_not_longer_than_it_must_be() -> None:
    """With one frame less, windows of one frame make another sound."""
    one, voice = drawn(1), VOICES[1]
    (whole,) = voice.decode(one, [(0, FRAMES)])
    spans = [(frame, frame + 1) for frame in range(FRAMES)]
    for less in ("flow", "decoder"):
        stage: Stage = getattr(voice, less)
        short = Stage(stage.session, stage.moving, stage.context - 1, stage.rate)
        stages = {"flow": voice.flow, "decoder": voice.decoder} | {less: short}
        other = np.concatenate(list(Staged(voice.front, **stages).decode(one, spans)))
        assert np.abs(other - whole).max() > 1e-4, less


def test_durations_are_those_of_the_phoneme_ids() -> None:
    assert drawn(1).durations is not None
    assert set(np.asarray(drawn(1).durations).tolist()) == {HOP * FRAMES_PER_ID}


def test_the_noise_is_another_each_time() -> None:
    (one,), (other,) = (VOICES[1].decode(drawn(1), [(0, FRAMES)]) for _ in range(2))
    assert np.abs(one - other).max() > 0.01


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("no durations", "0 tensors are rounded up"),
        ("second noise", "2 tensors of random numbers"),
        ("no flow", "stack of convolutions"),
        ("no upsampling", "stack of convolutions"),
    ],
)
def test_a_graph_that_is_built_otherwise_is_not_cut(spoil: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        split(vits(spoil=spoil))


def test_the_durations_are_found_by_what_they_are() -> None:
    model = vits()
    (ceil,) = (node for node in model.graph.node if node.op_type == "Ceil")
    assert durations_of(model) == ceil.output[0]
