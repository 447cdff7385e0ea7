"""`voice models list|fetch|verify`: results on stdout, progress on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table

from voice.errors import ModelError
from voice.models import manifest
from voice.models.cache import default_cache
from voice.models.resolve import State, default_names, states


def list_models(out: TextIO | None = None) -> None:
    """Print each model, whether it is there, and where. Raises `ModelError`."""
    defaults = default_names()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("model", "kind", "size", "licence", "state", "what it is"):
        table.add_column(title, no_wrap=title != "what it is")
    for state in states():
        model = state.model
        name = f"{model.name} *" if model.name in defaults else model.name
        size = f"{model.size / 1e6:,.0f} MB"
        table.add_row(name, model.kind, size, model.licence, state.status, model.description)
    stream = out or sys.stdout
    width = None if stream.isatty() else 140
    console = Console(file=stream, width=width, highlight=False)
    console.print(table)
    console.print(f"* fetched when none is named; all lie in {default_cache().root}", markup=False)


def fetch_models(names: Sequence[str] = ()) -> None:
    """Bring the models (the defaults of this machine if none is named) and say where they lie.

    Raises `ModelError` naming what could not be brought, `UsageError` for an unknown name.
    """
    chosen = list(names) or default_names()
    if any(state.status != "ready" for state in states(chosen)):
        # Imported here: with nothing to do, a start must not wait for the HTTP client.
        from voice.models.fetch import fetch  # noqa: PLC0415
        from voice.models.progress import on_stderr  # noqa: PLC0415

        with on_stderr() as progress:
            fetch(chosen, progress)
    for state in states(chosen):
        _say(state)


def verify_models(names: Sequence[str] = ()) -> None:
    """Read each file of the models (all that are there if none is named) and check its SHA-256.

    A wrong file is deleted. Raises `ModelError` naming every file that is wrong or missing.
    """
    cache, known = default_cache(), manifest.load()
    here = [state.model for state in states() if state.status != "missing"]
    chosen = [manifest.find(known, name) for name in names] or here
    failures = []
    for model in chosen:
        for file in model.files:
            try:
                cache.verify(model, file, again=True)
            except ModelError as error:
                deleted = cache.path(model, file).exists()
                if deleted:
                    cache.discard(model, file)
                failures.append(f"{error.problem}{'; deleted' if deleted else ''}")
        for state in states([model.name]):
            _say(state)
    if failures:
        wrong = [s.model.name for s in states(m.name for m in chosen) if s.status != "ready"]
        raise ModelError("; ".join(failures), f"voice models fetch {' '.join(wrong)}")
    if not chosen:
        raise ModelError("no model is there", "voice models fetch")


def _say(state: State) -> None:
    print(f"{state.model.name}: {state.status}, {state.folder}", flush=True)  # noqa: T201
