"""Commands about the conversation itself."""

from __future__ import annotations

import pytest

from voice.speak.settings import VoiceSettings
from voice.spoken_commands import FORGOTTEN, NOTHING_SAID, Obeyed, SpokenCommands
from voice.tools.volume import LOUDEST


@pytest.fixture
def voice() -> VoiceSettings:
    return VoiceSettings()


@pytest.fixture
def commands(voice: VoiceSettings) -> SpokenCommands:
    return SpokenCommands(voice, "en")


def test_all_else_is_left_to_the_model(commands: SpokenCommands) -> None:
    assert commands.obey("Turn the music louder.", "Hello.") is None
    assert not commands.understands("Turn the music louder.")


def test_the_answer_before_is_repeated(commands: SpokenCommands) -> None:
    assert commands.obey("Say that again?", "Hello.") == Obeyed("Hello.")
    assert commands.obey("Say that again?", "") == Obeyed(NOTHING_SAID)


def test_the_conversation_is_forgotten(commands: SpokenCommands) -> None:
    assert commands.obey("Forget this conversation.", "Hello.") == Obeyed(FORGOTTEN, forgets=True)


@pytest.mark.parametrize(
    ("text", "louder", "faster"),
    [("louder", 1, 0), ("quieter please", -1, 0), ("talk faster", 0, 1), ("slow down", 0, -1)],
)
def test_the_voice_changes_by_a_step(
    commands: SpokenCommands, voice: VoiceSettings, text: str, louder: int, faster: int
) -> None:
    assert commands.obey(text, "") is not None
    assert (voice.volume > 1) - (voice.volume < 1) == louder
    assert (voice.speed > 1) - (voice.speed < 1) == faster


def test_it_says_where_there_is_no_further_step(
    commands: SpokenCommands, voice: VoiceSettings
) -> None:
    voice.volume = LOUDEST
    assert commands.obey("louder", "") == Obeyed("I cannot speak any louder.")
