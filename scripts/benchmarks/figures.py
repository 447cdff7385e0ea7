"""What all benchmarks share: quantiles, targets, the conditions of a run, and where figures go."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


PACKAGES = (
    "ctranslate2",
    "faster-whisper",
    "livekit",
    "numpy",
    "onnxruntime",
    "piper-tts",
    "websockets",
    "xllamacpp",
)
"""Those on whose speed most figures depend."""

MOST_SAMPLES = 500
"""Of a figure, in a file: enough to judge noise."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be: at most, or at least, `limit`."""

    limit: float
    least: bool = False

    def verdict(self, value: float) -> str:
        """`met` or `missed`."""
        met = value >= self.limit if self.least else value <= self.limit
        return "met" if met else "missed"

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.limit:g}"


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of all values do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def rounded(value: float | None, digits: int = 3) -> float | None:
    """For people and for short files."""
    return None if value is None else round(value, digits)


def kept(values: Sequence[float], scale: float = 1.0) -> list[float]:
    """The samples that are written: `scale` times (1e3: from seconds to ms) at most 500 values."""
    chosen = values
    if (count := len(values)) > MOST_SAMPLES:
        # Evenly spaced by size, so that the quantiles stay. In order of time the same places of
        # each chain of calls would be taken.
        ranked, twice = sorted(values), 2 * MOST_SAMPLES
        chosen = [ranked[(2 * n + 1) * count // twice] for n in range(MOST_SAMPLES)]
    return [round(scale * value, 4) for value in chosen]


def verdicts(figures: Mapping[str, Any], targets: Mapping[str, Target]) -> dict[str, str]:
    """What became of each target for which there is a figure."""
    return {
        name: target.verdict(figures[name])
        for name, target in targets.items()
        if figures.get(name) is not None
    }


def table(figures: Mapping[str, Any], targets: Mapping[str, Target]) -> str:
    """All single figures, as a table that Markdown shows as one, too."""
    cells = [("figure", "value", "target", "")]
    for name, value in figures.items():
        if not isinstance(value, int | float):
            continue
        target = targets.get(name)
        cells.append(
            (
                name,
                f"{value:g}" if isinstance(value, float) else str(value),
                str(target or ""),
                target.verdict(value) if target else "",
            )
        )
    widths = [max(len(cell[column]) for cell in cells) for column in range(4)]
    lines = ["| " + " | ".join(map(str.ljust, cell, widths)) + " |" for cell in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (n + 2) for n in widths) + "|", *lines[1:]])


def machine() -> str:
    """The machine in words."""
    return f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.machine()}"


def machine_facts() -> dict[str, Any]:
    """What figures depend on, one by one: processor, memory in GB, system, versions."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def load() -> float:
    """How many processes wanted a core in the last minute, on average."""
    return round(os.getloadavg()[0], 2)


def code_version() -> str:
    """The commit that is measured, and whether files differ from it."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return commit + (" with changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write(path: Path | None, figures: dict[str, Any]) -> None:
    """Write the figures as JSON, if a file was asked for."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"
