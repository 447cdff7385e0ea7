"""Where a command's figures go: a file in the one shape, and a comparison with an older one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.benchmarks import compare
from scripts.benchmarks.book_shape import shaped
from scripts.benchmarks.figures import Target, machine_facts, write


class BookError(Exception):
    """A file of figures that cannot be read; the text names it."""


class Sink:
    """Takes the result of one benchmark, as often as there is more of it."""

    def __init__(
        self,
        benchmark: str,
        out: Path | None,
        old: Path | None,
        targets: Mapping[str, Target] | None = None,
    ) -> None:
        self._benchmark = benchmark
        self._out = out
        self._targets = targets or {}
        self._machine = machine_facts()
        self._old = None if old is None else read(old, benchmark)
        self._newest: dict[str, Any] | None = None

    def save(self, result: Mapping[str, Any]) -> None:
        """Write what is known so far."""
        self._newest = shaped(self._benchmark, result, self._targets, self._machine)
        write(self._out, self._newest)

    def compare(self) -> None:
        """Print what has changed against the older run, if one was named."""
        if self._old is not None and self._newest is not None:
            print("\n" + compare.report(self._old, self._newest))


def read(path: Path, benchmark: str | None = None) -> dict[str, Any]:
    """A file in the one shape, of this benchmark. Raises `BookError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BookError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict) or not {"benchmark", "figures", "conditions"} <= found.keys():
        raise BookError(f"{path} holds no figures of scripts/bench.py; make it with --json")
    if benchmark is not None and found["benchmark"] != benchmark:
        raise BookError(f"{path} holds figures of {found['benchmark']}, not of {benchmark}")
    return found
