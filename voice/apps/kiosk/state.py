"""What the kiosk does, in a word, followed from the trace. Pure.

Theory. A conversation has its `Phase`; a kiosk is in more states. Nobody may be there, a part may
be out of order so that it hears or says nothing, and it may be about to end. Some faults leave it
a listener: who cannot reach the server can still say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from voice.apps.phase import Floor, Phase
from voice.trace import TraceEvent

HARMLESS: Final = frozenset({"network", "server", "disk", "memory"})
"""Faults with which a visitor is still heard and answered, if only with an apology."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is out of order since `at`, in the trace's seconds."""

    name: str
    problem: str
    cure: str
    at: float

    @property
    def harmless(self) -> bool:
        """Whether the kiosk still listens."""
        return self.name in HARMLESS


class KioskState:
    """Who is there, what goes on, and what is out of order."""

    def __init__(self) -> None:
        self.ready = False
        """Whether a visitor would be heard."""

        self.stopping = False
        self.visited = False
        """Whether somebody is there."""

        self.faults: dict[str, Fault] = {}
        """Those of now, by name, the oldest first."""

        self._floor = Floor()

    @property
    def word(self) -> str:
        """loading, asleep, ready, listening, thinking, speaking, ducked, held, fault, stopping."""
        if self.stopping:
            return "stopping"
        if not self.ready:
            return "fault" if self.faults else "loading"
        phase = self._floor.phase
        nobody = not self.visited and phase in (Phase.READY, Phase.LISTENING)
        return "asleep" if nobody else phase.value

    def receive(self, event: TraceEvent) -> None:
        """Take in one event."""
        self._floor.receive(event)
        match event.event:
            case "kiosk.ready":
                self.ready = True
            case "loading.progress" if not event.fields["done"]:
                self.ready = False  # another conversation is being opened
            case "conversation.failed":
                self.ready = False
            case "kiosk.stopping":
                self.ready, self.stopping = False, True
            case "visit.began" | "visit.ended":
                self.visited = event.event == "visit.began"
            case "fault.began":
                fault = Fault(
                    event.fields["fault"], event.fields["problem"], event.fields["cure"], event.at
                )
                self.faults[fault.name] = fault
                self.ready = self.ready and fault.harmless
            case "fault.ended":
                self.faults.pop(event.fields["fault"], None)
