"""What can be chosen about turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOptions:
    """When a turn ends. Silence counts from the last speech; thresholds measured on recordings."""

    mode: Literal["open", "push-to-talk"] = "open"
    """Who ends a turn: a pause, or the user by letting go of a key."""

    judge: str = "smart-turn-v3"
    """The model that hears from the voice whether the turn is over, a name or an ONNX file; ""
    leaves it to the words."""

    quick_seconds: Annotated[float, Meta(gt=0)] = 0.25
    """Silence that ends the turn when both words and voice sound finished."""

    single_seconds: Annotated[float, Meta(gt=0)] = 0.5
    """Silence that ends it when one of the two sounds finished and the other is not known (yet)."""

    endpoint_seconds: Annotated[float, Meta(gt=0)] = 1.05
    """Silence that ends it when words and voice leave it open, or nothing is known of them."""

    slow_seconds: Annotated[float, Meta(gt=0)] = 1.3
    """Silence that ends it when words or voice sound unfinished."""

    hesitation_seconds: Annotated[float, Meta(gt=0)] = 1.6
    """Silence after which a lone "um" is given up."""

    longest_pause_seconds: Annotated[float, Meta(gt=0)] = 2.0
    """Silence that ends any turn, whatever was said."""

    text_finished: float = 0.6
    """From this on the words sound finished: they end in nothing that needs more."""

    text_unfinished: float = 0.4
    """Down from this the words sound unfinished: "and then", "my number is", "milk, eggs"."""

    audio_finished: float = 0.97
    """From this probability on the voice sounds finished. Higher cuts off less and waits more."""

    audio_unfinished: float = 0.5
    """Down from this probability the voice sounds unfinished."""

    longest_utterance_seconds: Annotated[float, Meta(gt=0)] = 60.0
    """An utterance is ended after this time, whatever goes on."""

    transcription_limit_seconds: Annotated[float, Meta(gt=0)] = 20.0
    """An utterance whose words have not arrived this long after its end is given up."""
