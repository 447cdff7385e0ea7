"""The screen that is always there: the conversation, what goes on, and a line to type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from voice.apps.controls import Levels, Setting
from voice.apps.phase import Phase
from voice.apps.screen.conversation import Conversation, Entry, Turn
from voice.apps.screen.log import Log
from voice.apps.screen.panel import Panel
from voice.apps.screen.statusbar import StatusBar
from voice.apps.screen.styled import loading_text
from voice.apps.screen.wording import status


class MainScreen(Screen[None]):
    """Draws what it is told to; a wide terminal also has the figures at the side."""

    AUTO_FOCUS = "#typed"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
    ]

    class Mounted(Message):
        """The screen can be drawn from now on."""

    def __init__(self) -> None:
        super().__init__()
        self._welcome = Static(id="welcome")
        self._log = Log()
        self._loading = Static(id="loading")
        self._status = StatusBar()
        self._panel = Panel()

    def compose(self) -> ComposeResult:
        """From top to bottom, and the side."""
        with Horizontal(id="body"):
            with Vertical(id="main"):
                yield self._welcome
                yield self._log
                yield self._loading
                yield self._status
                yield Input(placeholder="type here, or just talk", id="typed")
            yield self._panel
        yield Footer()

    def on_mount(self) -> None:
        """Tell that it can be drawn."""
        self.clear()
        self.post_message(self.Mounted())

    def draw(self, conversation: Conversation, changed: Iterable[Entry]) -> None:
        """Show the conversation, of which these entries have changed since the last time."""
        answered = False
        for entry in changed:
            self._log.show(entry)
            answered |= isinstance(entry, Turn) and entry.completed
        begun, loading = bool(conversation.entries), conversation.phase is Phase.LOADING
        self._log.display, self._welcome.display = begun, not begun
        self._loading.display = begun and loading
        if not begun:
            self._welcome.update(_welcome(conversation))
        elif loading:
            self._loading.update(loading_text(conversation))
        self._status.show(status(conversation))
        if answered:
            self._panel.show(conversation)

    def clear(self) -> None:
        """The conversation begins anew."""
        self._log.clear()
        self._panel.show(Conversation())

    def measure(self, levels: Levels, now: float) -> None:
        """Show how loud it is at `now` (seconds)."""
        self._status.measure(levels, now)

    def show_settings(self, settings: Mapping[Setting, str]) -> None:
        """Show what is chosen."""
        self._panel.show_settings(settings)

    def action_page(self, pages: int) -> None:
        """Scroll back, or forward."""
        if pages < 0:
            self._log.scroll_page_up()
        else:
            self._log.scroll_page_down()


def _welcome(conversation: Conversation) -> Content:
    """What is shown before anything was said."""
    if conversation.phase is Phase.LOADING:
        below = loading_text(conversation)
    else:
        below = Content.assemble(
            ("Say something. Talk again to interrupt.\n", "$foreground"),
            ("Or type below. F1 explains the keys.", "$faint"),
        )
    return Content.assemble(("voice\n\n", "$agent bold"), below)
