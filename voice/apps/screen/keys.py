"""The keys, and what they do."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """One key, in Textual's words and in a person's."""

    key: str
    action: str
    title: str
    explained: str
    shown: bool = False
    """Whether it is named below the screen, where there is little room."""

    @property
    def name(self) -> str:
        """What is printed on the keyboard, more or less."""
        named = {"escape": "esc", "ctrl+@,f8": "^space"}
        plain = self.key.upper() if self.key[1:].isdigit() else self.key.replace("ctrl+", "^")
        return named.get(self.key, plain)


KEYS = [
    Key("f1", "help", "Help", "this explanation", shown=True),
    Key("escape", "interrupt", "Stop", "the assistant falls silent", shown=True),
    Key("ctrl+t", "mute", "Mute", "the microphone is off, or on again", shown=True),
    # Where the system takes ctrl+space for itself there is F8.
    Key("ctrl+@,f8", "talk", "Talk", "talk, and again when you are done; or F8", shown=True),
    Key("ctrl+o", "settings", "Setup", "microphone, speaker, voice, model, colours", shown=True),
    Key("f2", "choose('input')", "Microphone", "choose the microphone"),
    Key("f3", "choose('output')", "Speaker", "choose the speaker"),
    Key("f4", "choose('voice')", "Voice", "choose the assistant's voice"),
    Key("f5", "choose('model')", "Model", "choose the model that answers"),
    Key("f6", "choose('theme')", "Colours", "dark or light"),
    Key("ctrl+n", "new", "New", "a new conversation: all so far is forgotten", shown=True),
    Key("ctrl+r", "repeat", "Repeat", "the last answer once more", shown=True),
    Key("ctrl+s", "save", "Save", "write the conversation to a file"),
    Key("ctrl+y", "copy", "Copy", "copy the conversation"),
    Key("ctrl+q", "quit", "Quit", "leave; ctrl+c too, where nothing is selected", shown=True),
]
"""In the order in which they are named."""
