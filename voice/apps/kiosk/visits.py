"""When a visit begins and ends, and when its visitor is heard. Pure.

Theory. A visit is what one person says and hears from beginning to end. Silence counts only while
nobody speaks or is waited for (`Floor`). After `follow_up_seconds` of it the visitor is heard no
more until the next wake word or press, but it is the same visit; after `forget_seconds`, or once
the answer to a goodbye was said, it is over, and what was said in it is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

from voice.apps.kiosk.goodbye import is_goodbye
from voice.apps.phase import Floor, Phase
from voice.trace import TraceEvent

BUSY_SECONDS = 600.0
"""Longer than any answer: a visit in which nothing happens for so long is over in any case."""


@dataclass(frozen=True, slots=True)
class Began:
    """Somebody is there, by "speech", "wake-word" or "button"."""

    by: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Nobody is there any more; what was said is to be forgotten."""

    reason: str


@dataclass(frozen=True, slots=True)
class Listened:
    """Whether the visitor is heard, from now on."""

    on: bool


@dataclass(frozen=True, slots=True)
class Silenced:
    """The agent is to stop speaking."""


Action = Began | Ended | Listened | Silenced


class Visits:
    """One visit after another; times are in seconds of the trace's clock."""

    def __init__(self, *, always: bool, follow_up_seconds: float, forget_seconds: float) -> None:
        """`always`: whoever speaks is heard, without a wake word or a press."""
        self._always = always
        self._follow_up_seconds = follow_up_seconds
        self._forget_seconds = forget_seconds
        self._floor = Floor()
        self._since = 0.0
        """When the silence began, or when something last happened."""

        self.visited = False
        """Whether somebody is there."""

        self.heard = always
        """Whether a person who speaks is heard."""

    @property
    def _quiet(self) -> bool:
        return self._floor.phase is Phase.READY

    def receive(self, event: TraceEvent) -> list[Action]:
        """Take in one event of the trace."""
        quiet = self._quiet
        self._floor.receive(event)
        if not (quiet and self._quiet):
            self._since = event.at
        if event.event == "speech.started" and self.heard:
            return self._begin("speech")
        if event.event == "turn.completed" and self.visited and self._quiet:
            fields = event.fields
            if is_goodbye(fields.get("user_text", "")) and not fields.get("interrupted"):
                return self.end("goodbye")
        return []

    def call(self, by: str, now: float) -> list[Action]:
        """Somebody said the wake word or pressed the button."""
        speaks = self._floor.phase in (Phase.SPEAKING, Phase.DUCKED, Phase.HELD)
        self._since = now
        actions: list[Action] = [*self._begin(by), *([Silenced()] if speaks else [])]
        if not self.heard:
            self.heard = True
            actions.append(Listened(True))
        return actions

    def deadline(self) -> float | None:
        """When `timeout` is to be called; None only while nobody is there."""
        if not self.visited:
            return None
        if not self._quiet:
            return self._since + BUSY_SECONDS
        seconds = self._forget_seconds
        if self.heard and not self._always:
            seconds = min(seconds, self._follow_up_seconds)
        return self._since + seconds

    def timeout(self, now: float) -> list[Action]:
        """Do what is due by `now`."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return []
        if not self._quiet or now >= self._since + self._forget_seconds:
            return self.end("silence")
        self.heard = False
        return [Listened(False)]

    def end(self, reason: str) -> list[Action]:
        """The visit is over, if there is one; nobody is heard but where all are."""
        if not self.visited:
            return []
        self.visited = False
        heard, self.heard = self.heard, self._always
        deaf: list[Action] = [Listened(False)] if heard and not self.heard else []
        return [*deaf, Ended(reason)]

    def _begin(self, by: str) -> list[Action]:
        if self.visited:
            return []
        self.visited = True
        return [Began(by)]
