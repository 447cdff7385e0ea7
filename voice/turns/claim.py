"""How strongly an utterance claims the floor from an agent that thinks or speaks.

Theory. A sound may be anything, speech is somebody's, and words are meant for somebody. The claim
grows with what is known, and so does what it costs to give way: quieter costs nothing, silence a
moment, and only what is abandoned is lost. So the agent gives way early and abandons late.

    what is known of it                                          claim     for at most
    it makes a sound                                             sound     `duck_seconds`
    and is certainly speech                                      speech    `interruption_seconds`
      and has words that are no backchannel, hesitation, noise   words
      or has lasted long, and nobody knows what is said          words
    it paused, was speech, and its words are not known           speech    `hold_seconds`
      or was too short to be certain                             none
      or could not be found out                                  none
      its words are known: a backchannel, a hesitation, none     none
      its words are known, and they are others                   words
    it tells the agent to stop, or a key was pressed for it      words

What runs out of time claims nothing, but for speech that goes on: that claims all. A backchannel
that answers the agent's question counts as words. Words that may yet become a backchannel ("go",
"all ri-") are awaited.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from math import inf

from voice.turns.options import BargeInOptions
from voice.turns.utterance import Utterance

EARLY_SECONDS = 0.3
"""An answer may begin so long before the question's last word. Chosen, not measured: who begins
earlier has the agent held before that word, and hears the question again."""


class Strength(enum.IntEnum):
    """Of a claim, from none to one that the agent must yield the floor to."""

    NONE = enum.auto()
    SOUND = enum.auto()
    SPEECH = enum.auto()
    WORDS = enum.auto()


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and why it is made; at `until` it may be another one, though nothing happens."""

    strength: Strength
    reason: str
    until: float = inf


def claim_of(
    utterance: Utterance, question_at: float, options: BargeInOptions, now: float
) -> Claim:
    """What `utterance` claims now; the last word of the agent's latest question began then."""
    if utterance.pressed and utterance.ended_at is None:
        return Claim(Strength.WORDS, "key")
    if utterance.tells_to_stop:
        return Claim(Strength.WORDS, "stop word")
    if options.mode == "at-once":
        certain = utterance.was_confirmed and utterance.ended_at is None
        return Claim(Strength.WORDS if certain else Strength.NONE, "speech")
    means = means_something(utterance, question_at, options)
    if utterance.paused:
        return _paused(utterance, means, options, now)
    return _speaking(utterance, means, options, now)


def means_something(utterance: Utterance, question_at: float, options: BargeInOptions) -> bool:
    """Whether its words are for the agent, and not a sign that somebody listens or hesitates."""
    if utterance.label != "backchannel" or not utterance.over_agent:
        return utterance.label in ("words", "backchannel")
    return -EARLY_SECONDS <= utterance.stretch_at - question_at <= options.reply_seconds


def _speaking(utterance: Utterance, means: bool, options: BargeInOptions, now: float) -> Claim:
    if utterance.confirmed and means and not utterance.may_become_backchannel:
        return Claim(Strength.WORDS, "words")
    long_at = utterance.undecided_since + options.interruption_seconds
    if now >= long_at:
        return Claim(Strength.WORDS, "long speech")
    if utterance.confirmed:
        return Claim(Strength.SPEECH, "speech", long_at)
    nothing_at = utterance.noticed_at + options.duck_seconds
    if now < nothing_at:
        return Claim(Strength.SOUND, "sound", min(nothing_at, long_at))
    return Claim(Strength.NONE, "no speech", long_at)


def _paused(utterance: Utterance, means: bool, options: BargeInOptions, now: float) -> Claim:
    if utterance.transcribed:
        if means:
            return Claim(Strength.WORDS, "words")
        return Claim(Strength.NONE, utterance.label if utterance.text else "no words")
    if not utterance.confirmed:
        return Claim(Strength.NONE, "short sound")
    if utterance.lost:
        return Claim(Strength.NONE, "words are lost")
    late_at = utterance.last_speech_at + options.hold_seconds
    if now < late_at:
        return Claim(Strength.SPEECH, "speech", late_at)
    return Claim(Strength.NONE, "words are late")
