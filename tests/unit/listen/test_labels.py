from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.listen.labels import is_stop, label, may_become_backchannel


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Mm-hm.", "backchannel"),
        ("Yeah, yeah.", "backchannel"),
        ("Uh-huh.", "backchannel"),
        ("Oh, I see.", "backchannel"),
        ("Um, yeah.", "backchannel"),
        ("Right, okay.", "backchannel"),
        ("Hm-hm.", "backchannel"),
        ("Mmm-hmmm.", "backchannel"),
        ("Okay, go on.", "backchannel"),
        ("Don’t stop.", "backchannel"),
        ("Don’t stop now.", "words"),
        ("Um...", "hesitation"),
        ("Mmmm.", "hesitation"),
        ("Uh, um.", "hesitation"),
        ("[Music]", "non-speech"),
        ("Ha ha ha!", "non-speech"),
        ("Ha ha, right.", "backchannel"),
        ("(laughs)", "non-speech"),
        ("*coughs*", "non-speech"),
        ("♪ la la ♪", "non-speech"),
        ("[BLANK_AUDIO", "non-speech"),
        ("...", "non-speech"),
        ("", "non-speech"),
        ("(laughs) Turn it off.", "words"),
        ("Yeah, turn it off.", "words"),
        ("Right turn.", "words"),
        ("No.", "words"),
        ("Um, the lights.", "words"),
        ("Stop.", "words"),
    ],
)
def test_labels(text: str, kind: str) -> None:
    assert label(text) == kind


@pytest.mark.parametrize("text", ["go", "Okay, I", "all ri", "Don't", "su", "Um, of"])
def test_beginnings_of_backchannels(text: str) -> None:
    assert may_become_backchannel(text)


@pytest.mark.parametrize(
    "text", ["", "Okay.", "go now", "I want", "Don't do", "stop", "yes yes yes yes go"]
)
def test_what_begins_no_backchannel_or_is_one(text: str) -> None:
    assert not may_become_backchannel(text)


@pytest.mark.parametrize(
    "text",
    ["Stop.", "Stop, stop!", "Wait.", "Okay, hold on.", "Please be quiet.", "That’s enough."],
)
def test_what_stops(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize(
    "text", ["Stop the music.", "Wait for me.", "Bus stop", "", "No.", "Okay."]
)
def test_what_does_not(text: str) -> None:
    assert not is_stop(text)


@given(st.text(max_size=40))
def test_a_stop_is_made_of_words(text: str) -> None:
    assert not is_stop(text) or label(text) == "words"
