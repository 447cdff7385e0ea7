"""What a screen can do to the conversation; the conversation itself it knows from the trace."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

Subject = Literal["input", "output", "voice", "model"]
"""What can be chosen: microphone, speaker, the assistant's voice, the model that answers."""

Setting = Subject | Literal["theme"]
"""What is kept of a person's choices: those, and how the screen looks."""


class Levels(NamedTuple):
    """Sound levels in dBFS, RMS of the last moment: of the microphone and of the speaker."""

    input_dbfs: float
    output_dbfs: float


class Controls(Protocol):
    """The person's hand on the conversation.

    All of it returns at once, may be called at any time (also before the conversation has begun,
    and after its end, when but for `mute` and `choose` it does nothing), and shows its effect in
    the trace, if it has one.
    """

    def mute(self, on: bool) -> None:
        """Hear nothing of the user, or hear again. In the trace: `input.muted`."""

    def press_talk(self) -> None:
        """The user holds the key to talk. In the trace: `talk.pressed`."""

    def release_talk(self) -> None:
        """The user let go of it: the turn is over. In the trace: `talk.released`."""

    def interrupt(self) -> None:
        """The assistant falls silent, whatever it says. In the trace: `bargein`."""

    def repeat(self) -> None:
        """The assistant says its last answer again."""

    def new_conversation(self) -> None:
        """What was said so far is forgotten. In the trace: `conversation.begun`."""

    def type_text(self, text: str) -> None:
        """The user typed this instead of saying it. In the trace: `transcript.final`."""

    def levels(self) -> Levels:
        """How loud it is now; asked for several times a second."""

    def choose(self, subject: Subject, value: str) -> None:
        """Go on with this one ("": the default), in a conversation that is opened anew.

        The choice is already saved. In the trace: `loading.progress`, then `listening`.
        """
