"""A very small VITS as an ONNX graph, built like the exports of Piper's voices.

It has their stages (text to durations, prior, flow, decoder) with random weights, and as many
convolutions as it takes that a window's context matters. Names tell nothing, as in some exports.
"""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

SYMBOLS = 12
CHANNELS = 4
FRAMES_PER_ID = 3
HOP = 6
"""Samples that a frame becomes: the product of the upsampling strides, 3 and 2."""


class Builder:
    """Nodes and weights one after the other; every method returns the name of what it adds."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self._names = (f"t{number}" for number in count())
        self._random = np.random.default_rng(seed)

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        names = [next(self._names) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else " ".join(names)

    def constant(self, value: Any, *, as_node: bool = False) -> str:
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        if as_node:
            return self.op("Constant", value=numpy_helper.from_array(array))
        name = next(self._names)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape: int, as_node: bool = False) -> str:
        return self.constant(self._random.normal(0, 0.4, shape), as_node=as_node)

    def conv(self, x: str, width: int, dilation: int = 1, into: int = CHANNELS) -> str:
        pad = (width - 1) * dilation // 2
        weight = self.weight(into, CHANNELS, width, as_node=width == 5)
        bias = self.weight(into)
        return self.op("Conv", x, weight, bias, pads=[pad, pad], dilations=[dilation])

    def upsample(self, x: str, width: int, stride: int) -> str:
        pad = (width - stride) // 2
        weight = self.weight(CHANNELS, CHANNELS, width)
        return self.op("ConvTranspose", x, weight, pads=[pad, pad], strides=[stride])


def vits(*, speakers: int = 1, spoil: str = "", seed: int = 0) -> ModelProto:
    """The graph; with `spoil` it lacks something or has too much (see the tests)."""
    b = Builder(seed)
    speaker = _speaker(b, speakers) if speakers > 1 else ""
    mean, noise_scale = _text(b, spoil)
    random = b.op("RandomNormalLike", mean)
    prior = b.op("Add", mean, b.op("Mul", b.op("Mul", random, b.op("Exp", mean)), noise_scale))
    if spoil == "second noise":
        prior = b.op("Add", prior, b.op("RandomNormalLike", mean))
    mask = b.op("Cast", b.op("Equal", mean, mean), to=TensorProto.FLOAT)
    latents = prior if spoil == "no flow" else _flow(b, prior, mask, speaker)
    sound = _decoder(b, latents, speaker, spoil)
    b.nodes[-1].output[0] = "output"
    assert sound
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, None]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)]
    graph = helper.make_graph(b.nodes, "vits", inputs, outputs, b.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def _speaker(b: Builder, speakers: int) -> str:
    """(1, channels, 1)"""
    one = b.op("Gather", b.weight(speakers, CHANNELS), "sid")
    return b.op("Unsqueeze", one, b.constant([2]))


def _text(b: Builder, spoil: str) -> tuple[str, str]:
    """The prior's mean (1, channels, frames), and the scale of its noise."""
    embedded = b.op("Gather", b.weight(SYMBOLS, CHANNELS), "input")
    by_channel = b.op("Transpose", embedded, perm=[0, 2, 1])
    noise_scale = b.op("Gather", "scales", b.constant(0), axis=0)
    rounded = "Floor" if spoil == "no durations" else "Ceil"
    shaky = b.op("Mul", b.op("RandomNormalLike", by_channel), b.constant(0.0))
    durations = b.op(rounded, b.op("Add", shaky, b.constant(FRAMES_PER_ID - 0.5)))
    frames = b.op("ReduceMax", durations, keepdims=1)
    ones = b.op("Div", frames, frames)
    repeats = b.constant(np.ones((1, 1, 1, FRAMES_PER_ID)))
    wide = b.op("Unsqueeze", b.op("Mul", by_channel, ones), b.constant([3]))
    long = b.op("Reshape", b.op("Mul", wide, repeats), b.constant([1, CHANNELS, -1]))
    return b.conv(long, 3), noise_scale


def _flow(b: Builder, x: str, mask: str, speaker: str) -> str:
    for _ in range(2):
        first = b.op("Tanh", b.conv(b.op("Mul", x, mask), 5))
        if speaker:
            first = b.op("Add", first, speaker)
        shift = b.conv(b.op("Sigmoid", first), 3)
        x = b.op("Mul", b.op("Sub", x, shift), mask)
        halves = b.op("Split", x, outputs=2, axis=1).split()
        x = b.op("Concat", halves[1], halves[0], axis=1)
    return b.op("Mul", x, mask)


def _decoder(b: Builder, x: str, speaker: str, spoil: str) -> str:
    x = b.conv(x, 7)
    if speaker:
        x = b.op("Add", x, b.conv(speaker, 1))
    for width, stride in ((7, 3), (4, 2)):
        raised = x if spoil == "no upsampling" else b.upsample(b.op("LeakyRelu", x), width, stride)
        blocks = [b.conv(b.op("LeakyRelu", raised), size, size - 2) for size in (3, 5)]
        x = b.op("Div", b.op("Add", *blocks), b.constant(2.0))
    x = b.op("Tanh", b.conv(b.op("LeakyRelu", x), 7, into=1))
    return b.op("Unsqueeze", x, b.constant([1]))
