"""How the plots look, on light and on dark ground."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours; `ways` by the first letter of a way's."""

    ground: str
    ink: str
    faint: str
    ways: Mapping[str, str]
    parts: Mapping[str, str]
    ours: str
    usual: str

    def way(self, letter: str) -> str:
        """A cold prefix has its way's colour; it is told apart by hatching."""
        return self.ways[letter[0]]


LIGHT: Final = Theme(
    ground="#ffffff",
    ink="#1f2328",
    faint="#d0d7de",
    ways={"a": "#c2410c", "b": "#7a818c", "c": "#7c3aed", "d": "#0b6bcb", "e": "#0d8a78"},
    parts={"connect": "#c2410c", "upload": "#d9a400", "first": "#0b6bcb", "stream": "#7a818c"},
    ours="#0b6bcb",
    usual="#b6bcc5",
)
DARK: Final = Theme(
    ground="#0d1117",
    ink="#e6edf3",
    faint="#30363d",
    ways={"a": "#f0783c", "b": "#9aa3af", "c": "#a98bf5", "d": "#4a9df0", "e": "#2fc4ac"},
    parts={"connect": "#f0783c", "upload": "#e3b93a", "first": "#4a9df0", "stream": "#9aa3af"},
    ours="#4a9df0",
    usual="#59616c",
)

Draw = Callable[[Theme], Figure]
"""A plot, drawn anew for each ground."""


@contextmanager
def _style(theme: Theme) -> Iterator[None]:
    settings: Any = {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.edgecolor": theme.ink,
        "axes.facecolor": theme.ground,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "figure.facecolor": theme.ground,
        "grid.color": theme.faint,
        "grid.linewidth": 0.7,
        "hatch.color": theme.ground,
        "hatch.linewidth": 1.5,
        "legend.frameon": False,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "svg.hashsalt": "voice",
    }
    with mpl.rc_context(settings):
        yield


def png(draw: Draw, theme: Theme = LIGHT, dots_per_inch: int = 150) -> bytes:
    """The plot as a picture."""
    return _drawn(draw, theme, "png", dpi=dots_per_inch)


def svg(draw: Draw, theme: Theme) -> bytes:
    """The plot with its letters as outlines, the same wherever it is shown."""
    return _drawn(draw, theme, "svg", metadata={"Date": None})


def _drawn(draw: Draw, theme: Theme, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    with _style(theme):
        draw(theme).savefig(file, format=kind, **options)
    return file.getvalue()
