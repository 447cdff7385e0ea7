"""The peer's own virtual environment, in the cache folder: made at its first use."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

from scripts.benchmarks.figures import ROOT

LOCK = ROOT / "requirements-peers.lock"

_STAMP = ".made-from"


class PeerError(Exception):
    """The peer cannot be had; the text says why and what to do."""


def versions(lock: Path = LOCK) -> dict[str, str]:
    """The version of each package that the lock pins."""
    pins = [line.split(";")[0].strip(" \\") for line in lock.read_text().splitlines()]
    return dict(pin.split("==", 1) for pin in pins if "==" in pin and not pin.startswith("#"))


def peer_python() -> Path:
    """The interpreter of the peer's environment. Raises `PeerError`."""
    folder = platformdirs.user_cache_path("voice") / "peers"
    python = folder / "bin" / "python"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    stamp = folder / _STAMP
    if not (python.exists() and stamp.is_file() and stamp.read_text() == wanted):
        _make(folder, python)
        stamp.write_text(wanted)
    return python


def _make(folder: Path, python: Path) -> None:
    print(
        f"Making the peer's environment in {folder} (650 MB, once; a minute or more) …",
        file=sys.stderr,
    )
    try:
        venv.create(folder, clear=True, symlinks=True)
        # Wheels alone: nothing is compiled. The lock leaves out what a voice agent does not need.
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--no-input", "install"]
        pip += ["--disable-pip-version-check", "--quiet", "--require-hashes"]
        pip += ["--no-deps", "--only-binary", ":all:", "-r", str(LOCK)]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PeerError(
            f"the peer's environment cannot be made in {folder}: {error}; "
            "a package index has to be reached"
        ) from error
