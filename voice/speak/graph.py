"""Where the graph of a VITS voice can be cut, so that sound begins before all of it is computed.

VITS (Kim, Kong and Son, 2021) works in three stages. The *front* turns all of the text into
durations and, for each frame, a sample of the prior. The *flow* turns those into latents and the
*decoder* turns latents into samples; both are only convolutions along time, so a frame depends on
a bounded number of neighbours: its context. They can run over windows, and with the context on
both sides the result is that of the whole.

The stages are found by what they do, because names differ between exports: the decoder is what
stands between the output and the first thing that is not part of a stack of convolutions; the
prior is where random numbers that have no part in the durations are added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from voice.speak.vits import stage_metadata

_STACK = {"Conv", "ConvTranspose", "LeakyRelu", "Tanh", "Add", "Identity", "Squeeze", "Unsqueeze"}
_SCALED = {"Mul", "Div"}
"""They belong to the decoder where they scale by a constant; otherwise they are masks."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The three parts of a voice, each a model of its own.

    The front's outputs are the durations (frames of each phoneme id) and what the others take;
    the flow has one output, which the decoder takes.
    """

    front: ModelProto
    flow: ModelProto
    decoder: ModelProto


def split(model: ModelProto) -> Stages:
    """Cut a voice into its stages. Raises `ValueError` saying what was not found."""
    graph = _Graph(model)
    durations = durations_of(model)
    latents, static = graph.decoder_inputs(model.graph.output[0].name)
    prior = graph.prior(latents, durations)
    taken = graph.inputs_between(prior, latents)
    moving = [name for name in taken if graph.depends_on_text(name)]
    other = [name for name in taken if name not in moving]
    flow = graph.part([prior, *moving, *other], [latents])
    decoder = graph.part([latents, *static], [model.graph.output[0].name])
    _describe(flow, [prior, *moving])
    _describe(decoder, [latents])
    handed_on = dict.fromkeys([durations, prior, *moving, *other, *static])
    front = graph.part([value.name for value in model.graph.input], list(handed_on))
    return Stages(front, flow, decoder)


def durations_of(model: ModelProto) -> str:
    """The tensor with the frames of each phoneme id: what is rounded up. Raises `ValueError`."""
    rounded = [node.output[0] for node in model.graph.node if node.op_type == "Ceil"]
    if len(rounded) != 1:
        raise ValueError(f"{len(rounded)} tensors are rounded up, not one")
    return str(rounded[0])


class _Graph:
    """A model's nodes by what they make, and what every tensor depends on."""

    def __init__(self, model: ModelProto) -> None:
        self._model = model
        self._nodes: list[NodeProto] = list(model.graph.node)
        self._makers = {name: node for node in self._nodes for name in node.output}
        self._weights = {weight.name: weight for weight in model.graph.initializer}
        inputs = [value.name for value in model.graph.input if value.name not in self._weights]
        self._text = inputs[0]
        self._sources: dict[str, frozenset[str]] = {name: frozenset([name]) for name in inputs}
        for node in self._nodes:
            found = frozenset().union(*(self._sources.get(name, ()) for name in node.input))
            self._sources.update(dict.fromkeys(node.output, found))

    def depends_on_text(self, name: str) -> bool:
        """Whether a tensor has to do with the text; one that tells the speaker has not."""
        return self._text in self._sources.get(name, ())

    def decoder_inputs(self, output: str) -> tuple[str, list[str]]:
        """The latents that the stack of convolutions before `output` takes, and what else."""
        inside: list[NodeProto] = []
        found: dict[str, None] = {}
        waiting = [output]
        while waiting:
            name = waiting.pop()
            if not self._sources.get(name):
                continue
            node = self._makers.get(name)
            if node is None or not self._in_stack(node):
                found[name] = None
            elif node not in inside:
                inside.append(node)
                waiting += node.input
        latents = [name for name in found if self.depends_on_text(name)]
        if len(latents) != 1 or not any(node.op_type == "ConvTranspose" for node in inside):
            raise ValueError("the sound is not made by a stack of convolutions from one tensor")
        return latents[0], [name for name in found if name not in latents]

    def _in_stack(self, node: NodeProto) -> bool:
        varying = sum(bool(self._sources.get(name)) for name in node.input)
        return node.op_type in _STACK or (node.op_type in _SCALED and varying == 1)

    def prior(self, latents: str, durations: str) -> str:
        """The sample of the prior on which the latents depend: mean and scaled random numbers."""
        timing = self._before([durations])
        random = [
            node
            for node in self._before([latents])
            if node.op_type == "RandomNormalLike" and node not in timing
        ]
        if len(random) != 1:
            raise ValueError(f"{len(random)} tensors of random numbers besides the durations'")
        node = random[0]
        while node.op_type != "Add":
            following = [other for other in self._nodes if node.output[0] in other.input]
            if len(following) != 1 or following[0].op_type not in ("Mul", "Add"):
                raise ValueError("random numbers are not scaled and added to a mean")
            node = following[0]
        return str(node.output[0])

    def inputs_between(self, start: str, end: str) -> list[str]:
        """What the nodes that lead from `start` to `end` take besides `start` and constants."""
        after, inside = {start}, []
        leading = {name for node in self._before([end]) for name in node.output}
        for node in self._nodes:
            if after.intersection(node.input):
                after.update(node.output)
                if leading.intersection(node.output):
                    inside.append(node)
        if not inside:
            raise ValueError("there is no flow between the prior and the decoder")
        taken = dict.fromkeys(name for node in inside for name in node.input)
        return [name for name in taken if name not in after and self._sources.get(name)]

    def part(self, inputs: Sequence[str], outputs: Sequence[str]) -> ModelProto:
        """A model of what lies between some tensors."""
        nodes = self._before(outputs, inputs)
        names = {name for node in nodes for name in node.input}
        known = {value.name: value for value in self._model.graph.input}
        graph = helper.make_graph(
            nodes,
            self._model.graph.name or "voice",
            [
                known.get(name) or helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                for name in inputs
            ],
            [ValueInfoProto(name=name) for name in outputs],
            [weight for name, weight in self._weights.items() if name in names],
        )
        return helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )

    def _before(self, ends: Iterable[str], starts: Iterable[str] = ()) -> list[NodeProto]:
        """All nodes on which `ends` depend, in order, going back no further than `starts`."""
        seen, waiting, needed = set(starts), list(ends), set()
        while waiting:
            name = waiting.pop()
            if name not in seen and (node := self._makers.get(name)) is not None:
                seen.update(node.output)
                needed.update(node.output)
                waiting += node.input
            seen.add(name)
        return [node for node in self._nodes if needed.intersection(node.output)]


