"""Named sets of options: what is switched off for the ablation, and the thresholds of the sweep.

Each names options by section and key. A set with an option that does not exist is left out, and
the report says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from scripts.benchmarks.listen_parts import Overrides, options_with


@dataclass(frozen=True, slots=True)
class Variant:
    """Some options changed from their defaults; `pause_seconds`: the shortest that ends a turn."""

    name: str
    overrides: Overrides = field(default_factory=dict)
    pause_seconds: float | None = None


DEFAULT = Variant("as shipped")

_WEBRTC = {"detector": "webrtc", "aggressiveness": 2, "hold_margin_db": 6.0}


def _always(seconds: float) -> Overrides:
    """The same silence ends every turn."""
    names = ("quick", "single", "endpoint", "slow", "hesitation", "longest_pause")
    return {"turns": {"judge": "", **{f"{name}_seconds": seconds for name in names}}}


_SHIPPED = options_with({}).turns


def _scaled(factor: float, **others: object) -> Overrides:
    """All pauses longer or shorter than as shipped."""
    names = ("quick_seconds", "single_seconds", "endpoint_seconds", "slow_seconds")
    scaled = {name: round(factor * getattr(_SHIPPED, name), 3) for name in names}
    return {"turns": {**scaled, **others}}


_WORDS_ALONE = {"judge": "", "single_seconds": _SHIPPED.quick_seconds}

ABLATION = (
    DEFAULT,
    Variant("a fixed pause of 0.6 s", _always(0.6)),
    Variant("words alone, no audio model", {"turns": _WORDS_ALONE}),
    Variant(
        "voice alone, words never object",
        {"turns": {"text_finished": 0.0, "text_unfinished": -1.0}},
    ),
    Variant("WebRTC's detector alone", {"gate": _WEBRTC}),
    Variant("Silero alone", {"gate": {"detector": "silero"}}),
    Variant("partials every 1 s", {"listen": {"partial_seconds": 1.0}}),
    Variant("words committed at first sight", {"listen": {"commit_passes": 1}}),
    Variant("unlikely words believed", {"listen": {"least_probability": 0.0}}),
    Variant("window of 24 s", {"listen": {"window_seconds": 24.0}}),
)

FIXED_PAUSE = tuple(
    Variant(f"fixed {seconds:g}", _always(seconds), seconds)
    for seconds in (0.25, 0.4, 0.6, 0.8, 1.0, 1.2)
)

_FACTORS = (1.0, 1.5, 2.0, 3.0)

WORDS_AND_VOICE = tuple(
    Variant(f"voice finished from {threshold:g}", {"turns": {"audio_finished": threshold}})
    for threshold in (0.8, 0.9, 0.95, 0.97, 0.98, 0.985)
)

WORDS_ALONE = tuple(
    Variant(
        f"words alone, pauses times {factor:g}",
        _scaled(factor, judge="", single_seconds=round(factor * _SHIPPED.quick_seconds, 3)),
        round(factor * _SHIPPED.quick_seconds, 2),
    )
    for factor in _FACTORS
)

CURVES = {
    "fixed pause": FIXED_PAUSE,
    "words and voice": WORDS_AND_VOICE,
    "words alone": WORDS_ALONE,
}


def usable(variants: Iterable[Variant]) -> tuple[list[Variant], dict[str, str]]:
    """Those whose options all exist, and for each of the others the first that does not."""
    there: list[Variant] = []
    missing: dict[str, str] = {}
    for variant in variants:
        try:
            options_with(variant.overrides)
        except KeyError as error:
            missing[variant.name] = str(error.args[0])
        else:
            there.append(variant)
    return there, missing
