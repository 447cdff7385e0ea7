"""What an utterance claims, by what is known of it; the agent speaks, and now it is 10.0 s."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.turns.claim import EARLY_SECONDS, Claim, Strength, claim_of
from voice.turns.options import BargeInOptions
from voice.turns.utterance import Utterance

OPTIONS = BargeInOptions()
NOW = 10.0
NEVER = -inf


def _utterance(since: float, text: str | None = None, **known: Any) -> Utterance:
    """Speech that began `since` seconds ago, and whose words so far are known since 9.9 s."""
    at = NOW - since
    utterance = Utterance(1, at, at, at + 0.1, at, at, over_agent=True)
    if known.pop("confirmed", False):
        utterance.confirm()
    if (paused := known.pop("paused", None)) is not None:
        utterance.pause(NOW - paused, 100)
    if text is not None:
        utterance.take_words(text, known.pop("end", 200), "en", 9.9)
    assert not known
    return utterance


@pytest.mark.parametrize(
    ("utterance", "claim"),
    [
        (_utterance(0.2), Claim(Strength.SOUND, "sound", 9.9 + OPTIONS.duck_seconds)),
        (_utterance(0.5), Claim(Strength.NONE, "no speech", 9.5 + OPTIONS.interruption_seconds)),
        (
            _utterance(0.5, confirmed=True),
            Claim(Strength.SPEECH, "speech", 9.5 + OPTIONS.interruption_seconds),
        ),
        (_utterance(1.3, confirmed=True), Claim(Strength.WORDS, "long speech")),
        (_utterance(0.5, "No, a", confirmed=True), Claim(Strength.WORDS, "words")),
        (_utterance(0.2, "Thank you"), Claim(Strength.SOUND, "sound", 9.9 + 0.4)),
        (_utterance(0.2, "Stop"), Claim(Strength.WORDS, "stop word")),
        (
            _utterance(3.0, "Yeah, yeah", confirmed=True),
            Claim(Strength.SPEECH, "speech", 9.9 + OPTIONS.interruption_seconds),
        ),
        (
            _utterance(3.0, "All ri", confirmed=True),
            Claim(Strength.SPEECH, "speech", 9.9 + OPTIONS.interruption_seconds),
        ),
        (_utterance(3.0, "", confirmed=True), Claim(Strength.WORDS, "long speech")),
        (_utterance(0.6, paused=0.3), Claim(Strength.NONE, "short sound")),
        (
            _utterance(0.9, paused=0.3, confirmed=True),
            Claim(Strength.SPEECH, "speech", 9.7 + OPTIONS.hold_seconds),
        ),
        (_utterance(3.0, paused=1.6, confirmed=True), Claim(Strength.NONE, "words are late")),
        (_utterance(0.9, "Mm-hm.", paused=0.3), Claim(Strength.NONE, "backchannel")),
        (_utterance(0.9, "Ummm.", paused=0.3), Claim(Strength.NONE, "hesitation")),
        (_utterance(0.9, "Ha ha!", paused=0.3), Claim(Strength.NONE, "non-speech")),
        (_utterance(0.9, "", paused=0.3), Claim(Strength.NONE, "no words")),
        (_utterance(0.9, "All ri", paused=0.3), Claim(Strength.WORDS, "words")),
        (_utterance(0.9, "No.", paused=0.3), Claim(Strength.WORDS, "words")),
        (
            _utterance(0.9, "Mm-hm.", paused=0.3, confirmed=True, end=50),
            Claim(Strength.SPEECH, "speech", 9.7 + OPTIONS.hold_seconds),
        ),
    ],
)
def test_what_is_claimed(utterance: Utterance, claim: Claim) -> None:
    found = claim_of(utterance, NEVER, OPTIONS, NOW)
    assert (found.strength, found.reason) == (claim.strength, claim.reason)
    assert found.until == pytest.approx(claim.until)


@pytest.mark.parametrize(
    ("question_at", "answers"),
    [
        (9.0 + EARLY_SECONDS + 0.01, False),
        (9.0 + EARLY_SECONDS - 0.01, True),
        (9.0 - OPTIONS.reply_seconds + 0.01, True),
        (9.0 - OPTIONS.reply_seconds - 0.01, False),
        (NEVER, False),
    ],
)
@pytest.mark.parametrize("paused", [None, 0.2])
def test_yes_is_an_answer_near_a_question(
    question_at: float, answers: bool, paused: float | None
) -> None:
    utterance = _utterance(1.0, "Yes.", confirmed=True, paused=paused)
    claim = claim_of(utterance, question_at, OPTIONS, NOW)
    assert (claim.strength is Strength.WORDS) is answers


def test_a_key_claims_all_while_it_is_held() -> None:
    utterance = _utterance(0.0, confirmed=True)
    utterance.pressed = True
    assert claim_of(utterance, NEVER, OPTIONS, NOW) == Claim(Strength.WORDS, "key")
    utterance.pause(NOW, 100)
    utterance.ended_at = NOW
    assert claim_of(utterance, NEVER, OPTIONS, NOW).strength is Strength.SPEECH


def test_speech_whose_words_are_not_known_stays_speech_after_a_pause() -> None:
    utterance = _utterance(0.9, paused=0.3, confirmed=True)
    utterance.resume(9.9, NOW, over_agent=True)
    assert claim_of(utterance, NEVER, OPTIONS, NOW).strength is Strength.SPEECH


def test_after_a_backchannel_what_comes_next_is_a_sound_again() -> None:
    utterance = _utterance(0.9, "Mm-hm.", paused=0.3, confirmed=True)
    utterance.resume(9.9, NOW, over_agent=True)
    assert claim_of(utterance, NEVER, OPTIONS, NOW).strength is Strength.SOUND


@given(
    since=st.floats(0.1, 3.0),
    confirmed=st.booleans(),
    text=st.none() | st.sampled_from(["", "Mm-hm.", "go", "No."]),
    paused=st.none() | st.floats(0.0, 3.0),
    mode=st.sampled_from(["two-step", "at-once"]),
)
def test_what_may_change_changes_later(
    since: float, confirmed: bool, text: str | None, paused: float | None, mode: Any
) -> None:
    """And what lasts for ever is no or all of the floor."""
    utterance = _utterance(since, text, confirmed=confirmed, paused=paused)
    claim = claim_of(utterance, NEVER, BargeInOptions(mode=mode), NOW)
    assert claim.until > NOW
    assert claim.until < inf or claim.strength in (Strength.NONE, Strength.WORDS)
