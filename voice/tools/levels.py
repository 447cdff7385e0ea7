"""How much louder or faster something shall be, as people say it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from voice.errors import ToolError
from voice.tools.durations import number_of

_STEPS: dict[str, Literal[-1, 1]] = {}
_STEPS |= dict.fromkeys(("louder", "faster", "quicker", "higher", "up", "more", "increase", "+"), 1)
_STEPS |= dict.fromkeys(("quieter", "slower", "softer", "lower", "down", "less", "reduce"), -1)
_STEPS |= {"decrease": -1, "-": -1}
_PERCENTS = {"normal": 100.0, "default": 100.0, "half": 50.0, "full": 100.0, "double": 200.0}
_PERCENTS |= {"maximum": 1000.0, "max": 1000.0, "minimum": 0.0, "min": 0.0, "off": 0.0}
_PERCENTS |= {"mute": 0.0}
_FILLING = frozenset(("a", "an", "bit", "little", "much", "by", "to", "at", "percent", "and", "of"))
_FILLING |= {"volume", "speed", "per", "cent", "the", "it", "turn", "set", "%"}

_WORD = re.compile(r"(?<!\S)[+-](?=\d)|\d+(?:\.\d+)?|[a-z]+|%")


@dataclass(frozen=True, slots=True)
class Level:
    """What is wanted: a share of the whole, or a step up or down."""

    step: Literal[-1, 0, 1]
    percent: float | None
    """Of the whole; with a step, of what it is now. None: an ordinary step."""

    def after(self, factor: float, step: float) -> float:
        """The factor that `factor` becomes; `step` is that of an ordinary step up."""
        if self.percent is None:
            return factor * step**self.step
        share = self.percent / 100
        return factor * (1 + self.step * share) if self.step else share


def parse_level(text: str, *, whole: float, most: float) -> Level:
    """From "louder", "50 %", "twenty percent slower", "maximum".

    A number up to `most` without "percent" is on a scale where `whole` is 100 %: on one of ten, "7"
    is 70 %. Raises `ToolError`; the message tells the model what to give.
    """
    step: Literal[-1, 0, 1] = 0
    percent: float | None = None
    words = _WORD.findall(text.lower())
    for word in words:
        if word in _STEPS:
            step = _STEPS[word]
        elif word in _PERCENTS:
            percent = _PERCENTS[word]
        elif (number := number_of(word)) is not None:
            percent = (percent or 0.0) + number
        elif word == "hundred":
            percent = (percent or 1.0) * 100
        elif word not in _FILLING:
            raise _not_understood(text)
    if percent is None and not step:
        raise _not_understood(text)
    named = bool({"percent", "%", "cent", *_PERCENTS} & {*words})
    if percent is not None and percent <= most and not (named or step):
        percent *= 100 / whole
    return Level(step, percent)


def _not_understood(text: str) -> ToolError:
    return ToolError(
        f"{text!r} is no level", 'give a step up or down, or a percentage: "50 percent"'
    )
