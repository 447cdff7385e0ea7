"""What a person should know besides the conversation itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voice.trace import TraceEvent

Tone = Literal["plain", "good", "warning", "error"]


@dataclass(frozen=True, slots=True, eq=False)
class Notice:
    """A line among the turns."""

    text: str
    tone: Tone


def notice_of(event: TraceEvent) -> Notice | None:
    """What an event of the trace is worth telling, if anything."""
    fields = event.fields
    told: tuple[str, Tone] | None = None
    match event.event:
        case "notice":
            told = fields["text"], fields["tone"]
        case "connection.lost" | "journal.failed":
            told = fields["reason"], "error"
        case "connection.recovered":
            told = "connected again", "good"
        case "connection.fallback":
            told = f"{fields['reason']}: going on over HTTP", "warning"
        case "journal.opened" if fields["resumed"]:
            kept = f"going on where we stopped ({fields['items']} messages)"
            told = kept if fields["items"] else "nothing to go on with", "plain"
        case "duplex.chosen":
            told = fields["reason"], "warning" if fields["half"] else "good"
        case "conversation.failed":
            cure = fields["cure"]
            told = f"{fields['problem']} ({cure})" if cure else fields["problem"], "error"
    return Notice(*told) if told else None