def _describe(stage: ModelProto, moving: Sequence[str]) -> None:
    """Write into the stage's metadata how it is cut into windows."""
    rate = math.prod(_strides(node) for node in stage.graph.node if node.op_type == "ConvTranspose")
    context = _context(stage, rate, moving)
    helper.set_model_props(stage, stage_metadata(moving, context, rate))


def _context(stage: ModelProto, rate: int, moving: Sequence[str]) -> int:
    """On how many neighbours to either side the samples of one frame depend.

    From the output back to the inputs, the range of each tensor that is needed.
    """
    widths = _widths(stage)
    needed = {stage.graph.output[0].name: (0, rate)}
    for node in reversed(stage.graph.node):
        ranges = [needed[name] for name in node.output if name in needed]
        if not ranges:
            continue
        first, last = min(low for low, _ in ranges), max(high for _, high in ranges)
        if node.op_type in ("Conv", "ConvTranspose"):
            first, last = _convolved(node, widths.get(node.input[1], 0), first, last)
        for name in node.input:
            low, high = needed.get(name, (first, last))
            needed[name] = (min(low, first), max(high, last))
    return max(max(-needed[name][0], needed[name][1] - 1) for name in moving)


def _convolved(node: NodeProto, width: int, first: int, last: int) -> tuple[int, int]:
    """Which of a convolution's input its output in `first:last` depends on."""
    if not width:
        raise ValueError(f"{node.name} is not a convolution along time")
    about = _attributes(node)
    span = (width - 1) * about.get("dilations", [1])[0]
    before, stride = about.get("pads", [0])[0], _strides(node)
    if node.op_type == "ConvTranspose":
        return -((span - before - first) // stride), (last - 1 + before) // stride + 1
    if stride != 1:
        raise ValueError(f"{node.name} skips samples")
    return first - before, last - before + span


def _strides(node: NodeProto) -> int:
    return int(_attributes(node).get("strides", [1])[0])


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _widths(stage: ModelProto) -> dict[str, int]:
    """How wide each convolution's weights are along time."""
    shapes = {weight.name: tuple(weight.dims) for weight in stage.graph.initializer}
    for node in stage.graph.node:
        if node.op_type == "Constant":
            value = helper.get_attribute_value(node.attribute[0])
            shapes[node.output[0]] = tuple(getattr(value, "dims", ()))
    return {name: shape[2] for name, shape in shapes.items() if len(shape) == 3}
