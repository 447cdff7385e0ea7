"""How long to wait in silence before the turn is over.

Theory. There are two witnesses: the words (do they end like a sentence?) and the voice (does its
melody end like one?). Either is often wrong, since Whisper puts a full stop after anything and
speakers drop their voice before a pause; so a turn ends quickly only when both agree, and slowly
when one of them objects. What is asked of somebody is mostly said without a pause after words that
could be all of it, other than what is told; so there a voice that neither sounds finished nor
objects is no reason to wait long.

    words \\ voice   finished    between     unfinished   not known
    asking           quick       single      slow         single
    finished         quick       endpoint    slow         single
    between          endpoint    endpoint    slow         endpoint
    unfinished       slow        slow        slow         slow
    not known        single      endpoint    slow         endpoint
"""

from __future__ import annotations

from dataclasses import dataclass

from voice.listen.labels import Label
from voice.turns.options import TurnOptions


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known in a pause; None is what is not known (yet)."""

    text_finished: float | None = None
    """How finished the words sound, 0 to 1; only of words that cover the last speech."""

    audio_finished: float | None = None
    """How likely the turn is over by its sound."""

    label: Label = "words"

    long_silence: bool = False
    """Whether `likely_seconds` of it have passed."""

    stop: bool = False
    """Whether the words tell an agent that speaks to fall silent."""


def silence_seconds(evidence: Evidence, options: TurnOptions) -> float:
    """How long after the last speech the turn is over."""
    return min(_wanted(evidence, options), options.longest_pause_seconds)


def end_likely(evidence: Evidence, options: TurnOptions) -> bool:
    """Whether to begin an answer: there are words, and the silence is long or sounds like an end.

    It sounds like one where the words do and the voice, as far as it is known, does not object.
    Where one of them objects, a silence of 0.6 s was an end in 33 of 79 cases (253 utterances from
    `shared/speech`, tiny.en): enough to begin an answer, not to speak it.
    """
    text, audio = evidence.text_finished, evidence.audio_finished
    if text is None or evidence.label not in ("words", "backchannel"):
        return False
    objected = audio is not None and audio <= options.audio_unfinished
    return evidence.long_silence or (text >= options.text_finished and not objected)


def _wanted(evidence: Evidence, options: TurnOptions) -> float:
    if evidence.stop:
        return options.quick_seconds
    if evidence.label == "hesitation":
        return options.hesitation_seconds
    words = _verdict(evidence.text_finished, options.text_unfinished, options.text_finished)
    voice = _verdict(evidence.audio_finished, options.audio_unfinished, options.audio_finished)
    if "unfinished" in (words, voice):
        return options.slow_seconds
    if words == voice == "finished":
        return options.quick_seconds
    asking = (evidence.text_finished or 0.0) >= options.text_asking
    if {words, voice} == {"finished", "not known"} or (asking and voice == "between"):
        return options.single_seconds
    return options.endpoint_seconds


def _verdict(value: float | None, unfinished: float, finished: float) -> str:
    if value is None:
        return "not known"
    if value <= unfinished:
        return "unfinished"
    return "finished" if value >= finished else "between"
