"""The untimed work, spread over processes: each has its own models and remembers what it heard."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from scripts.benchmarks.listen_clips import Clip
from scripts.benchmarks.listen_conversation import Heard, hear_quickly
from scripts.benchmarks.listen_decoding import Decoded, WholeClip, decode
from scripts.benchmarks.listen_parts import (
    Loader,
    Overrides,
    options_with,
)

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


@cache
def _whole_clip(model: str, threads: int) -> WholeClip:
    return WholeClip(model, threads)


@cache
def _loader(*, remembering: bool) -> Loader:
    return Loader(remembering=remembering)


def decode_clip(task: tuple[Clip, Overrides, bool]) -> Decoded:
    """A clip by the transcriber with these options, and by the reference method if asked."""
    clip, overrides, compared = task
    options = options_with(overrides)
    whole = _whole_clip(options.listen.model, options.listen.threads) if compared else None
    transcriber = _loader(remembering=False).transcriber(options)
    return decode(clip, whole, transcriber, options.listen)


def converse(task: tuple[Path, dict[str, Overrides]]) -> dict[str, Heard]:
    """A clip through a session in virtual time, once for each set of options."""
    path, variants = task
    loader = _loader(remembering=True)
    return {
        name: hear_quickly(path, options_with(overrides), loader)
        for name, overrides in variants.items()
    }


class Workers:
    """Maps a function over tasks, here or in other processes, and tells how far it is."""

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool

    def map(
        self, function: Callable[[_Task], _Result], tasks: Sequence[_Task], label: str
    ) -> list[_Result]:
        """The results in the order of the tasks."""
        results: dict[int, _Result] = {}
        progress = Progress(label, len(tasks))
        if self._pool is None:
            for number, task in enumerate(tasks):
                with _noted(task):
                    results[number] = function(task)
                progress.advance()
        else:
            futures = {
                self._pool.submit(function, task): number for number, task in enumerate(tasks)
            }
            for future in as_completed(futures):
                with _noted(tasks[futures[future]]):
                    results[futures[future]] = future.result()
                progress.advance()
        return [results[number] for number in range(len(tasks))]


@contextmanager
def workers(jobs: int) -> Iterator[Workers]:
    """So many processes; one is this process itself."""
    if jobs <= 1:
        yield Workers(None)
        return
    # Spawned, not forked: CTranslate2 and onnxruntime have threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield Workers(pool)


@contextmanager
def _noted(task: object) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"while working on {task!s:.300}")
        raise


class Progress:
    """Lines on stderr: at the beginning, every ten seconds, and at the end."""

    def __init__(self, label: str, count: int) -> None:
        self._label, self._count, self._done = label, count, 0
        self._began = self._told = time.monotonic()
        print(f"{label}: {count}", file=sys.stderr, flush=True)

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._told > 10 or self._done == self._count:
            self._told = now
            seconds = round(now - self._began)
            print(f"  {self._done}/{self._count} after {seconds} s", file=sys.stderr, flush=True)
