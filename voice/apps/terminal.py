"""The conversation on a terminal: a passive reader of the trace."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from voice.trace import TraceEvent

_STATES = {
    "listening": "listening",
    "speech.started": "listening …",
    "turn.ended": "thinking",
    "turn.discarded": "listening",
    "audio.first": "speaking (just talk to interrupt)",
    "turn.completed": "listening",
}

_PARTS = {
    "endpoint": "pause",
    "transcribe": "words",
    "first_token": "first token",
    "first_audio": "first sound",
}


class Terminal:
    """Prints what was heard and said, and a line of latencies after each turn.

    On a terminal the last line shows what goes on; elsewhere there are only whole lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("starting", console=console, refresh_per_second=5)
        self._loading: list[str] = []

    def start(self) -> None:
        """Show that the program starts."""
        if self._console.is_terminal:
            self._status.start()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        self._status.stop()

    def __call__(self, event: TraceEvent) -> None:
        """Show one event."""
        if state := _STATES.get(event.event):
            self._status.update(state)
        fields = event.fields
        match event.event:
            case "transcript.partial":
                self._status.update(Text(f"you … {fields['text']}"))
            case "loading.progress":
                self._load(fields)
            case "listening":
                self._say("", "listening", "green")
            case "transcript.final":
                self._say("you", fields["text"], "bold")
            case "answer.written":
                self._say("voice", fields["text"], "cyan")
            case "tool.started":
                self._say("", f"calls {fields['tool']} {fields['arguments']}", "dim")
            case "tool.ended":
                self._say("", f"{fields['tool']}: {fields['output']}", "dim")
            case "duplex.chosen":
                self._say("", fields["reason"], "yellow" if fields["half"] else "green")
            case "bargein":
                self._status.update("interrupted")
            case "turn.completed":
                self._complete(fields)
            case _ if notice := _notice(event):
                self._say("", *notice)

    def _load(self, fields: dict[str, Any]) -> None:
        """On a terminal what is still loading is in the last line, elsewhere each part has one."""
        part = fields["part"]
        if part in self._loading and fields["done"] == fields["total"]:
            self._loading.remove(part)
            if not self._console.is_terminal:
                self._say("", f"{part} ready in {fields['seconds']:.1f} s", "dim")
        elif part not in self._loading:
            self._loading.append(part)
        if self._loading:
            self._status.update(f"loading {', '.join(self._loading)} …")

    def _complete(self, fields: dict[str, Any]) -> None:
        if fields["interrupted"]:
            heard = fields["heard_text"]
            said = f"interrupted; heard: {heard}" if heard else "interrupted before a word"
            self._say("", said, "yellow")
        if line := latency_line(fields["latency"]):
            self._say("", line, "dim")

    def _say(self, who: str, what: str, style: str) -> None:
        label, text = Text(f"{who:>6}  ", "dim"), Text(what, style)
        if self._console.is_terminal:
            line = Table.grid()
            line.add_row(label, text)
            self._console.print(line)
        else:
            self._console.print(label, text, sep="", soft_wrap=True)


def _notice(event: TraceEvent) -> tuple[str, str] | None:
    """What a person should know of the connection and the journal: text and style."""
    fields = event.fields
    match event.event:
        case "answer.failed" | "connection.lost" | "journal.failed":
            return fields["reason"], "red"
        case "connection.recovered":
            return "connected again", "green"
        case "connection.fallback":
            return f"{fields['reason']}: going on over HTTP", "yellow"
        case "journal.opened" if fields["resumed"]:
            kept = f"going on where we stopped ({fields['items']} messages)"
            return kept if fields["items"] else "nothing to go on with", "dim"
    return None


def latency_line(latency: dict[str, float | None]) -> str:
    """A turn's latencies for people, for example "pause 0.60 + words 0.02 = 0.62 s"."""
    parts = [
        f"{name} {seconds:.2f}"
        for key, name in _PARTS.items()
        if (seconds := latency.get(key)) is not None
    ]
    total = latency.get("voice_to_voice")
    if total is None:
        return ""
    return f"{' + '.join(parts)} → {total:.2f} s from your last word to the first sound"
