"""What is said to the assistant about the conversation itself is done at once, without a model."""

from __future__ import annotations

from dataclasses import dataclass

from voice.tools.phrases import SpokenCommand, spoken_command
from voice.tools.volume import VoiceControls, new_speed, new_volume

NOTHING_SAID = "I have not said anything yet."
FORGOTTEN = "All right. I have forgotten it."


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What is said to a command that was understood."""

    reply: str
    forgets: bool = False
    """Whether nothing that was said before may be remembered."""


class SpokenCommands:
    """Understands commands and changes the voice; all else is left to the caller."""

    def __init__(self, voice: VoiceControls, language: str) -> None:
        """`language` is that of the user's words (ISO 639-1)."""
        self._voice = voice
        self._language = language

    def understands(self, text: str) -> bool:
        """Whether it is a command."""
        return spoken_command(text, self._language) is not None

    def obey(self, text: str, last_said: str) -> Obeyed | None:
        """Do what the user said, if it is a command; `last_said` is the answer before."""
        match spoken_command(text, self._language):
            case None:
                return None
            case SpokenCommand.REPEAT:
                return Obeyed(last_said or NOTHING_SAID)
            case SpokenCommand.FORGET:
                return Obeyed(FORGOTTEN, forgets=True)
            case SpokenCommand.LOUDER | SpokenCommand.QUIETER as command:
                before = self._voice.volume
                after = self._voice.volume = new_volume(command.value, before)
            case SpokenCommand.SLOWER | SpokenCommand.FASTER as command:
                before = self._voice.speed
                after = self._voice.speed = new_speed(command.value, before)
        if after == before:
            return Obeyed(f"I cannot speak any {command.value}.")
        return Obeyed(f"{command.value.capitalize()}, like this.")
