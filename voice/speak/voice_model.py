"""A Piper voice's files: its ONNX graph cut into stages once, opened with onnxruntime."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from piper.config import PiperConfig

from voice.errors import ModelError
from voice.speak.vits import Scales, Stage, Staged, Vits, Whole

_log = logging.getLogger(__name__)

_CURE = "run `voice models verify` and then `voice models fetch`"

_FORMAT = 1
"""Counted up when the stages are cut differently, so that older copies are not taken."""

_UNCUT = "uncut"
"""Key of the metadata that tells why a graph was not cut."""

_TRIAL_IDS = 60
_TRIAL_SCALES = Scales(noise=0.0, length=3.0, noise_width=0.0)
_TRIAL_ERROR = 1e-4
"""On what stages are compared with the whole (slow: many windows), and how far they may differ."""


def load_config(model: Path) -> PiperConfig:
    """The description of the voice in `model`: `model` + ".json". Raises `ModelError`."""
    path = model.with_name(model.name + ".json")
    try:
        return PiperConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ModelError(
            f"the voice's description {path} is missing", "run `voice models fetch`"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"the voice's description {path} cannot be read: {_line(error)}", _CURE
        ) from error


def load_graph(model: Path, config: PiperConfig, threads: int) -> Whole | Staged:
    """The voice in `model`, in stages where its graph is built like VITS.

    Cutting takes some 2 s, so the stages are kept in a folder beside the model, whose name tells
    the model's SHA-256. Raises `ModelError`.
    """
    if not model.is_file():
        raise ModelError(f"the voice {model} is missing", "run `voice models fetch`")
    try:
        with model.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        folder = model.with_name(f"{model.stem}.{digest[:16]}.{_FORMAT}")
        graph = _kept(folder, config, threads) or _make(model, folder, config, threads)
    except Exception as error:  # onnx and onnxruntime have no common base class
        raise ModelError(f"the voice {model} cannot be loaded: {_line(error)}", _CURE) from error
    if isinstance(graph, Whole):
        reason = graph.session.get_modelmeta().custom_metadata_map.get(_UNCUT)
        _log.warning("%s begins to speak later than it could: %s", model.name, reason)
    return graph


def load_whole(model: Path, config: PiperConfig, threads: int) -> Whole:
    """The voice in `model` as it is, to compare with; its durations are unknown.

    Raises what onnxruntime raises.
    """
    return Whole(_session(str(model), threads), config.hop_length)


def _kept(folder: Path, config: PiperConfig, threads: int) -> Whole | Staged | None:
    """What an earlier start left, unless it is broken."""
    with contextlib.suppress(Exception):
        return _open({path.stem: str(path) for path in folder.glob("*.onnx")}, config, threads)
    return None


def _make(model: Path, folder: Path, config: PiperConfig, threads: int) -> Whole | Staged:
    """Cut the graph, try the stages, and keep them if there is room."""
    import onnx  # noqa: PLC0415 - 0.2 s and 13 MB that only the first start needs

    from voice.speak.graph import durations_of, split  # noqa: PLC0415

    whole = onnx.load(str(model))
    try:
        stages = split(whole)
        parts = {
            "front": stages.front.SerializeToString(),
            "flow": stages.flow.SerializeToString(),
            "decoder": stages.decoder.SerializeToString(),
        }
        graph = _open(parts, config, threads)
        _try(graph, load_whole(model, config, threads), config)
    except Exception as error:  # a voice of another make: it speaks all the same
        onnx.helper.set_model_props(whole, {_UNCUT: _line(error)})
        with contextlib.suppress(ValueError):  # without them word times are estimated
            whole.graph.output.append(onnx.ValueInfoProto(name=durations_of(whole)))
        parts = {"whole": whole.SerializeToString()}
        graph = _open(parts, config, threads)
    with contextlib.suppress(OSError):
        _keep(folder, parts)
    return graph


def _try(stages: Whole | Staged, whole: Whole | Staged, config: PiperConfig) -> None:
    """Speak without noise, in windows and in one go. Raises `ValueError` where they differ."""
    ids = list(chain.from_iterable(config.phoneme_id_map.values()))[:_TRIAL_IDS]
    speaker = 0 if config.num_speakers > 1 else None
    sounds = []
    for graph in (stages, whole):
        vits = Vits(graph, _TRIAL_SCALES, speaker)
        sounds.append(np.concatenate(list(vits.decode(vits.draw(ids)))))
    if len(sounds[0]) != len(sounds[1]):
        raise ValueError("in windows its sound has another length")
    error = float(np.abs(sounds[0] - sounds[1]).max())
    if not error <= _TRIAL_ERROR:  # nor if it is no number
        raise ValueError(f"in windows its sound differs by {error:.2g}")


def _open(parts: Mapping[str, str | bytes], config: PiperConfig, threads: int) -> Whole | Staged:
    """Sessions for the parts of a voice: their files' names or their bytes."""
    if "whole" in parts:
        return Whole(_session(parts["whole"], threads), config.hop_length)
    front, flow, decoder = (_session(parts[name], threads) for name in ("front", "flow", "decoder"))
    return Staged(front, Stage.of(flow), Stage.of(decoder))


def _session(model: str | bytes, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Optimising the graph takes 0.3 s of every start and gains nothing: 61-65 ms a clause with it,
    # 66 without (40 phonemes, 2 threads).
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_mem_pattern = False  # plans for one length are no use for the next: -45 MB
    # Threads that spin while they wait take the cores from the recogniser and the language model.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model, sess_options=options, providers=["CPUExecutionProvider"]
    )


def _keep(folder: Path, parts: Mapping[str, bytes]) -> None:
    """All of the folder or nothing."""
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=folder.name, suffix=".part"))
    try:
        for name, data in parts.items():
            (part / f"{name}.onnx").write_bytes(data)
        part.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)  # it is broken, or it would have been opened
        part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
