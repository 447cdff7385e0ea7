"""A VITS voice on onnxruntime: phoneme ids to sound, window after window.

Where its graph could be cut (`graph.py`) the front runs over all of the text, and the flow and the
decoder over windows with as many neighbouring frames on both sides as an output depends on. So the
sound is that of the whole, but begins after a few frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voice.speak.levels import Float32
from voice.speak.windows import windows

Int64 = NDArray[np.int64]
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Scales:
    """How a voice varies: the noise of its sound and of its durations, and how long it draws."""

    noise: float
    length: float
    noise_width: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the graph that is convolutions along time (the last axis).

    `context` neighbours to either side are needed for an output; a frame becomes `rate` samples.
    Of its inputs, those in `moving` are cut into windows; the others stay as they are.
    """

    session: Any
    moving: tuple[str, ...]
    context: int
    rate: int

    @classmethod
    def of(cls, session: Any) -> Stage:
        """A stage whose session has `stage_metadata`. Raises `KeyError` and `ValueError`."""
        about = session.get_modelmeta().custom_metadata_map
        return cls(
            session, tuple(about["moving"].splitlines()), int(about["context"]), int(about["rate"])
        )

    def window(self, tensors: Tensors, start: int, end: int) -> NDArray[Any]:
        """The output of the frames `start:end`; the tensors hold all frames that it depends on."""
        first = max(0, start - self.context)
        given = {
            value.name: tensors[value.name][..., first : end + self.context]
            if value.name in self.moving
            else tensors[value.name]
            for value in self.session.get_inputs()
        }
        (output,) = self.session.run(None, given)
        return np.asarray(output)[..., (start - first) * self.rate : (end - first) * self.rate]


def stage_metadata(moving: Sequence[str], context: int, rate: int) -> dict[str, str]:
    """What a stage's file says about it."""
    return {"moving": "\n".join(moving), "context": str(context), "rate": str(rate)}


@dataclass(frozen=True, slots=True)
class Whole:
    """A voice whose graph could not be cut; a frame becomes `rate` samples."""

    session: Any
    rate: int

    def draw(self, given: Tensors) -> Drawn:
        """Compute all of the sound; the durations where the graph has them as an output."""
        sound, *frames = self.session.run(None, given)
        durations = _samples(frames[0], self.rate) if frames else None
        return Drawn(durations, {"sound": sound.ravel()}, 1)

    def decode(self, drawn: Drawn) -> Iterator[Float32]:
        """The sound, in one window."""
        yield drawn.tensors["sound"]


@dataclass(frozen=True, slots=True)
class Staged:
    """A voice whose graph was cut into stages."""

    front: Any
    flow: Stage
    decoder: Stage

    def draw(self, given: Tensors) -> Drawn:
        """What the text determines, and the noise: durations, and what flow and decoder take."""
        names = [value.name for value in self.front.get_outputs()]
        frames, *values = self.front.run(None, given)
        tensors = dict(zip(names[1:], values, strict=True))
        durations = _samples(frames, self.decoder.rate)
        return Drawn(durations, tensors, tensors[self.flow.moving[0]].shape[-1])

    def decode(
        self, drawn: Drawn, spans: Sequence[tuple[int, int]] | None = None
    ) -> Iterator[Float32]:
        """The sound of each window; the windows follow one another and begin at 0."""
        (name,) = self.decoder.moving
        tensors, known = dict(drawn.tensors), 0
        for start, end in spans or windows(drawn.frames):
            needed = min(drawn.frames, end + self.decoder.context)
            if needed > known:
                latents = self.flow.window(tensors, known, needed)
                tensors[name] = np.concatenate([tensors[name], latents], -1) if known else latents
                known = needed
            yield self.decoder.window(tensors, start, end).ravel()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sentence with its noise, before it is sound.

    `durations` are in samples, one of each phoneme id; None where the voice does not tell.
    """

    durations: Int64 | None
    tensors: Tensors
    frames: int


class Vits:
    """Speaks rows of phoneme ids; one thread at a time."""

    def __init__(self, graph: Whole | Staged, scales: Scales, speaker: int | None) -> None:
        """`speaker` is None for a voice that has only one."""
        self._graph = graph
        self._scales = np.array([scales.noise, scales.length, scales.noise_width], dtype=np.float32)
        self._speaker = speaker

    def draw(self, ids: Sequence[int], speed: float = 1.0) -> Drawn:
        """Choose durations and noise for a sentence, spoken faster by a factor."""
        given: dict[str, NDArray[Any]] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": self._scales / np.array([1.0, speed, 1.0], np.float32),
        }
        if self._speaker is not None:
            given["sid"] = np.array([self._speaker], np.int64)
        return self._graph.draw(given)

    def decode(self, drawn: Drawn) -> Iterator[Float32]:
        """The sentence's sound in windows, at the voice's own rate and level."""
        return self._graph.decode(drawn)


def _samples(frames: NDArray[Any], rate: int) -> Int64:
    return np.asarray(frames.ravel() * rate, np.int64)
