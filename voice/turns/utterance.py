"""What is known of one utterance, while it is spoken and until its words are final."""

from __future__ import annotations

from dataclasses import dataclass

from voice.listen.completeness import finished
from voice.listen.labels import Label, is_stop, label
from voice.turns.endpoint import Evidence


@dataclass(slots=True)
class Utterance:
    """Times are the clock's seconds, positions are samples of the capture."""

    turn: int
    started_at: float
    last_speech_at: float
    last_speech: int = 0
    paused: bool = False
    confirmed: bool = False
    ended_at: float = 0.0
    text: str = ""
    text_end: int = -1
    committed: str = ""
    text_finished: float | None = None
    """How finished `text` sounds; None before there is any."""

    audio_finished: float | None = None
    """The judge's verdict on the pause that goes on."""

    likely_end: bool = False
    """Whether the pause that goes on was reported as a likely end."""

    @property
    def transcribed(self) -> bool:
        """Whether the words cover the last speech."""
        return self.text_end >= self.last_speech > 0

    @property
    def label(self) -> Label:
        """What kind of utterance the words make it."""
        return label(self.text)

    @property
    def tells_to_stop(self) -> bool:
        """Whether it says nothing but that the agent should fall silent."""
        return is_stop(self.text)

    def pause(self, at: float, sample: int) -> None:
        """Speech stopped, and `sample` was the last of it."""
        self.paused, self.likely_end, self.audio_finished = True, False, None
        self.last_speech_at, self.last_speech = at, sample

    def resume(self) -> None:
        """Speech goes on."""
        self.paused = False

    def take_words(self, text: str, end: int, language: str) -> None:
        """The words so far, up to the sample `end`."""
        self.text, self.text_end = text, end
        self.text_finished = finished(text, language) if text else None

    def commit(self, text: str) -> str:
        """All committed words so far are `text`; returns the new ones."""
        if len(text) <= len(self.committed):
            return ""
        added = text.removeprefix(self.committed).strip()
        self.committed = text
        return added

    def evidence(self, *, agent_speaks: bool) -> Evidence:
        """What is known about its end."""
        if not self.transcribed or not self.text:
            return Evidence(audio_finished=self.audio_finished)
        return Evidence(
            text_finished=self.text_finished,
            audio_finished=self.audio_finished,
            label=self.label,
            stop=agent_speaks and self.tells_to_stop,
        )
