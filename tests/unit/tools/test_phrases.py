from __future__ import annotations

import pytest

from voice.tools.phrases import SpokenCommand, spoken_command

SAID = {
    SpokenCommand.REPEAT: [
        "Repeat that.",
        "Repeat that, please.",
        "Can you repeat that please?",
        "Could you please repeat that for me?",
        "Um, say that again.",
        "Say it again, would you?",
        "What did you say?",
        "Sorry, what did you just say?",
        "Sorry, what?",
        "What was that?",
        "Pardon?",
        "I beg your pardon?",
        "Come again?",
        "I didn't catch that.",
        "I didn’t hear you, sorry.",
        "Please repeat what you said.",
        "Hey assistant, repeat your last answer.",
        "REPEAT THAT ONE MORE TIME",
        "I'd like you to repeat that.",
    ],
    SpokenCommand.FORGET: [
        "Forget this conversation.",
        "Okay, forget this conversation please.",
        "Please forget everything.",
        "Forget everything I said.",
        "Start over.",
        "Let's start over.",
        "Can we, um, start over?",
        "New conversation!",
        "Let's start a new conversation now.",
        "Computer, clear the conversation.",
        "Would you delete this conversation?",
    ],
    SpokenCommand.LOUDER: [
        "Louder.",
        "Louder, louder!",
        "Speak louder.",
        "A bit louder, please.",
        "Can you speak a little bit louder?",
        "Could you talk much louder please?",
        "Speak up!",
        "Turn your voice up.",
        "Please raise your voice a bit.",
        "You're too quiet.",
        "I can't hear you.",
        "I can hardly hear you.",
    ],
    SpokenCommand.QUIETER: [
        "Quieter.",
        "Be a little quieter, please.",
        "Turn your voice down.",
        "Turn down your voice a bit.",
        "Not so loud!",
        "Lower your voice, please.",
        "Speak more softly.",
        "You are too loud.",
    ],
    SpokenCommand.SLOWER: [
        "Talk slower.",
        "Slow down, please.",
        "Could you speak more slowly?",
        "Can you speak a bit slower?",
        "Not so fast.",
        "You're talking way too fast.",
        "Um, slower please.",
    ],
    SpokenCommand.FASTER: [
        "Faster.",
        "Speak faster, please.",
        "Can you talk a little faster?",
        "Speed up.",
        "You're too slow.",
        "Talk more quickly.",
    ],
}

FOR_THE_MODEL = [
    "",
    "...",
    "Repeat that number to my wife.",
    "Repeat after me.",
    "Say that again in French.",
    "Repeat the alarm every day.",
    "What did you say about the weather?",
    "What did you say the capital of France was?",
    "What was that song called?",
    "What is that?",
    "What?!",
    "So what?",
    "Now what?",
    "Pardon my French.",
    "I didn't catch the bus.",
    "Start over from chapter two.",
    "Start the timer over.",
    "Start again.",
    "Forget it.",
    "Forget that.",
    "Forget about the milk.",
    "Forget everything I said about the party.",
    "Don't forget everything.",
    "Don't forget this conversation.",
    "Never forget everything.",
    "Did you forget everything?",
    "Delete the conversation with my boss from my phone.",
    "Turn the music down.",
    "Turn it down.",
    "Turn the volume up.",
    "Turn down the heating.",
    "A bit louder than a whisper, how loud is that?",
    "Which is louder, a trumpet or a drum?",
    "Make the radio louder.",
    "Louder and slower.",
    "I can't hear you over the traffic, so text me the address.",
    "I can't hear the radio.",
    "Slow down the fan.",
    "Slow down means what in German?",
    "Do hares run faster?",
    "How can I run faster?",
    "Speed up the video.",
    "Don't speak louder.",
    "Speak German.",
    "Speak more.",
    "Be quiet.",
    "Stop.",
    "Is it done?",
    "Not so fast food, please.",
    "You",
    "Please.",
]


@pytest.mark.parametrize(
    ("text", "command"), [(text, command) for command, texts in SAID.items() for text in texts]
)
def test_commands_are_known_however_they_are_put(text: str, command: SpokenCommand) -> None:
    assert spoken_command(text) is command


@pytest.mark.parametrize("text", FOR_THE_MODEL)
def test_whatever_says_more_is_for_the_model(text: str) -> None:
    assert spoken_command(text) is None


def test_other_languages_have_no_phrases() -> None:
    assert spoken_command("Repeat that.", "en-US") is SpokenCommand.REPEAT
    assert spoken_command("Repeat that.", "de") is None
