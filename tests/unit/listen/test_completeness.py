"""Sentences that are over, and sentences that go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.listen.completeness import UNKNOWN, finished
from voice.turns.options import TurnOptions

OPTIONS = TurnOptions()

FINISHED = [
    "Turn on the lights.",
    "What time is it?",
    "Set a timer for five minutes.",
    "Set a timer for 30 seconds.",
    "Stop.",
    "Never mind.",
    "Lock the front door.",
    "Open all of the windows",
    "What's the weather like in New York?",
    "Is the garage door open?",
    "Turn it off.",
    "Turn the lights on.",
    "Yes.",
    "No, thank you.",
    "I think so.",
    "Yes, I am.",
    "Tell me what it is.",
    "Who are you talking to?",
    "What are you looking at?",
    "My number is 555-123-4567.",
    "Skip on TV.",
    "Thank you.",
    "How old is the Brooklyn Bridge?",
    "Book a room.",
    "Milk, eggs, and bread.",
    "Play some music.",
    "Remind me to call mum at seven.",
    "Call my brother.",
    "That's all.",
    "I don't know.",
    "What is that?",
    "Set the volume to 30.",
    "My pin is 1234.",
    "Give me a medium mocha.",
    "Go forward 10 meters.",
    "Good morning.",
    "Where are they?",
    "Okay.",
    "How are you?",
    "Cancel all timers",
]

ASKING = [
    "What time is it?",
    "Turn on the lights.",
    "Turn on the lights",
    "Please open all of the windows.",
    "Computer, play some music.",
    "Okay, I'd like a small latte.",
    "I want a small latte with soy milk.",
    "It is cold. Can you close the window.",
    "¿Qué hora es?",
]

TELLING = [
    "My name is Tom.",
    "The lights are on.",
    "I was in the garden.",
    "Turn on the lights. It is dark.",
    "Playing is fun.",
    "Yes.",
]

UNFINISHED = [
    "and then...",
    "And then",
    "My number is",
    "My name is",
    "I want to",
    "I'd like",
    "I'd like a",
    "Turn on the",
    "Turn on the.",
    "Set a timer for",
    "Set a timer for five",
    "Could you",
    "Can you please",
    "What is the",
    "What's the weather in",
    "milk, eggs,",
    "Buy milk, eggs, bread",
    "um",
    "Um.",
    "Uh, I want uh",
    "My number is 555",
    "My number is 555 12",
    "five five five",
    "because",
    "I think that",
    "Tell me about",
    "Tell me about the",
    "Give me a",
    "Give me a large",
    "So",
    "Well,",
    "Let me see",
    "I was going to",
    "How do I",
    "If I",
    "when the",
    "Remind me to",
    "Remind me",
    "It's -",
    "I need a",
    "Can I have a dark...",
    "I want my",
    "She said that I",
    "the man with",
    "Turn",
    "How about",
    "What about",
    "Is there a",
    "We should",
    "and I",
]


@pytest.mark.parametrize("text", ASKING)
def test_what_is_asked_for_is_told_from_what_is_told(text: str) -> None:
    assert finished(text) >= OPTIONS.text_asking


@pytest.mark.parametrize("text", TELLING)
def test_what_is_told_is_not_asked(text: str) -> None:
    assert OPTIONS.text_finished <= finished(text) < OPTIONS.text_asking


@pytest.mark.parametrize("text", FINISHED)
def test_finished(text: str) -> None:
    assert finished(text) >= OPTIONS.text_finished


@pytest.mark.parametrize("text", UNFINISHED)
def test_unfinished(text: str) -> None:
    assert finished(text) <= OPTIONS.text_unfinished


@pytest.mark.parametrize("text", ["Turn on the lights.", "What time is it?", "Call my brother."])
def test_each_beginning_that_ends_in_a_function_word_is_unfinished(text: str) -> None:
    words = text.rstrip(".?").split()
    for count in range(1, len(words)):
        if words[count - 1] in ("the", "my", "is"):
            assert finished(" ".join(words[:count]) + ".") <= OPTIONS.text_unfinished


def test_only_the_last_sentence_counts() -> None:
    assert finished("Turn it off. And the") < finished("And the door? Turn it off.")


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("Wie spät ist es?", 0.9, 1), ("Mach das Licht an und", 0.5, 0.7), ("Milch, Eier,", 0, 0.2)],
)
def test_other_languages_have_their_punctuation(text: str, least: float, most: float) -> None:
    assert least <= finished(text, "de") <= most


def test_an_english_word_means_nothing_in_another_language() -> None:
    assert finished("Was will er an.", "de") > OPTIONS.text_finished


def test_no_words_tell_nothing() -> None:
    assert finished("") == UNKNOWN
    assert finished("[Music]") == UNKNOWN


@given(st.text(max_size=60), st.sampled_from(["en", "de", "auto"]))
def test_any_text_gives_a_share(text: str, language: str) -> None:
    assert 0.0 <= finished(text, language) <= 1.0
