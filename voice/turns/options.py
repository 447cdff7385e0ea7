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
    """Silence that ends it when one of the two sounds finished and the other is not known (yet), or
    when something whole is asked for and the voice leaves it open."""

    endpoint_seconds: Annotated[float, Meta(gt=0)] = 1.05
    """Silence that ends it when words and voice leave it open, or nothing is known of them."""

    slow_seconds: Annotated[float, Meta(gt=0)] = 1.3
    """Silence that ends it when words or voice sound unfinished."""

    likely_seconds: Annotated[float, Meta(gt=0)] = 0.6
    """Silence that makes an end likely whatever words and voice sound like: the answer is begun,
    and is ready when the turn ends."""

    hesitation_seconds: Annotated[float, Meta(gt=0)] = 1.6
    """Silence after which a lone "um" is given up."""

    longest_pause_seconds: Annotated[float, Meta(gt=0)] = 2.0
    """Silence that ends any turn, whatever was said."""

    text_finished: float = 0.6
    """From this on the words sound finished: they end in nothing that needs more."""

    text_asking: float = 0.9
    """From this on the words are a whole question or request: a voice that leaves it open is enough
    to answer after `single_seconds`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeInOptions:
    """What happens when the user speaks while the agent does."""

    mode: Literal["two-step", "at-once"] = "two-step"
    """`two-step`: quieter at the first sound, silent at speech, and abandoned only at words.
    `at-once`: speech stops the agent, a cough or an "mm-hm" too."""

    half_duplex: bool = False
    """Listen only while the agent is silent. Chosen without being asked where the echo of the
    agent's voice cannot be taken out."""

    duck_seconds: Annotated[float, Meta(gt=0)] = 0.4
    """A sound that has not become speech after this time makes the agent quieter no longer."""

    interruption_seconds: Annotated[float, Meta(gt=0)] = 1.2
    """Speech of this length is an interruption, even if its words are not known."""

    hold_seconds: Annotated[float, Meta(gt=0)] = 1.5
    """Silence after speech in which its words must become known; then the agent goes on."""

    reply_seconds: Annotated[float, Meta(gt=0)] = 2.0
    """A "yes" that begins so long after the last word of the agent's question began answers it,
    even if the agent has gone on speaking."""

    echo_tail_seconds: Annotated[float, Meta(ge=0)] = 0.2
    """Half-duplex: how long the agent's last word may be heard after it was spoken."""
