"""The line below the conversation: what goes on, a button to talk, and how loud it is."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import MouseDown, MouseUp
from textual.message import Message
from textual.widgets import Static

from voice.apps.controls import Levels
from voice.apps.screen.levels import Meter
from voice.apps.screen.wording import Mood, Status

_COLOURS: dict[Mood, str] = {
    "quiet": "$muted",
    "user": "$user",
    "busy": "$token",
    "agent": "$agent",
    "warning": "$warning",
    "error": "$error",
}


class MeterView(Static):
    """A level as a line; it is drawn only when a cell changes."""

    def __init__(self, label: str, colour: str) -> None:
        super().__init__(classes="meter")
        self._label, self._colour = label, colour
        self._meter = Meter()
        self._lit = -1

    def measure(self, dbfs: float, now: float) -> None:
        """Show this level at `now` (seconds)."""
        cells = max(1, self.size.width - len(self._label) - 1)
        lit = self._meter.show(dbfs, now, cells)
        if lit == self._lit:
            return
        self._lit = lit
        hot = max(0, lit - cells * 7 // 8)
        line = Content.assemble(
            (f"{self._label} ", "$faint"),
            ("━" * (lit - hot), self._colour),
            ("━" * hot, "$warning"),
            ("─" * (cells - lit), "$line"),
        )
        self.update(line)


class TalkButton(Static):
    """The key to talk for the mouse: held, or let go."""

    class Held(Message):
        """The button is held, or no longer."""

        def __init__(self, held: bool) -> None:
            super().__init__()
            self.held = held

    def __init__(self) -> None:
        super().__init__("● talk", id="talk")

    def on_mouse_down(self, event: MouseDown) -> None:
        """Hold it, wherever the mouse goes."""
        event.stop()
        self.capture_mouse()
        self.post_message(self.Held(True))

    def on_mouse_up(self, event: MouseUp) -> None:
        """Let go."""
        event.stop()
        self.release_mouse()
        self.post_message(self.Held(False))


class StatusBar(Horizontal):
    """The whole line."""

    def __init__(self) -> None:
        super().__init__()
        self._state = Static(id="state")
        self._hint = Static(id="hint")
        self._shown: Status | None = None
        self._input = MeterView("mic", "$user")
        self._output = MeterView("out", "$agent")

    def compose(self) -> ComposeResult:
        """State, button and meters."""
        yield self._state
        yield self._hint
        yield TalkButton()
        yield self._input
        yield self._output

    def measure(self, levels: Levels, now: float) -> None:
        """Show how loud it is at `now` (seconds)."""
        self._input.measure(levels.input_dbfs, now)
        self._output.measure(levels.output_dbfs, now)

    def show(self, status: Status) -> None:
        """Show what goes on."""
        if status == self._shown:
            return
        self._shown = status
        colour = _COLOURS[status.mood]
        self._state.update(Content.assemble(("● ", colour), (status.word, f"{colour} bold")))
        self._hint.update(status.hint)
