"""How much is measured: enough to see in a minute, enough to quote, or just whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from scripts.benchmarks.figures import ROOT
from scripts.demo.chains import COLD_WAYS, WAYS, Way
from scripts.demo.spoken import VARIANTS
from scripts.demo.workload import SMALL, TINY, Workload
from voice.errors import UsageError

PARTS: Final = ("transport", "model", "rate", "voice")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one run."""

    steps: int
    """Tool calls in a chain of the transport part."""
    rounds: int
    side_by_side: bool
    """Whether chains over links that delay may be held at the same time."""
    rtts_ms: Sequence[float]
    """Of the links, where none are asked for."""
    model_workload: Workload
    model_ways: Sequence[Way]
    model_rounds: int
    rate_rounds: int
    variants: Sequence[str]
    """Of the voice part."""
    questions: Sequence[str]
    voice_backend: Literal["script", "llama"]
    voice_rounds: int
    stage_rounds: int


_BY_LETTER: Final = {way.letter: way for way in (*WAYS, *COLD_WAYS)}
_QUESTIONS: Final = (
    "what_time_is_it.flac",
    "how_old_is_the_brooklyn_bridge.flac",
    "turn_on_the_living_room_lamp.flac",
)

MINUTE: Final = Sizes(
    steps=24,
    rounds=1,
    side_by_side=True,
    rtts_ms=(0, 20, 60),
    model_workload=TINY,
    model_ways=[_BY_LETTER[letter] for letter in ("b cold", "b", "d", "e")],
    model_rounds=1,
    rate_rounds=1,
    variants=("all on", "all off"),
    questions=_QUESTIONS[:1],
    voice_backend="script",
    voice_rounds=1,
    stage_rounds=2,
)
"""A model reads some 130 tokens a second on two cores: more of it does not fit into a minute."""

FULL: Final = Sizes(
    steps=24,
    rounds=3,
    side_by_side=False,
    rtts_ms=(0, 20, 60, 120),
    model_workload=SMALL,
    model_ways=[*COLD_WAYS, *WAYS],
    model_rounds=3,
    rate_rounds=5,
    variants=tuple(VARIANTS),
    questions=_QUESTIONS,
    voice_backend="llama",
    voice_rounds=1,
    stage_rounds=10,
)
"""For figures that are quoted; most of its half hour is the model reading cold prefixes."""

QUICK: Final = Sizes(
    steps=2,
    rounds=1,
    side_by_side=True,
    rtts_ms=(0, 60),
    model_workload=replace(TINY, steps=1),
    model_ways=[_BY_LETTER["b"], _BY_LETTER["d"]],
    model_rounds=1,
    rate_rounds=1,
    variants=("all on",),
    questions=_QUESTIONS[:1],
    voice_backend="script",
    voice_rounds=1,
    stage_rounds=1,
)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    parts: Sequence[str]
    sizes: Sizes
    rtts_ms: Sequence[float]
    tls: bool
    speech: Path
    url: str = ""
    key: str = ""
    model: str = ""


def default_speech() -> Path:
    """The recordings that the repository holds."""
    return ROOT / "tests" / "data" / "speech"


def read_parts(text: str | None, url: str) -> list[str]:
    """The parts, all by default; somebody's server is only asked by one. Raises `UsageError`."""
    if text is None:
        return ["transport"] if url else list(PARTS)
    chosen = [name.strip() for name in text.split(",")]
    for name in chosen:
        if name not in PARTS:
            raise UsageError(f"there is no part {name!r}", f"the parts are {', '.join(PARTS)}")
    return chosen


def read_rtts(text: str) -> list[float]:
    """Milliseconds with commas between. Raises `UsageError`."""
    cure = "give --rtt milliseconds such as 0,20,60,120"
    try:
        rtts = sorted({float(part) for part in text.split(",")})
    except ValueError:
        raise UsageError(f"--rtt {text} is no list of numbers", cure) from None
    if rtts[0] < 0 or not rtts[-1] <= 2000:
        raise UsageError(f"--rtt {text} is not between 0 and 2000 ms", cure)
    return rtts
