"""What goes on in the conversation, in a word, followed from the trace. Pure.

Theory. Several things go on at once: the assistant may speak while the user does, and a turn's
words may be awaited while the answer before is still held. A person is told one of them: the
assistant's voice first, as long as it could be heard, then the user's, then who is waited for.
"""

from __future__ import annotations

from enum import Enum

from voice.trace import TraceEvent


class Phase(Enum):
    """What goes on."""

    LOADING = "loading"
    READY = "ready"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    DUCKED = "ducked"
    HELD = "held"
    STOPPED = "stopped"


_GIVES_WAY = {
    "speech.ducked": Phase.DUCKED,
    "speech.held": Phase.HELD,
    "speech.resumed": Phase.SPEAKING,
}


class Floor:
    """Who speaks, and who is waited for."""

    def __init__(self) -> None:
        self._whole = Phase.LOADING
        """Whether there is a conversation: loading, ready or stopped."""

        self._user = 0
        """The turn in which the user speaks; 0: none."""

        self._awaited = 0
        """The turn that the user has ended, and whose answer has not begun."""

        self._answer = 0
        """The turn whose answer is heard."""

        self._voice = Phase.SPEAKING
        """How it is heard."""

    @property
    def phase(self) -> Phase:
        """What goes on."""
        if self._whole is not Phase.READY:
            return self._whole
        if self._answer:
            return self._voice
        if self._user:
            return Phase.LISTENING
        return Phase.THINKING if self._awaited else Phase.READY

    def receive(self, event: TraceEvent) -> None:
        """Take in one event."""
        turn = event.turn
        match event.event:
            case "loading.progress" if event.fields["done"]:
                pass  # a part may be ready, or be there in bytes, when the conversation has begun
            case "loading.progress" | "listening" | "conversation.failed":
                self._begin_or_end(event.event)
            case "speech.started":
                self._user = turn
            case "turn.ended":
                self._user, self._awaited = 0, turn
            case "transcript.final":  # typed words have no other beginning
                self._awaited = turn
            case "audio.first":
                self._answer, self._voice = turn, Phase.SPEAKING
                self._forget(turn)
            case "speech.ducked" | "speech.held" | "speech.resumed":
                self._voice = _GIVES_WAY[event.event]
            case "bargein" | "playback.ended":
                self._fall_silent(turn)
            case "turn.discarded":
                self._forget(turn)
            case "turn.completed":
                self._fall_silent(turn)
                self._forget(turn)

    def _begin_or_end(self, event: str) -> None:
        self._user = self._awaited = self._answer = 0
        self._whole = {
            "loading.progress": Phase.LOADING,
            "listening": Phase.READY,
            "conversation.failed": Phase.STOPPED,
        }[event]

    def _fall_silent(self, turn: int) -> None:
        if self._answer == turn:
            self._answer = 0

    def _forget(self, turn: int) -> None:
        if self._user == turn:
            self._user = 0
        if self._awaited == turn:
            self._awaited = 0
