"""What is known of one utterance, while it is spoken and until its words are final."""

from __future__ import annotations

from dataclasses import dataclass

from voice.listen.completeness import finished
from voice.listen.labels import Label, is_stop, label, may_become_backchannel
from voice.turns.endpoint import Evidence


@dataclass(slots=True)
class Utterance:
    """Times are the clock's seconds, positions are samples of the capture.

    It is made of stretches of speech with pauses between them.
    """

    turn: int
    started_at: float
    stretch_at: float
    """When the latest stretch began."""

    noticed_at: float
    """When the machine heard of the latest stretch."""

    undecided_since: float
    """Since when nobody knows what is said: the stretch's beginning, or the last words after
    which it may still be nothing."""

    last_speech_at: float
    last_speech: int = 0
    pressed: bool = False
    """Whether a key was pressed for it."""

    over_agent: bool = False
    """Whether its latest stretch began while the agent thought or spoke, or was about to."""

    paused: bool = False
    confirmed: bool = False
    """Whether speech whose words are not known yet is certainly speech."""

    was_confirmed: bool = False
    """Whether any of it was."""

    lost: bool = False
    """Whether the words up to the pause that goes on could not be found out."""

    ended_at: float | None = None
    text: str = ""
    text_end: int = -1
    committed: str = ""
    label: Label = "non-speech"
    """What kind of utterance the words make it."""

    tells_to_stop: bool = False
    """Whether it says nothing but that the agent should fall silent."""

    may_become_backchannel: bool = False
    """Whether it is none, but the beginning of one."""

    text_finished: float | None = None
    """How finished `text` sounds; None before there is any."""

    audio_finished: float | None = None
    """The judge's verdict on the pause that goes on."""

    long_silence: bool = False
    """Whether the pause that goes on is long enough to be a likely end by that alone."""

    likely_end: bool = False
    """Whether the pause that goes on was reported as a likely end."""

    @property
    def transcribed(self) -> bool:
        """Whether the words cover the last speech."""
        return self.text_end >= self.last_speech > 0

    def confirm(self) -> None:
        """Somebody certainly speaks."""
        self.confirmed = self.was_confirmed = True

    def pause(self, at: float, sample: int) -> None:
        """Speech stopped, and `sample` was the last of it."""
        self.paused, self.likely_end, self.audio_finished = True, False, None
        self.lost = self.long_silence = False
        self.last_speech_at, self.last_speech = at, sample

    def resume(self, at: float, now: float, *, over_agent: bool) -> None:
        """Speech goes on since `at`."""
        if self.transcribed:  # otherwise the speech before is as undecided as it was
            self.confirmed = False
        self.paused, self.over_agent = False, over_agent
        self.stretch_at = self.undecided_since = at
        self.noticed_at = now

    def take_words(self, text: str, end: int, language: str, now: float) -> None:
        """The words so far, up to the sample `end`."""
        self.text, self.text_end = text, end
        self.text_finished = finished(text, language) if text else None
        self.label, self.tells_to_stop = label(text), is_stop(text)
        self.may_become_backchannel = may_become_backchannel(text)
        if self.may_become_backchannel or self.label in ("backchannel", "hesitation"):
            self.undecided_since = now

    def commit(self, text: str) -> str:
        """All committed words so far are `text`; returns the new ones."""
        if len(text) <= len(self.committed):
            return ""
        added = text.removeprefix(self.committed).strip()
        self.committed = text
        return added

    def evidence(self) -> Evidence:
        """What is known about its end."""
        if not self.transcribed or not self.text:
            return Evidence(audio_finished=self.audio_finished)
        return Evidence(
            text_finished=self.text_finished,
            audio_finished=self.audio_finished,
            label=self.label,
            long_silence=self.long_silence,
            stop=self.over_agent and self.tells_to_stop,
        )
