"""Which stage has work and does nothing. Pure.

Theory. Each stage has marks in the trace between which it owes something: what it was given, and
what it makes of it. Microphone and speaker owe steady progress instead, which whoever opened them
tells (`beat`). One that owes for longer than is allowed has stalled. The event loop has no such
marks: while it stands still nothing is told to the service manager, which then starts us anew.
"""

from __future__ import annotations

from typing import Final

from voice.trace import TraceEvent

_BEGINS: Final = {
    "turn.ended": "transcriber",
    "request.sent": "agent",
    "token.first": "synthesizer",
}
"""What gives work to which stage."""

_PROGRESS: Final = {
    "transcript.final": ("transcriber",),
    "speech.ignored": ("transcriber",),
    "turn.discarded": ("transcriber", "agent", "synthesizer"),
    "token.first": ("agent",),
    "eager.discarded": ("agent", "synthesizer"),
    "tool.started": ("agent",),
    "answer.written": ("agent",),
    "answer.failed": ("agent", "synthesizer"),
    "connection.lost": ("agent",),
    "audio.first": ("agent", "synthesizer"),
    "command.obeyed": ("transcriber", "agent"),
    "turn.completed": ("transcriber", "agent", "synthesizer"),
}
"""What shows that a stage has done something, or that nothing is owed any more."""


class Watchdog:
    """Times are seconds of one clock."""

    def __init__(self, stalled_seconds: float) -> None:
        self._stalled_seconds = stalled_seconds
        self._since: dict[str, float] = {}

    def forget(self) -> None:
        """No conversation is open, so nobody owes anything."""
        self._since.clear()

    def receive(self, event: TraceEvent) -> None:
        """Something happened in the conversation."""
        for stage in _PROGRESS.get(event.event, ()):
            self._since.pop(stage, None)
        if event.event in _BEGINS:
            self.owes(_BEGINS[event.event], event.at)

    def beat(self, stage: str, now: float) -> None:
        """The stage has come on, and owes more."""
        self._since[stage] = now

    def rest(self, stage: str) -> None:
        """The stage owes nothing now."""
        self._since.pop(stage, None)

    def owes(self, stage: str, now: float) -> None:
        """The stage has something to do, at least since now."""
        self._since.setdefault(stage, now)

    def stalled(self, now: float) -> str | None:
        """The stage that has stalled; the one that owes for longest, if there are several."""
        late = [(at, stage) for stage, at in self._since.items()]
        at, stage = min(late, default=(now, ""))
        return stage if now - at > self._stalled_seconds else None
