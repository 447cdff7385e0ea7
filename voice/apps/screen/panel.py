"""What a wide terminal shows beside the conversation: latencies, and what is chosen."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from voice.apps.controls import Setting
from voice.apps.screen.conversation import Conversation
from voice.apps.screen.latency import median, sparkline
from voice.apps.screen.styled import waterfall_rows

TITLES: dict[Setting, str] = {
    "input": "Microphone",
    "output": "Speaker",
    "voice": "Voice",
    "model": "Model",
    "theme": "Colours",
}

_CELLS = 34


class SettingRow(Static):
    """What is chosen; a click chooses again."""

    class Clicked(Message):
        """A person wants to choose."""

        def __init__(self, setting: Setting) -> None:
            super().__init__()
            self.setting = setting

    def __init__(self, setting: Setting) -> None:
        super().__init__(classes="setting")
        self.setting = setting

    def show(self, value: str) -> None:
        """Show what is chosen."""
        self.update(setting_line(self.setting, value))

    def on_click(self) -> None:
        """Choose again."""
        self.post_message(self.Clicked(self.setting))


class Panel(Vertical):
    """Latencies of the last answer and of those before, and the settings."""

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield Static("Last word to first sound", classes="title")
        yield Static(id="total")
        yield Static(id="waterfall")
        yield Static(id="history")
        yield Static("Settings", classes="title")
        for setting in TITLES:
            yield SettingRow(setting)

    def show(self, conversation: Conversation) -> None:
        """Show the latencies of the answers so far."""
        timed = [turn for turn in conversation.turns if turn.latency.get("voice_to_voice")]
        totals = [turn.latency["voice_to_voice"] or 0.0 for turn in timed]
        rows = waterfall_rows(timed[-1], _CELLS) if timed else Content("")
        self.query_one("#total", Static).update(_total(totals))
        self.query_one("#waterfall", Static).update(rows)
        self.query_one("#history", Static).update(
            Content.styled(sparkline(totals, _CELLS), "$sound")
        )

    def show_settings(self, settings: Mapping[Setting, str]) -> None:
        """Show what is chosen."""
        for row in self.query(SettingRow):
            row.show(settings.get(row.setting, ""))


def setting_line(setting: Setting, value: str) -> Content:
    """A setting's title and value."""
    return Content.assemble(
        (f"{TITLES[setting]:<12}", "$muted"), (value or "default", "$foreground")
    )


def _total(totals: list[float]) -> Content:
    middle = median(totals)
    if middle is None:
        return Content.styled("no answer yet", "$faint")
    return Content.assemble(
        (f"{totals[-1]:.2f} s", "$foreground bold"), (f"  median {middle:.2f} s", "$faint")
    )
