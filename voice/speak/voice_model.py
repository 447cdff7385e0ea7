"""A Piper voice's ONNX file as a session of onnxruntime that also tells phoneme durations."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import onnxruntime
from piper import PiperVoice
from piper.config import PiperConfig

from voice.errors import ModelError

_CURE = "run `voice models verify` and then `voice models fetch`"


def load_voice(model: Path, threads: int) -> PiperVoice:
    """The voice in `model` and `model` + ".json", with the durations as a second output.

    Marking that output takes 0.5 s and 150 MB, so the marked copy is kept beside the model as
    `<name>.aligned.onnx`. Raises `ModelError`.
    """
    config = _load_config(model.with_name(model.name + ".json"))
    if not model.is_file():
        raise ModelError(f"the voice {model} is missing", "run `voice models fetch`")
    aligned = model.with_suffix(".aligned.onnx")
    try:
        session = _kept(model, aligned, threads) or _open(_patch(model, aligned), threads)
    except Exception as error:  # onnx and onnxruntime have no common base class
        raise ModelError(f"the voice {model} cannot be loaded: {_line(error)}", _CURE) from error
    return PiperVoice(session=session, config=config)


def _load_config(path: Path) -> PiperConfig:
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


def _kept(model: Path, aligned: Path, threads: int) -> Any | None:
    """A session of the copy that an earlier start left, unless it is outdated or broken."""
    with contextlib.suppress(Exception):
        if aligned.stat().st_mtime_ns >= model.stat().st_mtime_ns:
            return _open(str(aligned), threads)
    return None


def _patch(model: Path, aligned: Path) -> str | bytes:
    """The model with its durations as an output: the path of the new copy, or else its bytes."""
    import onnx  # noqa: PLC0415 - 0.2 s and 13 MB that only the first start needs
    from piper.patch_voice_with_alignment import add_alignment_output  # noqa: PLC0415

    graph = onnx.load(str(model))
    with contextlib.suppress(ValueError):  # no such tensor: word times will be estimated
        add_alignment_output(graph)
    data: bytes = graph.SerializeToString()
    try:
        _write(aligned, data)
    except OSError:
        return data
    return str(aligned)


def _write(path: Path, data: bytes) -> None:
    """All of the file or nothing."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _open(model: str | bytes, threads: int) -> Any:
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


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
