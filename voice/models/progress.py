"""Progress of a fetch on stderr: bars in a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import rich.progress
from rich.console import Console

from voice.models.fetch import Progress, megabytes

PLAIN_STEP_PERCENT = 10
PLAIN_INTERVAL_SECONDS = 5.0


class Bars:
    """One bar a model."""

    def __init__(self, bars: rich.progress.Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, rich.progress.TaskID] = {}
        self._lock = threading.Lock()

    def advanced(self, model: str, done: int, total: int) -> None:
        """Move the model's bar."""
        with self._lock:
            if model not in self._tasks:
                self._tasks[model] = self._bars.add_task(model, total=total)
        self._bars.update(self._tasks[model], completed=done)

    def noted(self, text: str) -> None:
        """A line above the bars."""
        self._bars.console.print(text, highlight=False, markup=False)


class Lines:
    """A line at each tenth of a model, and every few seconds on a slow connection."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def advanced(self, model: str, done: int, total: int) -> None:
        """Print a line if there is news."""
        percent, now = 100 * done // total, time.monotonic()
        with self._lock:
            last, at = self._shown.get(model, (-PLAIN_STEP_PERCENT, now))
            slow = percent > last and now - at >= PLAIN_INTERVAL_SECONDS
            whole = percent == 100 != last
            if percent - last < PLAIN_STEP_PERCENT and not slow and not whole:
                return
            self._shown[model] = (percent, now)
            self._print(f"{model}: {percent} % of {megabytes(total)}")

    def noted(self, text: str) -> None:
        """Print the line."""
        with self._lock:
            self._print(text)

    def _print(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


@contextmanager
def on_stderr() -> Iterator[Progress]:
    """Progress that suits what stderr is."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=Console(stderr=True)) as bars:
        yield Bars(bars)
